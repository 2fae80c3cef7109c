// SPDX-License-Identifier: Apache-2.0
/* space - the ports from one source to one destination, as this process uses them: what is counted of them.
 */
#include "pool/ledger/space.h"

#include "pool/base/hot.h"
#include "pool/ledger/freed.h"

ONCE void space_age(struct tuple_space *space, uint64_t now_ns)
{
	uint32_t dropped = usage_age(space->use, ledger_tick(now_ns));

	space->time_wait -= dropped < space->time_wait ? dropped : space->time_wait;
}

static inline void put_open(struct tuple_space *space, uint32_t open)
{
	if (unlikely(space->apart))
		USAGE_ADD(space->other->open, open - space->open);
	space->open = open;
	USAGE_PUT(space->use->open, open);
}

static inline void enter_peak(struct usage_entry *use, uint32_t in_use, uint64_t now_ns)
{
	usage_begin(use);
	USAGE_PUT(use->peak, in_use);
	USAGE_PUT(use->peak_ns, now_ns);
	usage_end(use);
}

COLD static void enter_taken_apart(struct usage_entry *other, uint64_t now_ns)
{
	uint32_t in_use = other->open + usage_time_wait(other, now_ns);

	if (in_use > other->peak)
		enter_peak(other, in_use, now_ns);
}

HOT_WHOLE uint32_t space_taken(struct tuple_space *space, const struct port_range *range, uint64_t now_ns)
{
	space_time_wait(space, now_ns);
	put_open(space, space->open + 1);
	if (space->load)
		++*space->load;
	uint32_t in_use = space_in_use(space, range, now_ns);
	if (in_use > space->use->peak)
		enter_peak(space->use, in_use, now_ns);
	if (in_use >= LEDGER_BUSY_FROM)
		space->destination->busy = true;
	if (unlikely(space->apart))
		enter_taken_apart(space->other, now_ns);
	return in_use;
}

static inline void enter_opened(struct usage_entry *use, uint64_t spent_ns)
{
	USAGE_ADD(use->opened, 1);
	USAGE_ADD(use->connect_ns, spent_ns);
	usage_enter_latency(use, spent_ns);
}

COLD static void enter_opened_apart(struct usage_entry *other, uint64_t spent_ns)
{
	usage_begin(other);
	enter_opened(other, spent_ns);
	usage_end(other);
}

HOT void space_opened(struct tuple_space *space, uint64_t spent_ns)
{
	usage_begin(space->use);
	enter_opened(space->use, spent_ns);
	usage_end(space->use);
	if (unlikely(space->apart))
		enter_opened_apart(space->other, spent_ns);
}

/* The number may have been cut to a capacity that was then below what is open. */
static inline void unload(struct tuple_space *space)
{
	if (space->load && *space->load && --*space->load < space->destination->least_load)
		space->destination->least_load = *space->load;
}

COLD void space_failed(struct tuple_space *space, int error)
{
	space_released(space);
	space_refused(space, error);
}

COLD void space_refused(struct tuple_space *space, int error)
{
	usage_enter_failure(space->use, error);
	if (space->apart)
		usage_enter_failure(space->other, error);
}

void space_released(struct tuple_space *space)
{
	put_open(space, space->open - 1);
	unload(space);
}

static inline void enter_ended(struct usage_entry *use, enum ending how)
{
	switch (how) {
	case ENDED_TIME_WAIT:
		USAGE_ADD(use->closed_by_us, 1);
		break;
	case ENDED_BY_PEER:
		USAGE_ADD(use->closed_by_peer, 1);
		break;
	case ENDED_BY_RESET:
		USAGE_ADD(use->closed_by_reset, 1);
		break;
	case ENDED_UNSEEN:
		USAGE_ADD(use->closed_unseen, 1);
		break;
	}
}

