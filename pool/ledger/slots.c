// SPDX-License-Identifier: Apache-2.0
/* slots - which tuple space stands for a source of a destination's list, by the source's index. */
#include "pool/ledger/slots.h"

#include "pool/base/hot.h"

static uint32_t power_of_two_from(uint32_t least)
{
	return least < 2 ? 1 : 2u << (31 - __builtin_clz(least - 1));
}

static bool have_places(struct slots *slots, struct arena *arena, uint32_t size)
{
	slots->places = arena_alloc(arena, size * sizeof(*slots->places));
	slots->size = slots->places ? size : 0;
	slots->used = 0;
	return slots->places;
}

COLD bool slots_start(struct slots *slots, struct arena *arena, unsigned count)
{
	*slots = (struct slots){ .count = count };
	if (have_places(slots, arena, count > SLOTS_EACH ? SLOTS_FIRST : power_of_two_from(count)))
		return true;
	*slots = (struct slots){ 0 };
	return false;
}

static void enter(struct slots *slots, uint32_t index, struct tuple_space *space)
{
	uint32_t mask = slots->size - 1, at = index & mask;

	while (slots->places[at].space)
		at = (at + 1) & mask;
	slots->places[at] = (struct slot){ .space = space, .index = index };
	slots->used++;
}

/* At most half of the places are used, or a search for one that is not there would not end soon. */
static bool grow(struct slots *slots, struct arena *arena)
{
	struct slots was = *slots;

	if (!have_places(slots, arena, 2 * was.size)) {
		*slots = was;
		return false;
	}
	for (uint32_t i = 0; i < was.size; i++)
		if (was.places[i].space)
			enter(slots, was.places[i].index, was.places[i].space);
	arena_free(arena, was.places, was.size * sizeof(*was.places));
	return true;
}

COLD bool slots_put(struct slots *slots, struct arena *arena, uint32_t index, struct tuple_space *space)
{
	bool each = slots->size >= slots->count;

	if (!each && 2 * (slots->used + 1) > slots->size && !grow(slots, arena))
		return false;
	enter(slots, index, space);
	return true;
}

COLD void slots_free(struct slots *slots, struct arena *arena)
{
	arena_free(arena, slots->places, slots->size * sizeof(*slots->places));
	*slots = (struct slots){ 0 };
}
