// SPDX-License-Identifier: Apache-2.0
/* space - the ports from one source to one destination, as this process uses them: what is counted of them.
 *
 * Theory of operation
 *
 * TIME_WAITs are counted in 16 buckets of 2^32 ns, and drop out after 14 (TCP_TIMEWAIT_LEN is 60 s). Those
 * that tcp_tw_reuse lets connect() take over count as in use for a tick only. `use` is where all of it
 * counts: in the mapping of the usage segment, or in memory of the arena (entries.h). What others have in
 * use is added when a source is chosen: `others`. */
#ifndef HEADROOM_POOL_LEDGER_SPACE_H
#define HEADROOM_POOL_LEDGER_SPACE_H

#include "pool/base/address.h"
#include "pool/base/hot.h"
#include "pool/ledger/slots.h"
#include "pool/ports/range.h"
#include "pool/rules/settings.h"
#include "pool/segment/entry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With fewer ports in use the capacity is nobody's concern, and /proc is not read for it. */
enum { LEDGER_BUSY_FROM = 32 };

/* What is marked against a tuple space: tuple_space.knee. Most have none. */
enum knee_mark {
	KNEE_NEW = 1,     /* nothing was asked about it yet */
	KNEE_SUSPECT = 2, /* the last unhelped connect() was slow */
	KNEE_PAST = 4,    /* past the knee: helped until knee_retest_ns of the destination */
	KNEE_OTHERS = 8,  /* siblings have something in use */
	KNEE_WALKED = 16, /* the last one that was measured walked, in a range where that says little */
	KNEE_SKIPS = 32,  /* times KNEE_SKIP at most: slow ones that say nothing */
};

/* `doubt` of a tuple space: connections begun since the last answer, and flags. */
enum {
	TRUST_BEGUN = 0x3f,
	TRUST_UNSERVED = 0x40, /* whether a connection brought an answer is still to be learned */
	TRUST_UNTESTED = 0x80,
	TRUST_LOOK_AFTER = 16,
};

/* How a connection ended, as far as this side can know. */
enum ending {
	ENDED_TIME_WAIT, /* we closed first: its port stays taken for 60 s */
	ENDED_BY_PEER,   /* the peer closed first: the port is free */
	ENDED_BY_RESET,  /* RST either way: the port is free */
	ENDED_UNSEEN,    /* its fd was closed where no hook sees it */
};

struct destination;
struct trust;
struct trust_of_all;
struct traffic_classes;
struct parked_pool;

/* The ports from one source to one destination, as this process uses them. What every connection touches
 * stands first, in one cache line; what is counted stands in `use`, of which a connection touches two. */
struct tuple_space {
	struct address source; /* unset: the kernel chose one and nobody asked which */
	struct destination *destination;
	struct usage_entry *use; /* an entry of the usage segment, or memory of our own */
	uint32_t *load;          /* its place in the destination's `load`, or NULL */
	uint32_t open;           /* now, with those still connecting */
	uint32_t time_wait;      /* sum of the buckets of `use` */
	uint64_t full_until_ns;  /* EADDRNOTAVAIL seen; do not ask the kernel again before */
	uint32_t quiet_below; /* with less in use there is no warn_at step to pass or leave; 0: not known */
	uint8_t warned_steps; /* how many of the warn_at steps are passed */
	bool to_loopback : 1; /* where tcp_tw_reuse = 2 applies */
	bool doubtful : 1;    /* it may be on another link than the destination: see candidates_parted() */
	bool several : 1;     /* it gave a port after a refusal, though none of ours had come free: see
				 spread_full_surely() */
	bool listed : 1;      /* it is of the destination's list */
	bool apart : 1;       /* no entry was free: what is counted is added up in `other` besides */
	uint8_t knee;         /* what is marked against it: see slowness.h */
	uint8_t doubt;        /* what of its connections is not known: see trust.h */
	/* One cache line up to here. */
	struct usage_entry *other;
	uint32_t others;       /* in use by other processes, as far as their usage segments say */
	uint16_t number;       /* of the entry; 0: `use` is memory of our own */
	uint8_t full_in_row;   /* EADDRNOTAVAIL without a success between */
	uint8_t refusals_left; /* on the ground of that: see spread_full_surely() */
	uint64_t full_at_ns;
	struct trust *trust;      /* NULL: nothing to know */
	uint64_t aside_until_ns;  /* cannot be routed to this destination; not used before */
	struct tuple_space *next; /* of the same destination */
};
_Static_assert(offsetof(struct tuple_space, other) == 64, "one cache line");

