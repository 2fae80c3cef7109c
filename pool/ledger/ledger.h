// SPDX-License-Identifier: Apache-2.0
/* ledger - what this process has open, per destination and source. */
#ifndef HEADROOM_POOL_LEDGER_LEDGER_H
#define HEADROOM_POOL_LEDGER_LEDGER_H

#include "pool/base/address.h"
#include "pool/base/arena.h"
#include "pool/base/hot.h"
#include "pool/base/lock.h"
#include "pool/ledger/folding.h"
#include "pool/ledger/siblings.h"
#include "pool/ledger/space.h"
#include "pool/log/log.h"
#include "pool/ports/range.h"
#include "pool/segment/writer.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	LEDGER_DESTINATIONS_MAX = 16384,
	/* Past this many, those that are not in use are folded: see folding.h. */
	LEDGER_UNFOLDED_MAX = 1024,
	/* With this many, one to which the first connect() fails gets no entry: see ledger_may_wait(). */
	LEDGER_MANY = 64,
};

struct ledger;
struct board;
struct heritage;
struct named_wait;

/* Who keeps something of its own at destinations and tuple spaces: the ledger knows that it is there, no
 * more. */
struct ledger_tenant {
	/* Is there something to know of a destination that is lost when it is folded? */
	bool (*stays)(const struct destination *destination, uint64_t now_ns);
	/* The destination goes: free what is kept there */
	void (*leaves)(void *self, struct ledger *ledger, struct destination *destination);
	void *self;
};

enum { LEDGER_TENANTS_MAX = 2 };

/* The lock guards all of it. */
struct ledger {
	struct lock *lock;
	struct arena *arena;
	struct usage_writer *writer; /* NULL: no segment is ever made */
	struct port_range range;     /* all zero: not known */
	uint64_t range_until_ns;     /* read it again after */
	struct ledger_link *table;   /* uthash */
	struct destination *last;    /* found by the last search: most programs have few */
	struct ledger_link *hand;    /* where the search for an idle entry goes on */
	unsigned count;              /* without those folded */
	const void *first_thread;    /* that chose a source, by lock_thread() */
	unsigned doubted;            /* destinations of which a source has failed of late */
	uint32_t ends;               /* of connections: picks some, see trust.h */
	struct folding folding;
	struct ledger_waits waits;
	struct named_wait *named;   /* NULL: no TIME_WAIT was left at a named port; see named.h */
	uint64_t forgotten;         /* idle destinations dropped for room, without those that were folded */
	uint64_t untracked;         /* connections not counted for want of room */
	uint64_t dropped_exhausted; /* counted at destinations that are no longer there, and at no tuple space
				     */
	struct board *board;
	struct heritage *heritage;
	struct siblings *siblings; /* NULL: none are looked for */
	struct ledger_tenant tenants[LEDGER_TENANTS_MAX];
	const struct settings *settings;
	const struct log *log;
	const char *process; /* its name */
	uint64_t started_ns;
	bool more_than_counts; /* more was kept of connections than the numbers of a segment */
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
 * ledger_refresh_range() - the port range, read again; call without the lock
 */
void ledger_refresh_range(struct ledger *ledger, uint64_t now_ns);

/**
 * ledger_looked_for_range() - is the range known, or was it not to be had? Else it will be looked up soon.
 */
static inline bool ledger_looked_for_range(const struct ledger *ledger, uint64_t now_ns)
{
	return ledger->range.high || ledger->range_until_ns > now_ns;
}

/**
 * ledger_heed_siblings() - they were looked at again: enter what they have in use; the lock is held
 */
void ledger_heed_siblings(struct ledger *ledger);

/**
 * ledger_forgotten() - destinations dropped for room; what they counted is in the sum of the usage segment
 */
static inline uint64_t ledger_forgotten(const struct ledger *ledger)
{
	return ledger->forgotten + ledger->folding.forgotten;
}

/**
 * ledger_next() - walk over all destinations that are not folded, in the order they were first used
 * @previous:	NULL to start
 */
struct destination *ledger_next(const struct ledger *ledger, const struct destination *previous);

#endif
