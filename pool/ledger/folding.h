// SPDX-License-Identifier: Apache-2.0
/* folding - what is remembered of destinations that are not in use now, in little memory.
 *
 * A destination takes about 1 KB with one source: its place in the ledger, its tuple space, what that counts
 * where the usage segment has no entry for it. A program with many of them uses each now and then. So past
 * LEDGER_UNFOLDED_MAX those with nothing open are folded: of each tuple space 80 bytes stay, with its
 * TIME_WAITs by the tick they began in. When the program comes back to one, all its tuple spaces are made
 * anew as they were. What they counted is in the sum of the usage segment, whether folded or not.
 *
 * Theory of operation
 *
 * What has an entry in the usage segment is not folded. From 64 destinations on, one that refuses the
 * first connect() gets no entry: it is folded at once, and the second connect() finds it
 * (ledger_may_wait()). There is room for 16,384 folded tuple spaces; then those without a TIME_WAIT are
 * forgotten. With 16,384 destinations that cannot be folded idle ones are dropped, and if there are none
 * the connection is not counted. */
#ifndef HEADROOM_POOL_LEDGER_FOLDING_H
#define HEADROOM_POOL_LEDGER_FOLDING_H

#include "pool/base/address.h"
#include "pool/base/arena.h"
#include "pool/segment/layout.h"

#include <stdbool.h>
#include <stdint.h>

enum { FOLDED_MAX = 16384 };

/* One source towards one destination, with nothing open. */
struct folded {
	struct endpoint to; /* port 0: a free place */
	struct address source;
	uint32_t tick;
	uint32_t opened, failed, failovers;
	uint32_t connect_us; /* sum of `opened` calls; at most what fits */
	uint16_t peak;
	uint16_t next; /* number of the next in its list, 0: none; numbers count from 1 */
	uint8_t time_wait[USAGE_TIME_WAIT_BUCKETS]; /* as in struct usage_entry */
	uint8_t reserved_79;
};
_Static_assert(sizeof(struct folded) == 80, "as documented");
_Static_assert(FOLDED_MAX < UINT16_MAX, "numbers fit");

/* One mapping, of which what was never used takes no memory. */
struct folded_table {
	uint16_t heads[FOLDED_MAX]; /* by the hash of the destination */
	struct folded places[FOLDED_MAX];
};

/* Guarded by the shim's lock. */
struct folding {
	struct folded_table *table; /* NULL: nothing was folded yet */
	unsigned count;
	unsigned used;      /* places from here on were never used */
	uint16_t free;      /* first of the list of free places, or 0 */
	unsigned hand;      /* where the search for one to drop goes on */
	uint64_t forgotten; /* dropped for room */
};

/**
 * folding_put() - remember one
 * @what:	all but `next`
 * Return: false when all there is room for have TIME_WAITs, or memory is short
 */
bool folding_put(struct folding *folding, struct arena *arena, const struct folded *what, uint64_t now_ns);

/**
 * folding_has() - is one of a destination's here?
 */
bool folding_has(const struct folding *folding, const struct endpoint *to);

/**
 * folding_take() - one of a destination's, which is folded no longer
 * Return: false if there is none
 */
bool folding_take(struct folding *folding, const struct endpoint *to, struct folded *out);

/**
 * folding_next() - walk over all of them
 * @previous:	NULL to start
 */
const struct folded *folding_next(const struct folding *folding, const struct folded *previous);

/**
 * folded_time_wait() - how many of its TIME_WAITs are not over
 */
uint32_t folded_time_wait(const struct folded *folded, uint64_t now_ns);

#endif
