// SPDX-License-Identifier: Apache-2.0
/* entries - which tuple space has an entry in this process's usage segment. */
#include "pool/ledger/entries.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/segment/file.h"

#include <string.h>

/* Of many entries a few are looked at for one that can be given away: each is a cache miss. */
enum { LOOK_AT = 16 };

static struct usage_entry *sum_of(const struct usage_writer *writer)
{
	return writer->segment ? &writer->segment->entries[0] : NULL;
}

static void name_entry(struct usage_entry *entry, const struct tuple_space *space, uint64_t now_ns)
{
	entry->to = space->destination->to;
	entry->source = space->source;
	USAGE_PUT(entry->first_ns, now_ns);
}

static unsigned unused_entry(struct usage_writer *writer, struct arena *arena, uint64_t now_ns)
{
	struct usage_header *header = &writer->segment->header;
	unsigned used = header->entries_used;

	if (used == writer->ready && !writer->frozen)
		usage_file_extend(writer, arena, now_ns);
	if (used < writer->ready && used < USAGE_ENTRIES) {
		USAGE_PUT(header->entries_used, used + 1);
		return used;
	}
	return 0;
}

/* One that nobody owns, or whose owner has no port in use and is asked to count apart. */
static unsigned next_candidate(struct usage_writer *writer)
{
	unsigned used = writer->segment->header.entries_used;

	if (used < 2)
		return 0;
	if (++writer->hand >= used)
		writer->hand = 1;
	return writer->hand;
}

static uint32_t busyness(const struct tuple_space *space)
{
	return space ? space->open + space->time_wait : 0;
}

/* @own: memory of its own, with what it counted so far */
static void count_apart(struct usage_writer *writer, struct tuple_space *space, struct usage_entry *own)
{
	space->use = own;
	space->number = 0;
	space->apart = true;
	space->other = sum_of(writer);
	usage_add_counters(space->other, own);
	usage_shift_gauges(space->other, own, false);
}

/* The owner of an entry gets memory of its own, and counts apart from here on. Return: false without memory.
 */
static bool evict(struct usage_writer *writer, struct arena *arena, unsigned number)
{
	struct usage_entry *entry = &writer->segment->entries[number];
	struct tuple_space *owner = writer->owners[number];

	if (owner) {
		struct usage_entry *own = arena_alloc(arena, sizeof(*own));
		if (!own)
			return false;
		*own = *entry;
		count_apart(writer, owner, own);
	}
	uint16_t sequence = entry->sequence | 1;
	USAGE_PUT(entry->sequence, sequence);
	atomic_thread_fence(memory_order_release);
	*entry = (struct usage_entry){ .sequence = sequence };
	usage_end(entry);
	writer->owners[number] = NULL;
	return true;
}

/* Looks at a few entries. Return: the number of one made free; 0: all of them are at least as busy. */
COLD static unsigned make_free(struct usage_writer *writer, struct arena *arena, uint32_t busy,
			       uint64_t now_ns)
{

	for (unsigned looked = 0; looked < LOOK_AT; looked++) {
		unsigned number = next_candidate(writer);
		struct tuple_space *owner = number ? writer->owners[number] : NULL;
		if (!number)
			return 0;
		if (owner)
			space_time_wait(owner, now_ns);
		if (!owner || busyness(owner) * 2 < busy || (!busy && !busyness(owner)))
			return evict(writer, arena, number) ? number : 0;
	}
	return 0;
}

static void own_entry(struct usage_writer *writer, struct tuple_space *space, unsigned number)
{
	writer->owners[number] = space;
	space->use = &writer->segment->entries[number];
	space->number = (uint16_t)number; /* below USAGE_ENTRIES */
	space->apart = false;
	space->other = NULL;
}

ONCE bool usage_give(struct usage_writer *writer, struct arena *arena, struct tuple_space *space)
{
	uint64_t now_ns = clock_coarse_ns();
	unsigned number = 0;

	if (writer && writer->segment) {
		number = unused_entry(writer, arena, now_ns);
		if (!number)
			number = make_free(writer, arena, 0, now_ns);
	}
	if (number) {
		own_entry(writer, space, number);
		usage_begin(space->use);
		name_entry(space->use, space, now_ns);
		usage_end(space->use);
		return true;
	}
	space->use = arena_alloc(arena, sizeof(*space->use));
	space->apart = writer && writer->segment;
	space->other = space->apart ? sum_of(writer) : NULL;
	return space->use;
}

COLD void usage_take_back(struct usage_writer *writer, struct arena *arena, struct tuple_space *space)
{

	if (!space->number) {
		arena_free(arena, space->use, sizeof(*space->use));
		return;
	}
	usage_add_counters(sum_of(writer), space->use);
	writer->owners[space->number] = NULL;
	evict(writer, arena, space->number);
}

/* What it counted until now is in the sum and stays there: no sum ever falls. What it has in use moves.
 * @was: its numbers until now */
static void move_from_sum(struct usage_writer *writer, struct tuple_space *space, struct usage_entry *was,
			  uint64_t now_ns)
{
	struct usage_entry *entry = space->use;

	usage_shift_gauges(sum_of(writer), was, true);
	usage_begin(entry);
	name_entry(entry, space, now_ns);
	USAGE_PUT(entry->peak, was->peak);
	USAGE_PUT(entry->peak_ns, was->peak_ns);
	usage_end(entry);
	usage_shift_gauges(entry, was, false);
	/* It did not grow just now. */
	for (unsigned i = 0; i < USAGE_HISTORY; i++)
		USAGE_PUT(entry->history[i], (uint16_t)(was->open > UINT16_MAX ? UINT16_MAX : was->open));
}

COLD void usage_promote(struct usage_writer *writer, struct arena *arena, struct tuple_space *space)
{
	struct usage_entry *own = space->use;
	uint64_t now_ns = clock_coarse_ns();

	/* Not at every connect(): looking costs as much as one. */
	if (own->opened % LOOK_AT || !writer->segment)
		return;
	unsigned number = make_free(writer, arena, busyness(space), now_ns);
	if (!number)
		return;
	own_entry(writer, space, number);
	move_from_sum(writer, space, own, now_ns);
	arena_free(arena, own, sizeof(*own));
}

COLD void usage_unfold(struct usage_writer *writer, struct tuple_space *space, struct usage_entry *was)
{
	if (space->number)
		move_from_sum(writer, space, was, clock_coarse_ns());
	else
		*space->use = *was;
}

COLD void usage_move_in(struct usage_writer *writer, struct arena *arena, struct tuple_space *space,
			uint64_t now_ns)
{
	struct usage_entry *own = space->use;
	unsigned number = unused_entry(writer, arena, now_ns);

	if (!number) {
		count_apart(writer, space, own);
		return;
	}
	own_entry(writer, space, number);
	usage_begin(space->use);
	name_entry(space->use, space, now_ns);
	usage_end(space->use);
	usage_add_counters(space->use, own);
	usage_shift_gauges(space->use, own, false);
	USAGE_PUT(space->use->peak_ns, own->peak_ns);
	USAGE_PUT(space->use->peak, own->peak);
	arena_free(arena, own, sizeof(*own));
}
