// SPDX-License-Identifier: Apache-2.0
/* slowness - which tuple spaces are past the knee, and so which connect() gets the option of knee.h. */
#include "pool/spread/slowness.h"

#include "pool/base/hot.h"
#include "pool/spread/spreading.h"

/* Of the first ones to new destinations some are measured, not all: what is found out is for others. */
#define FIRST_EVERY_NS 250000000ull
/* While one is being made to find out, no other is; its time is entered when it is done. */
#define ONE_AT_A_TIME_NS 100000000ull

static bool measures_first(struct spreading *spreading, uint64_t now_ns)
{
	if (!board_is_there(spreading->board) || spreading->board->measured_ns + FIRST_EVERY_NS > now_ns)
		return false;
	spreading->board->measured_ns = now_ns;
	return true;
}

static void mark_past(struct tuple_space *space, uint64_t until_ns)
{
	space->knee = (uint8_t)((space->knee & KNEE_OTHERS) | KNEE_PAST);
	if (space->destination->knee_retest_ns < until_ns)
		space->destination->knee_retest_ns = until_ns;
	space->destination->knee_past = true;
	space->destination->load_valid = false;
}

/* In a small range no walk is long enough to tell. */
HOT_WHOLE static bool is_small(const struct port_range *range)
{
	uint32_t capacity = port_range_capacity(range);

	return capacity && capacity / 2 * (uint64_t)KNEE_PORT_MOST_NS < KNEE_SLOW_NS;
}

/* What others found out of it. */
static void look_first(struct spreading *spreading, struct tuple_space *space, uint64_t now_ns,
		       struct slowness *out)
{
	uint64_t until_ns = board_until(spreading->board, &space->destination->to, &space->source, now_ns);

	space->knee &= (uint8_t)~KNEE_NEW;
	if (until_ns > now_ns)
		mark_past(space, until_ns);
	else if (measures_first(spreading, now_ns))
		out->measures = KNEE_COLD;
}

static void look_past(struct destination *destination, const struct tuple_space *space, uint64_t now_ns,
		      struct slowness *out)
{
	if (slowness_shows(space, now_ns)) {
		out->helps = true;
		return;
	}
	destination->knee_retest_ns = now_ns + ONE_AT_A_TIME_NS;
	out->measures = 1;
}

/* It did not walk, though it may have been slow. */
static void not_past(struct tuple_space *space, bool slow)
{
	struct destination *destination = space->destination;

	if (space->knee & KNEE_PAST) {
		destination->load_valid = false;
		destination->knee_retest_ns = 0;
	}
	space->knee &= KNEE_OTHERS;
	if (slow)
		space->knee |= KNEE_SKIP * KNEE_SKIPS;
	destination->knee_past = false;
	for (const struct tuple_space *s = destination->spaces; s; s = s->next)
		destination->knee_past |= (s->knee & KNEE_PAST) != 0;
}

COLD static void forget_walks(struct tuple_space *space)
{
	space->knee &= (uint8_t)~KNEE_NEW;
	if (space->knee & ~(unsigned)KNEE_OTHERS || space->destination->knee_past)
		not_past(space, false);
}

ONCE void slowness_look(struct spreading *spreading, struct destination *destination,
			struct tuple_space *space, uint32_t in_use, uint64_t now_ns, struct slowness *out)
{
	*out = (struct slowness){ 0 };
	if (!space) {
		/* What the kernel chooses is most likely what it chose. */
		space = destination->natural ? destination->natural : destination->spaces;
		if (!space) {
			static const struct address any;
			if (is_small(&spreading->ledger->range))
				return;
			out->helps = board_until(spreading->board, &destination->to, &any, now_ns) > now_ns;
			if (!out->helps && measures_first(spreading, now_ns))
				out->measures = KNEE_COLD;
			return;
		}
		in_use = space_in_use(space, &spreading->ledger->range, now_ns);
		if (destination->busy && knee_is_near(in_use, &spreading->ledger->range) &&
		    ledger_looked_for_range(spreading->ledger, now_ns))
			out->helps = true;
	}
	/* Something may have been found out before the range was known. */
	if (unlikely(is_small(&spreading->ledger->range)))
		forget_walks(space);
	if (space->knee & KNEE_NEW)
		look_first(spreading, space, now_ns, out);
	if (space->knee & KNEE_OTHERS && knee_is_near(in_use + space->others, &spreading->ledger->range))
		out->helps = true;
	else if (space->knee & KNEE_PAST)
		look_past(destination, space, now_ns, out);
	else if (space->knee & KNEE_SUSPECT || destination->knee_past)
		out->measures = 1;
}

/* The least time that is a walk. */
static uint64_t walk_ns(const struct port_range *range)
{
	uint32_t capacity = port_range_capacity(range);
	uint64_t ports = (capacity ? capacity : 28232) / 2;

	if (is_small(range))
		return UINT64_MAX / KNEE_COLD;
	return ports * KNEE_PORT_LEAST_NS > KNEE_SLOW_NS ? ports * KNEE_PORT_LEAST_NS : KNEE_SLOW_NS;
}

/* Is a walk so short that something else may have taken as long? Interrupts and a handshake over loopback
 * take up to 200 us. */
static bool says_little(const struct port_range *range)
{
	uint32_t capacity = port_range_capacity(range);

	return capacity && capacity / 2 * (uint64_t)KNEE_PORT_LEAST_NS < 2 * KNEE_SLOW_NS;
}

ONCE uint64_t slowness_enter(struct tuple_space *space, const struct port_range *range, uint64_t spent_ns,
			     uint64_t walked_ns, const struct slowness *how, uint64_t now_ns)
{
	bool slow = spent_ns > KNEE_SLOW_NS;

	if (how->measures && walked_ns > how->measures * walk_ns(range)) {
		if (!(space->knee & (KNEE_PAST | KNEE_WALKED)) && says_little(range)) {
			space->knee |= KNEE_SUSPECT | KNEE_WALKED;
			return 0;
		}
		uint64_t until_ns = now_ns + KNEE_HELPED_FOR * walked_ns;
		space->destination->knee_retest_ns = 0;
		mark_past(space, until_ns);
		return until_ns;
	}
	if (how->measures)
		not_past(space, slow && how->measures == 1);
	if (how->measures == 1 || space->knee & KNEE_PAST)
		return 0;
	if (!slow)
		space->knee &= KNEE_OTHERS | KNEE_NEW;
	else if (space->knee >= KNEE_SKIPS)
		space->knee = (uint8_t)(space->knee - KNEE_SKIPS);
	else
		space->knee |= KNEE_SUSPECT;
	return 0;
}
