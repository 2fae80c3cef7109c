// SPDX-License-Identifier: Apache-2.0
/* entry - how the one who writes a usage entry writes it; the shim's lock is held. */
#ifndef HEADROOM_POOL_SEGMENT_ENTRY_H
#define HEADROOM_POOL_SEGMENT_ENTRY_H

#include "pool/base/hot.h"
#include "pool/segment/layout.h"

#include <stdatomic.h>
#include <stdbool.h>

/* A store that no reader sees half of. */
#define USAGE_PUT(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define USAGE_ADD(field, value) USAGE_PUT(field, (__typeof__(field))((field) + (value)))

/* What counts up in an entry, but for what reuse did, the latencies and the failures by errno. */
#define USAGE_COUNTERS(X)  \
	X(opened)          \
	X(connect_ns)      \
	X(closed_by_us)    \
	X(closed_by_peer)  \
	X(closed_by_reset) \
	X(closed_unseen)   \
	X(failed)          \
	X(failovers)       \
	X(exhausted)       \
	X(deferred)        \
	X(aside)

/**
 * usage_place_of() - where failures of an errno are counted
 *
 * The last place also takes what found none of its own. One without a count is still to be given its errno.
 */
struct usage_failure *usage_place_of(struct usage_entry *entry, int error);

/**
 * usage_begin() - several numbers of an entry are going to change together, until usage_end()
 */
HOT_WHOLE static inline void usage_begin(struct usage_entry *entry)
{
	USAGE_PUT(entry->sequence, (uint16_t)(entry->sequence | 1));
	atomic_thread_fence(memory_order_release);
}

HOT_WHOLE static inline void usage_end(struct usage_entry *entry)
{
	__atomic_store_n(&entry->sequence, (uint16_t)(entry->sequence + 1), __ATOMIC_RELEASE);
}

/**
 * usage_age() - go on to a later tick: drop the TIME_WAITs whose 60 s are over
 * Return: how many those were
 */
uint32_t usage_age(struct usage_entry *entry, uint32_t tick);

/**
 * usage_enter_time_wait() - one more in the bucket of the entry's tick
 * Return: false if the bucket is full
 */
static inline bool usage_enter_time_wait(struct usage_entry *entry)
{
	uint16_t *bucket = &entry->time_wait[entry->tick % USAGE_TIME_WAIT_BUCKETS];

	if (*bucket == UINT16_MAX)
		return false;
	USAGE_ADD(*bucket, 1);
	return true;
}

/**
 * usage_enter_latency() - one call more in the histogram
 * @spent_ns:	time it took
 */
static inline void usage_enter_latency(struct usage_entry *entry, uint64_t spent_ns)
{
	uint64_t steps = spent_ns / 1000 >> 4;
	unsigned i = steps ? 64u - (unsigned)__builtin_clzll(steps) : 0;

	if (i >= USAGE_LATENCY_BUCKETS)
		i = USAGE_LATENCY_BUCKETS - 1;
	USAGE_ADD(entry->latency[i], 1);
}

/**
 * usage_enter_failure() - one failed call more, by its reason
 * @error:	errno, or 0 for "given up by the program"
 */
void usage_enter_failure(struct usage_entry *entry, int error);

/**
 * usage_shift_gauges() - add what is in use now by one entry to another, or take it away there
 * @from:	aged as @to is, else unchanged
 * @away:	take it away
 */
void usage_shift_gauges(struct usage_entry *to, struct usage_entry *from, bool away);

/**
 * usage_add_counters() - add what one entry counted so far, but not what is in use now, to another
 */
void usage_add_counters(struct usage_entry *to, const struct usage_entry *from);

#endif