struct destination {
	struct endpoint to;
	unsigned users;  /* attempts under way that point here */
	bool busy;       /* enough in use for the capacity to matter */
	bool load_valid; /* `load` tells all there is to know for a choice, within its tick */
	bool far;        /* not a loopback address; stays as it is, so it is read without the lock, too */
	bool no_source_said : 1; /* that none of its sources fits */
	bool knee_past : 1;      /* one of its tuple spaces is past the knee: see slowness.h */
	bool kernels_choice : 1; /* no list can serve it: the unset address, link-local and multicast ones */
	bool looking : 1;        /* some source's connection is to be looked at: see trust.h */
	bool doubted : 1;        /* some source has failed of late */
	bool tested : 1;         /* some source is in test no longer */
	bool list_answered : 1;  /* some source of its list was ever answered */
	bool want_natural : 1;   /* the kernel's choice is to be known, though it is not the first */
	const struct rule *rule;
	struct tuple_space *natural;       /* of the source the kernel would choose, once known */
	uint64_t natural_until_ns;         /* ask again after */
	uint64_t knee_retest_ns;           /* those past the knee are helped until then; next one finds out */
	const struct source_list *sources; /* candidates: the rule's, or what `auto` found */
	struct slots by_source;            /* the tuple spaces of those candidates that were used */
	uint32_t *load; /* ports in use, one a candidate, side by side; NULL for a long list: see spread.c */
	uint32_t load_tick;
	unsigned rotor;             /* where the next search among equals starts */
	uint32_t least_load;        /* none of `load` is lower, while load_valid */
	uint32_t refusal_ns;        /* what the kernel takes to refuse for want of a port; 0: not known */
	struct trust_of_all *trust; /* NULL: nothing to know */
	struct traffic_classes *classes; /* NULL: no socket with one came */
	uint64_t sources_until_ns;       /* look `auto` up again after */
	struct tuple_space *spaces;      /* all of them */
	uint64_t exhausted;              /* connect() calls that found every source full */
	uint64_t exhausted_logged_ns, failover_logged_ns;
	uint32_t exhausted_logged, failovers_unlogged;
	struct parked_pool *parked; /* NULL: nothing was ever to be reused */
	struct ledger_waits *waits;
};

/* TIME_WAITs of the process, whatever their tuple space: past its bound the kernel makes none. */
struct ledger_waits {
	uint32_t bound; /* as in struct port_range */
	uint32_t sum, tick;
	uint32_t begun[USAGE_TIME_WAIT_BUCKETS]; /* as in struct usage_entry */
};

/**
 * space_taken() - a port is taken (or about to be): open, until space_ended() or space_failed()
 * Return: ports in use with it, as space_in_use()
 */
uint32_t space_taken(struct tuple_space *space, const struct port_range *range, uint64_t now_ns);

/**
 * space_opened() - the attempt that took the port came through
 * @spent_ns:	time in connect()
 */
void space_opened(struct tuple_space *space, uint64_t spent_ns);

/**
 * space_failed() - the attempt that took the port failed: the port is free
 * @error:	errno, or 0 for "given up by the program"
 */
void space_failed(struct tuple_space *space, int error);

/**
 * space_refused() - connect() failed without a port having been taken
 * @error:	errno, or 0 for "given up by the program"
 */
void space_refused(struct tuple_space *space, int error);

/**
 * space_released() - the attempt took no port after all; nothing is counted
 */
void space_released(struct tuple_space *space);

/**
 * space_ended() - an open connection ended
 * Return: true if a TIME_WAIT has begun
 */
bool space_ended(struct tuple_space *space, enum ending how, uint64_t now_ns);

/**
 * space_wait_over() - a TIME_WAIT is none any more: another connection has its port
 * @tick:	when it began, as ledger_tick()
 */
void space_wait_over(struct tuple_space *space, uint32_t tick, uint64_t now_ns);

/**
 * space_failed_over() / space_exhausted() / space_deferred() / space_aside() - one more of these
 */
void space_failed_over(struct tuple_space *space);
void space_exhausted(struct tuple_space *space);
void space_deferred(struct tuple_space *space);
void space_aside(struct tuple_space *space);

/**
 * ledger_tick() - time in steps of 4.3 s, in which TIME_WAITs are counted out
 */
static inline uint32_t ledger_tick(uint64_t now_ns)
{
	return (uint32_t)(now_ns >> 32);
}

/**
 * space_age() - drop the TIME_WAITs whose 60 s are over
 */
void space_age(struct tuple_space *space, uint64_t now_ns);

/**
 * space_time_wait() - connections closed by us in the last 60 s
 */
static inline uint32_t space_time_wait(struct tuple_space *space, uint64_t now_ns)
{
	if (unlikely(space->use->tick != ledger_tick(now_ns)))
		space_age(space, now_ns);
	return space->time_wait;
}

/**
 * space_in_use() - ports taken: open and TIME_WAIT, never more than the capacity
 * @range:	a TIME_WAIT that tcp_tw_reuse lets connect() take again does not count for long
 */
static inline uint32_t space_in_use(struct tuple_space *space, const struct port_range *range,
				    uint64_t now_ns)
{
	uint32_t time_wait = space_time_wait(space, now_ns);
	uint32_t capacity = port_range_capacity(range);

	/* After tcp_tw_reuse_delay one may be taken over (tcp_twsk_unique(), net/ipv4/tcp_ipv4.c). */
	bool briefly = (range->time_wait_reuse == 1) | ((range->time_wait_reuse == 2) & space->to_loopback);
	uint32_t in_use =
		space->open + (briefly ? usage_waits_since(space->use, now_ns,
							   usage_reuse_ticks(port_range_reuse_ms(range)))
				       : time_wait);
	return unlikely((in_use > capacity) & (capacity != 0)) ? capacity : in_use;
}

/* What reuse did with a connection of a tuple space, also where its usage segment shows it. The lock is held.
 */
#define SPACE_REUSE_ADD(space, field, value)                     \
	do {                                                     \
		USAGE_ADD((space)->use->field, value);           \
		if ((space)->apart)                              \
			USAGE_ADD((space)->other->field, value); \
	} while (0)

#endif
