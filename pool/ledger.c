// SPDX-License-Identifier: Apache-2.0
/* ledger - what this process has open, per destination and source. */
#include "ledger.h"
#include "hot.h"

#include <limits.h>
#include <string.h>

/* uthash asks for memory through these; every function that adds or removes has a local `arena`. */
#define HASH_NONFATAL_OOM            1
#define uthash_malloc(size)          arena_alloc(arena, size)
#define uthash_free(block, size)     arena_free(arena, block, size)
#define uthash_nonfatal_oom(element) ((element)->destination.users = UINT_MAX)
/* uthash is a header of macros: its arithmetic is not written for these warnings. */
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <uthash.h>

/* A destination and its place in the hash table; kept apart so that users of ledger.h need no uthash. */
struct ledger_link {
	struct destination destination;
	UT_hash_handle hh;
};

/* A tick is 2^32 ns, 4.3 s. A TIME_WAIT lasts TCP_TIMEWAIT_LEN, 60 s (include/net/tcp.h): 14 ticks. */
enum { TICKS_KEPT = 14 };

static bool idle(const struct destination *d)
{
	if (d->users)
		return false;
	for (const struct tuple_space *s = d->spaces; s; s = s->next)
		if (s->open || s->time_wait)
			return false;
	return true;
}

static void age_spaces(struct destination *d, uint64_t now_ns)
{
	for (struct tuple_space *s = d->spaces; s; s = s->next)
		space_time_wait(s, now_ns);
}

static void forget(struct ledger *ledger, struct ledger_link *link)
{
	struct arena *arena = ledger->arena;
	struct tuple_space *next;

	HASH_DEL(ledger->table, link);
	ledger->last = NULL;
	for (struct tuple_space *s = link->destination.spaces; s; s = next) {
		next = s->next;
		arena_free(arena, s, sizeof(*s));
	}
	arena_free(arena, link->destination.by_source,
		   link->destination.by_source_count * sizeof(struct tuple_space *));
	arena_free(arena, link->destination.load, link->destination.by_source_count * sizeof(uint32_t));
	if (link->destination.parked)
		arena_free(arena, link->destination.parked, sizeof(struct parked_pool));
	arena_free(arena, link, sizeof(*link));
	ledger->count--;
	ledger->forgotten++;
}

/* Drops the first idle entry from the hand on; looks at a bounded number of them. */
COLD static bool make_room(struct ledger *ledger, uint64_t now_ns)
{
	for (unsigned looked = 0; looked < 64 && ledger->table; looked++) {
		struct ledger_link *link = ledger->hand ? ledger->hand : ledger->table;
		ledger->hand = link->hh.next;
		age_spaces(&link->destination, now_ns);
		if (idle(&link->destination)) {
			forget(ledger, link);
			return true;
		}
	}
	return false;
}

HOT struct destination *ledger_find(struct ledger *ledger, const struct endpoint *to, const struct rule *rule,
				    uint64_t now_ns)
{
	struct arena *arena = ledger->arena;
	struct ledger_link *link;

	if (ledger->last && !memcmp(&ledger->last->to, to, sizeof(*to)))
		return ledger->last;
	HASH_FIND(hh, ledger->table, to, sizeof(*to), link);
	if (link)
		return ledger->last = &link->destination;
	if (ledger->count >= LEDGER_DESTINATIONS_MAX && !make_room(ledger, now_ns))
		return NULL;
	link = arena_alloc(arena, sizeof(*link));
	if (!link)
		return NULL;
	link->destination = (struct destination){ .to = *to, .rule = rule, .link = link };
	HASH_ADD(hh, ledger->table, destination.to, sizeof(*to), link);
	if (link->destination.users == UINT_MAX) {
		arena_free(arena, link, sizeof(*link));
		return NULL;
	}
	ledger->count++;
	return &link->destination;
}

COLD struct tuple_space *ledger_space(struct ledger *ledger, struct destination *destination,
				      const struct address *source)
{
	struct tuple_space *space;

	for (space = destination->spaces; space; space = space->next)
		if (address_equal(&space->source, source))
			return space;
	space = arena_alloc(ledger->arena, sizeof(*space));
	if (!space)
		return NULL;
	space->source = *source;
	space->destination = destination;
	space->to_loopback = address_is_loopback(&destination->to.ip);
	space->next = destination->spaces;
	destination->spaces = space;
	return space;
}

struct destination *ledger_next(const struct ledger *ledger, const struct destination *previous)
{
	struct ledger_link *link = previous ? previous->link->hh.next : ledger->table;
	return link ? &link->destination : NULL;
}

COLD void space_age(struct tuple_space *space, uint64_t now_ns)
{
	uint32_t tick = ledger_tick(now_ns);

	if (!space->time_wait) {
		space->bucket_tick = tick;
		return;
	}
	/* Threads look at the clock before they take the lock: a call may come with an earlier time than the
	 * last. */
	while ((int32_t)(tick - space->bucket_tick) > 0) {
		space->bucket_tick++;
		/* The bucket that falls out of the 60 s is emptied before its place is used again. */
		uint16_t *old = &space->bucket[(space->bucket_tick - TICKS_KEPT - 1) % TIME_WAIT_BUCKETS];
		space->time_wait -= *old;
		*old = 0;
		if (!space->time_wait)
			space->bucket_tick = tick;
	}
}

void ledger_capacity_changed(struct ledger *ledger)
{
	for (struct destination *d = ledger_next(ledger, NULL); d; d = ledger_next(ledger, d))
		for (struct tuple_space *s = d->spaces; s; s = s->next)
			s->quiet_below = 0;
}

HOT void space_taken(struct tuple_space *space, const struct port_range *range, uint64_t now_ns)
{
	space->open++;
	if (space->load)
		++*space->load;
	uint32_t in_use = space_in_use(space, range, now_ns);
	if (in_use > space->peak)
		space->peak = in_use;
	if (in_use >= LEDGER_BUSY_FROM)
		space->destination->busy = true;
}

HOT void space_opened(struct tuple_space *space, uint64_t spent_ns)
{
	space->opened++;
	space->connect_ns += spent_ns;
	space->connects++;
}

/* The number may have been cut to a capacity that was then below what is open. */
static void unload(struct tuple_space *space)
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
	struct failure *reason = space->reasons;

	space->failed++;
	while (reason->count && reason->error != error && reason < &space->reasons[FAILURE_REASONS - 1])
		reason++;
	if (!reason->count)
		reason->error = error;
	reason->count++; /* the last reason also takes what found no place of its own */
}

void space_released(struct tuple_space *space)
{
	space->open--;
	unload(space);
}

HOT void space_ended(struct tuple_space *space, enum ending how, uint64_t now_ns)
{
	space->open--;
	if (how != ENDED_TIME_WAIT)
		unload(space);
	switch (how) {
	case ENDED_TIME_WAIT:
		space->closed_by_us++;
		space_time_wait(space, now_ns);
		uint16_t *bucket = &space->bucket[space->bucket_tick % TIME_WAIT_BUCKETS];
		if (*bucket < UINT16_MAX) {
			++*bucket;
			space->time_wait++;
		}
		return; /* the port is still taken: the space stays full */
	case ENDED_BY_PEER:
		space->closed_by_peer++;
		break;
	case ENDED_BY_RESET:
		space->closed_by_reset++;
		break;
	case ENDED_UNSEEN:
		space->closed_unseen++;
		break;
	}
	space->full_until_ns = 0;
}
