// SPDX-License-Identifier: Apache-2.0
/* entry - how the one who writes a usage entry writes it; the shim's lock is held. */
#include "pool/segment/entry.h"

#include "pool/base/hot.h"

static uint16_t at_most_16_bits(uint32_t value)
{
	return value > UINT16_MAX ? UINT16_MAX : (uint16_t)value;
}

/* Threads look at the clock before they take the lock: a call may come with an earlier time than the last. */
ONCE uint32_t usage_age(struct usage_entry *entry, uint32_t tick)
{
	uint32_t behind = tick - entry->tick, dropped = 0;

	if ((int32_t)behind <= 0)
		return 0;
	/* After that many steps all is dropped: the rest of a long pause needs none. */
	uint32_t steps = behind < USAGE_TIME_WAIT_BUCKETS ? behind : USAGE_TIME_WAIT_BUCKETS;
	usage_begin(entry);
	for (uint32_t t = tick - steps + 1; steps--; t++) {
		uint16_t *oldest = &entry->time_wait[t % USAGE_TIME_WAIT_BUCKETS];
		dropped += *oldest;
		USAGE_PUT(*oldest, 0);
		USAGE_PUT(entry->history[t % USAGE_HISTORY], at_most_16_bits(entry->open));
	}
	USAGE_PUT(entry->tick, tick);
	usage_end(entry);
	return dropped;
}

COLD struct usage_failure *usage_place_of(struct usage_entry *entry, int error)
{
	struct usage_failure *failure = entry->failures;

	while (failure->count && failure->error != error && failure < &entry->failures[USAGE_FAILURES - 1])
		failure++;
	return failure;
}

COLD void usage_enter_failure(struct usage_entry *entry, int error)
{
	struct usage_failure *failure = usage_place_of(entry, error);

	usage_begin(entry);
	USAGE_ADD(entry->failed, 1);
	if (!failure->count)
		USAGE_PUT(failure->error, error);
	if (failure->count < UINT32_MAX)
		USAGE_ADD(failure->count, 1);
	usage_end(entry);
}

static uint32_t shifted(uint32_t value, uint32_t by, bool away)
{
	return !away ? value + by : value > by ? value - by : 0;
}

COLD void usage_shift_gauges(struct usage_entry *to, struct usage_entry *from, bool away)
{
	usage_age(from, to->tick);
	usage_age(to, from->tick);
	usage_begin(to);
	USAGE_PUT(to->open, shifted(to->open, from->open, away));
	USAGE_PUT(to->reuse_parked, shifted(to->reuse_parked, from->reuse_parked, away));
	for (unsigned i = 0; i < USAGE_TIME_WAIT_BUCKETS; i++)
		USAGE_PUT(to->time_wait[i],
			  at_most_16_bits(shifted(to->time_wait[i], from->time_wait[i], away)));
	usage_end(to);
}

static void add_failure(struct usage_entry *to, const struct usage_failure *more)
{
	struct usage_failure *failure = usage_place_of(to, more->error);

	if (!failure->count)
		USAGE_PUT(failure->error, more->error);
	USAGE_ADD(failure->count, more->count);
}

COLD void usage_add_counters(struct usage_entry *to, const struct usage_entry *from)
{
	usage_begin(to);
#define MORE(field) USAGE_ADD(to->field, from->field);
	USAGE_COUNTERS(MORE)
	MORE(reuse_hits)
	MORE(reuse_misses)
	MORE(reuse_first_use_failures)
	for (unsigned i = 0; i < USAGE_LATENCY_BUCKETS; i++)
		MORE(latency[i])
	for (unsigned i = 0; i < USAGE_REFUSED_REASONS; i++)
		MORE(reuse_refused[i])
	for (unsigned i = 0; i < USAGE_RETIRED_REASONS; i++)
		MORE(reuse_retired[i])
#undef MORE
	for (unsigned i = 0; i < USAGE_FAILURES; i++)
		if (from->failures[i].count)
			add_failure(to, &from->failures[i]);
	usage_end(to);
}
