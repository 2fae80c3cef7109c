// SPDX-License-Identifier: Apache-2.0
/* ledger - what this process has open, per destination and source. */
#ifndef HEADROOM_POOL_LEDGER_LEDGER_H
#define HEADROOM_POOL_LEDGER_LEDGER_H

#include "pool/base/address.h"
#include "pool/base/arena.h"
#include "pool/base/hot.h"
#include "pool/base/slots.h"
#include "pool/connect/trust.h"
#include "pool/ledger/folding.h"
#include "pool/ports/range.h"
#include "pool/reuse/pool.h"
#include "pool/routes/traffic_classes.h"
#include "pool/rules/settings.h"
#include "pool/segment/entry.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	LEDGER_DESTINATIONS_MAX = 16384,
	/* Past this many, those that are not in use are folded: see folding.h. */
	LEDGER_UNFOLDED_MAX = 1024,
	/* With this many, one to which the first connect() fails gets no entry: see ledger_may_wait(). */
	LEDGER_MANY = 64,
	/* With fewer ports in use the capacity is nobody's concern, and /proc is not read for it. */
	LEDGER_BUSY_FROM = 32,
};

/* How a connection ended, as far as this side can know. */
enum ending {
	ENDED_TIME_WAIT, /* we closed first: its port stays taken for 60 s */
	ENDED_BY_PEER,   /* the peer closed first: the port is free */
	ENDED_BY_RESET,  /* RST either way: the port is free */
	ENDED_UNSEEN,    /* its fd was closed where no hook sees it */
};

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

struct usage_writer;
struct siblings;

/* TIME_WAITs of the process, whatever their tuple space: past its bound the kernel makes none. */
struct ledger_waits {
	uint32_t bound; /* as in struct port_range */
	uint32_t sum, tick;
	uint32_t begun[USAGE_TIME_WAIT_BUCKETS]; /* as in struct usage_entry */
};

struct ledger {
	struct arena *arena;
	struct usage_writer *writer;
	const struct siblings *siblings;
	struct ledger_link *table; /* uthash */
	struct destination *last;  /* found by the last search: most programs have few */
	struct ledger_link *hand;  /* where the search for an idle entry goes on */
	unsigned count;            /* without those folded */
	unsigned doubted;          /* destinations of which a source has failed of late */
	uint8_t ends;              /* counts round */
	struct folding folding;
	struct ledger_waits waits;
	uint64_t forgotten; /* idle destinations dropped for room, without those that were folded */
	uint64_t untracked; /* connections not counted for want of room */
	/* What was counted at destinations that are no longer there, and at no tuple space. */
	uint64_t dropped_exhausted;
	struct reuse_counts dropped_reuse;
	struct usage_entry unfolding; /* while a tuple space is made again: no stack is taken for it */
};

/**
 * ledger_find() - the entry of a destination, made if new
 * @rule:	what decides for it; kept
 * @now_ns:	clock_ns()
 * Return: NULL when every entry is in use or memory is short
 */
struct destination *ledger_find(struct ledger *ledger, const struct endpoint *to, const struct rule *rule,
				uint64_t now_ns);

/**
 * ledger_may_wait() - is a destination new, and may its entry wait for what comes of the first connect()?
 *
 * A program that goes to one destination after the other, most of which refuse it, would else pay more for
 * the entries than for the calls. What fails is remembered by ledger_failed() in 80 bytes; a second connect()
 * finds that, and makes the entry.
 */
bool ledger_may_wait(struct ledger *ledger, const struct endpoint *to);

/**
 * ledger_failed() - the first connect() to a destination whose entry was to wait has failed
 * @error:	errno
 */
void ledger_failed(struct ledger *ledger, const struct endpoint *to, int error, uint64_t now_ns);

/**
 * ledger_space() - the tuple space of a source towards a destination, made if new
 * @source:	unset for "not known"
 * Return: NULL when memory is short
 */
struct tuple_space *ledger_space(struct ledger *ledger, struct destination *destination,
				 const struct address *source);

/**
 * ledger_capacity_changed() - what was worked out from the old range is to be worked out anew
 */
void ledger_capacity_changed(struct ledger *ledger, const struct port_range *range);

/**
 * ledger_forgotten() - destinations dropped for room; what they counted is in the sum of the usage segment
 */
static inline uint64_t ledger_forgotten(const struct ledger *ledger)
{
	return ledger->forgotten + ledger->folding.forgotten;
}

/**
 * ledger_add_reuse() - add what reuse did at a destination
 */
void ledger_add_reuse(const struct destination *destination, struct reuse_counts *sum);

/**
 * ledger_next() - walk over all destinations that are not folded, in the order they were first used
 * @previous:	NULL to start
 */
struct destination *ledger_next(const struct ledger *ledger, const struct destination *previous);

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
 */
void space_ended(struct tuple_space *space, enum ending how, uint64_t now_ns);

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

/**
 * space_is_doubted() - has a source of its destination failed of late? Costs nothing where none has at any.
 */
static inline bool space_is_doubted(const struct ledger *ledger, const struct tuple_space *space)
{
	return unlikely(ledger->doubted) && space->destination->doubted;
}

/**
 * trust_wants_to_know() - is an end by the peer to be looked into? Where no source is in doubt, one of 16 is.
 */
static inline bool trust_wants_to_know(struct ledger *ledger, const struct tuple_space *space)
{
	return space->doubt & TRUST_UNSERVED ||
	       (space->load && (space_is_doubted(ledger, space) || !(++ledger->ends & 15)));
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