ONCE static void waits_age(struct ledger_waits *waits, uint32_t tick)
{
	uint32_t behind = tick - waits->tick;

	if ((int32_t)behind <= 0)
		return;
	uint32_t steps = behind < USAGE_TIME_WAIT_BUCKETS ? behind : USAGE_TIME_WAIT_BUCKETS;
	for (uint32_t t = tick - steps + 1; steps--; t++) {
		waits->sum -= waits->begun[t % USAGE_TIME_WAIT_BUCKETS];
		waits->begun[t % USAGE_TIME_WAIT_BUCKETS] = 0;
	}
	waits->tick = tick;
}

/* Return: false if the kernel makes no TIME_WAIT, as there are too many. */
static inline bool wait_begins(struct ledger_waits *waits, uint64_t now_ns)
{
	if (unlikely(waits->tick != ledger_tick(now_ns)))
		waits_age(waits, ledger_tick(now_ns));
	if (unlikely(waits->sum + 1 >= waits->bound && waits->bound))
		return false;
	waits->sum++;
	waits->begun[waits->tick % USAGE_TIME_WAIT_BUCKETS]++;
	return true;
}

COLD static void enter_ended_apart(struct usage_entry *other, enum ending how, bool waits, uint64_t now_ns)
{
	usage_age(other, ledger_tick(now_ns));
	usage_begin(other);
	enter_ended(other, how);
	if (waits)
		usage_enter_time_wait(other);
	usage_end(other);
}

HOT_WHOLE bool space_ended(struct tuple_space *space, enum ending how, uint64_t now_ns)
{
	struct usage_entry *use = space->use;
	bool waits = how == ENDED_TIME_WAIT && wait_begins(space->destination->waits, now_ns);

	space_time_wait(space, now_ns);
	usage_begin(use);
	put_open(space, space->open - 1);
	enter_ended(use, how);
	if (waits && usage_enter_time_wait(use))
		space->time_wait++;
	usage_end(use);
	if (unlikely(space->apart))
		enter_ended_apart(space->other, how, waits, now_ns);
	/* After a TIME_WAIT the port is still taken: the space stays full. */
	if (waits)
		return true;
	unload(space);
	if (unlikely(space->full_until_ns)) {
		space->full_until_ns = 0;
		freed_one();
	}
	return false;
}

/* Return: false if it was dropped by now. */
static bool leave_bucket(struct usage_entry *use, uint32_t tick)
{
	uint16_t *bucket = &use->time_wait[tick % USAGE_TIME_WAIT_BUCKETS];

	if ((int32_t)(use->tick - tick) >= USAGE_TIME_WAIT_BUCKETS || !*bucket)
		return false;
	USAGE_ADD(*bucket, -1);
	return true;
}

COLD void space_wait_over(struct tuple_space *space, uint32_t tick, uint64_t now_ns)
{
	struct ledger_waits *waits = space->destination->waits;

	if (!space_time_wait(space, now_ns) || !leave_bucket(space->use, tick))
		return;
	space->time_wait--;
	unload(space);
	if (unlikely(space->apart)) {
		usage_age(space->other, ledger_tick(now_ns));
		leave_bucket(space->other, tick);
	}
	waits_age(waits, ledger_tick(now_ns));
	if ((int32_t)(waits->tick - tick) < USAGE_TIME_WAIT_BUCKETS &&
	    waits->begun[tick % USAGE_TIME_WAIT_BUCKETS]) {
		waits->begun[tick % USAGE_TIME_WAIT_BUCKETS]--;
		waits->sum--;
	}
}

#define COUNT_ONE(space, field)                              \
	do {                                                 \
		USAGE_ADD((space)->use->field, 1);           \
		if ((space)->apart)                          \
			USAGE_ADD((space)->other->field, 1); \
	} while (0)

COLD void space_failed_over(struct tuple_space *space)
{
	COUNT_ONE(space, failovers);
}

COLD void space_exhausted(struct tuple_space *space)
{
	COUNT_ONE(space, exhausted);
}

COLD void space_deferred(struct tuple_space *space)
{
	COUNT_ONE(space, deferred);
}

COLD void space_aside(struct tuple_space *space)
{
	COUNT_ONE(space, aside);
}
