// SPDX-License-Identifier: Apache-2.0
/* folding - what is remembered of destinations that are not in use now, in little memory. */
#include "pool/ledger/folding.h"

#include "pool/base/hot.h"

#include <string.h>

_Static_assert(sizeof(struct endpoint) % sizeof(uint64_t) == 0, "head_of() takes whole words");

/* Of many places a few are looked at for one that can be given away: each is a cache miss. */
enum { LOOK_AT = 64 };

static uint16_t *head_of(const struct folding *folding, const struct endpoint *to)
{
	uint64_t words[sizeof(*to) / sizeof(uint64_t)], hash = 14695981039346656037ull;

	/* As FNV-1a, by words: a byte at a time takes longer than the rest of a failed connect() here. */
	memcpy(words, to, sizeof(*to));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 32;
	}
	return &folding->table->heads[hash % FOLDED_MAX];
}

/* @link: the head or `next` that leads to it */
static void free_place(struct folding *folding, uint16_t *link)
{
	uint16_t number = *link;
	struct folded *place = &folding->table->places[number - 1];

	*link = place->next;
	*place = (struct folded){ .next = folding->free };
	folding->free = number;
	folding->count--;
}

/* Return: the head or `next` that leads to a destination's first, or to 0. */
static uint16_t *find(const struct folding *folding, const struct endpoint *to)
{
	uint16_t *link = head_of(folding, to);

	while (*link && !endpoint_equal(&folding->table->places[*link - 1].to, to))
		link = &folding->table->places[*link - 1].next;
	return link;
}

/* The first without a TIME_WAIT from the hand on. */
static bool drop_one(struct folding *folding, uint64_t now_ns)
{
	for (unsigned looked = 0; looked < LOOK_AT; looked++) {
		folding->hand = folding->hand % FOLDED_MAX + 1;
		struct folded *place = &folding->table->places[folding->hand - 1];
		if (folded_time_wait(place, now_ns))
			continue;
		uint16_t *link = head_of(folding, &place->to);
		while (*link != folding->hand)
			link = &folding->table->places[*link - 1].next;
		free_place(folding, link);
		folding->forgotten++;
		return true;
	}
	return false;
}

static uint16_t new_place(struct folding *folding, uint64_t now_ns)
{
	if (!folding->free && folding->used < FOLDED_MAX)
		return (uint16_t)++folding->used;
	if (!folding->free && !drop_one(folding, now_ns))
		return 0;
	uint16_t number = folding->free;
	folding->free = folding->table->places[number - 1].next;
	return number;
}

COLD bool folding_put(struct folding *folding, struct arena *arena, const struct folded *what,
		      uint64_t now_ns)
{
	if (!folding->table)
		folding->table = arena_alloc(arena, sizeof(*folding->table));
	uint16_t number = folding->table ? new_place(folding, now_ns) : 0;
	if (!number)
		return false;
	struct folded *place = &folding->table->places[number - 1];
	uint16_t *head = head_of(folding, &what->to);
	*place = *what;
	place->next = *head;
	*head = number;
	folding->count++;
	return true;
}

COLD bool folding_has(const struct folding *folding, const struct endpoint *to)
{
	return folding->count && *find(folding, to);
}

ONCE bool folding_take(struct folding *folding, const struct endpoint *to, struct folded *out)
{
	uint16_t *link = folding->count ? find(folding, to) : NULL;

	if (!link || !*link)
		return false;
	*out = folding->table->places[*link - 1];
	free_place(folding, link);
	return true;
}

const struct folded *folding_next(const struct folding *folding, const struct folded *previous)
{
	if (!folding->table)
		return NULL;
	const struct folded *place = previous ? previous + 1 : folding->table->places;
	for (; place < folding->table->places + folding->used; place++)
		if (place->to.port)
			return place;
	return NULL;
}

uint32_t folded_time_wait(const struct folded *folded, uint64_t now_ns)
{
	/* As usage_time_wait(), whose entry would take half a kilobyte of stack. */
	uint32_t now = (uint32_t)(now_ns >> 32), sum = 0;
	uint32_t behind = (int32_t)(now - folded->tick) > 0 ? now - folded->tick : 0;

	for (uint32_t age = 0; age + behind <= USAGE_TICKS_KEPT; age++)
		sum += folded->time_wait[(folded->tick + USAGE_TIME_WAIT_BUCKETS - age) %
					 USAGE_TIME_WAIT_BUCKETS];
	return sum;
}
