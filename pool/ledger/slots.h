// SPDX-License-Identifier: Apache-2.0
/* slots - which tuple space stands for a source of a destination's list, by the source's index.
 *
 * A list may have thousands of sources, and a program thousands of destinations. So a long list gets places
 * for the sources that were used, not for all it has: a hash table with open addressing, in which index i is
 * looked for from place i on. Where there is a place for each source, that is its place. */
#ifndef HEADROOM_POOL_LEDGER_SLOTS_H
#define HEADROOM_POOL_LEDGER_SLOTS_H

#include "pool/base/arena.h"

#include <stdbool.h>
#include <stdint.h>

struct tuple_space;

/* Lists up to this length have a place for each source at once, longer ones so many at first. */
enum { SLOTS_EACH = 64, SLOTS_FIRST = 4 };

struct slot {
	struct tuple_space *space; /* NULL: free */
	uint32_t index;
};

/* All zero: for a list of no sources. Guarded by the shim's lock. */
struct slots {
	struct slot *places;
	uint32_t size;  /* of `places`: a power of two, or 0 */
	uint32_t used;  /* of them; half at most, or there is one for each source */
	unsigned count; /* sources in the list */
};

/**
 * slots_start() - have places for a list
 * @count:	how many sources it has
 * Return: false when memory is short
 */
bool slots_start(struct slots *slots, struct arena *arena, unsigned count);

/**
 * slots_put() - a source's tuple space; the source has none yet
 * Return: false when memory is short
 */
bool slots_put(struct slots *slots, struct arena *arena, uint32_t index, struct tuple_space *space);

/**
 * slots_free() - give the memory back
 */
void slots_free(struct slots *slots, struct arena *arena);

/**
 * slots_get() - a source's tuple space
 * @index:	less than `count`
 * Return: NULL if it has none yet
 */
static inline struct tuple_space *slots_get(const struct slots *slots, uint32_t index)
{
	uint32_t mask = slots->size - 1;

	for (uint32_t at = index & mask;; at = (at + 1) & mask) {
		const struct slot *slot = &slots->places[at];
		if (!slot->space || slot->index == index)
			return slot->space;
	}
}

#endif
