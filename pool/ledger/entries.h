// SPDX-License-Identifier: Apache-2.0
/* entries - which tuple space has an entry in this process's usage segment.
 *
 * A tuple space counts in its entry of the segment directly, so that a connect() touches no memory besides.
 * While there is no segment (none made yet, none to be had, switched off) it counts in memory of its own. So
 * it does when no entry is free; then all it counts is entered in the segment's first entry too, the sum of
 * those. So the sum over the segment is what the process counted, whoever has an entry.
 *
 * No counter ever falls. A busier space takes the entry of one less busy (usage_promote()). */
#ifndef HEADROOM_POOL_LEDGER_ENTRIES_H
#define HEADROOM_POOL_LEDGER_ENTRIES_H

#include "pool/base/arena.h"
#include "pool/ledger/space.h"
#include "pool/segment/writer.h"

#include <stdbool.h>

/**
 * usage_give() - find a new tuple space a place to count in
 * @writer:	NULL: there is no segment, and never will be
 * @arena:	for memory of its own
 * Return: false when memory is short
 */
bool usage_give(struct usage_writer *writer, struct arena *arena, struct tuple_space *space);

/**
 * usage_take_back() - a tuple space is forgotten: what it counted goes to the sum
 */
void usage_take_back(struct usage_writer *writer, struct arena *arena, struct tuple_space *space);

/**
 * usage_unfold() - a tuple space that was folded is made again
 * @was:	what it had counted, which is in the sum; aged on the way
 */
void usage_unfold(struct usage_writer *writer, struct tuple_space *space, struct usage_entry *was);

/**
 * usage_promote() - a tuple space that counts apart is used: should it have an entry instead of another?
 */
void usage_promote(struct usage_writer *writer, struct arena *arena, struct tuple_space *space);

/**
 * usage_move_in() - a segment has just been made: it takes over what counted in memory of its own until now
 */
void usage_move_in(struct usage_writer *writer, struct arena *arena, struct tuple_space *space,
		   uint64_t now_ns);

#endif
