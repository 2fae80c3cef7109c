// SPDX-License-Identifier: Apache-2.0
/* ledger - what this process has open, per destination and source. */
#include "pool/ledger/ledger.h"
#include "pool/base/hot.h"
#include "pool/base/own_stack.h"
#include "pool/ledger/entries.h"
#include "pool/routes/network.h"
#include "pool/routes/traffic_classes.h"

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
/* It grows. Both numbers in one store are a constant in memory, and that a page fault of a forked child. */
static inline unsigned initial_buckets(void)
{
	unsigned count = 8;
	__asm__("" : "+r"(count));
	return count;
}
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS      initial_buckets()
#define HASH_INITIAL_NUM_BUCKETS_LOG2 3u

/* Of many destinations a few are looked at for one that can go: each is a cache miss. */
enum { FORGET_LOOK_AT = 64, FOLD_LOOK_AT = 16, RANGE_LIFE_S = 30 };

/* A destination, first, and its place in the hash table; kept apart so that users of ledger.h need no uthash.
 */
struct ledger_link {
	struct destination destination;
	UT_hash_handle hh;
};
/* Of 64-bit pointers: the next block of the arena's takes 320, times LEDGER_UNFOLDED_MAX. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct ledger_link) <= 256, "one block of 256 bytes");

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

/* Takes a destination out of the ledger. What it counted has been put where it belongs. */
static void drop(struct ledger *ledger, struct ledger_link *link)
{
	struct arena *arena = ledger->arena;
	struct destination *d = &link->destination;
	struct tuple_space *next;

	HASH_DEL(ledger->table, link);
	ledger->last = NULL;
	ledger->dropped_exhausted += d->exhausted;
	for (unsigned i = 0; i < LEDGER_TENANTS_MAX; i++)
		if (ledger->tenants[i].leaves)
			ledger->tenants[i].leaves(ledger->tenants[i].self, ledger, d);
	for (struct tuple_space *s = d->spaces; s; s = next) {
		next = s->next;
		usage_take_back(ledger->writer, arena, s);
		arena_free(arena, s, sizeof(*s));
	}
	arena_free(arena, d->load, d->by_source.count * sizeof(uint32_t));
	slots_free(&d->by_source, arena);
	if (d->classes)
		arena_free(arena, d->classes, sizeof(*d->classes));
	arena_free(arena, link, sizeof(*link));
	ledger->count--;
}

static void note_forgotten(const struct ledger *ledger)
{
	if (ledger->writer && ledger->writer->segment)
		USAGE_PUT(ledger->writer->segment->header.forgotten, ledger_forgotten(ledger));
}

/* The next one that the hand comes to. */
static struct ledger_link *next_by_hand(struct ledger *ledger, uint64_t now_ns)
{
	struct ledger_link *link = ledger->hand ? ledger->hand : ledger->table;

	ledger->hand = link->hh.next;
	age_spaces(&link->destination, now_ns);
	return link;
}

/* Drops the first idle entry from the hand on; looks at a bounded number of them. */
COLD static bool make_room(struct ledger *ledger, uint64_t now_ns)
{
	for (unsigned looked = 0; looked < FORGET_LOOK_AT && ledger->table; looked++) {
		struct ledger_link *link = next_by_hand(ledger, now_ns);
		if (idle(&link->destination)) {
			drop(ledger, link);
			ledger->forgotten++;
			note_forgotten(ledger);
			return true;
		}
	}
	return false;
}

/* Nothing is open, and all there is to know fits. What has an entry in the segment keeps it. */
static bool may_be_folded(const struct ledger *ledger, const struct destination *d, uint64_t now_ns)
{
	if (d->users || d->no_source_said || !d->to.port)
		return false;
	for (unsigned i = 0; i < LEDGER_TENANTS_MAX; i++)
		if (ledger->tenants[i].stays && ledger->tenants[i].stays(d, now_ns))
			return false;
	for (const struct tuple_space *s = d->spaces; s; s = s->next)
		if (s->open || s->number || s->time_wait >= LEDGER_BUSY_FROM || s->warned_steps ||
		    s->full_until_ns > now_ns || s->aside_until_ns > now_ns)
			return false;
	return true;
}

static uint32_t at_most_32_bits(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static bool fold_space(struct ledger *ledger, const struct tuple_space *space, uint64_t now_ns)
{
	const struct usage_entry *use = space->use;
	struct folded folded = { .to = space->destination->to,
				 .source = space->source,
				 .tick = use->tick,
				 .opened = at_most_32_bits(use->opened),
				 .failed = at_most_32_bits(use->failed),
				 .failovers = at_most_32_bits(use->failovers),
				 .connect_us = at_most_32_bits(use->connect_ns / 1000),
				 .peak = (uint16_t)(use->peak < UINT16_MAX ? use->peak : UINT16_MAX) };

	/* Below LEDGER_BUSY_FROM, all together. */
	for (unsigned i = 0; i < USAGE_TIME_WAIT_BUCKETS; i++)
		folded.time_wait[i] = (uint8_t)use->time_wait[i];
	return folding_put(&ledger->folding, ledger->arena, &folded, now_ns);
}

/* A tuple space for which there is no room is made again from nothing when the program comes back. Without
 * one that is put, though, the next is as well kept where it is. */
static bool fold(struct ledger *ledger, struct ledger_link *link, uint64_t now_ns)
{
	for (const struct tuple_space *s = link->destination.spaces; s; s = s->next) {
		if (!fold_space(ledger, s, now_ns)) {
			struct folded none;
			while (folding_take(&ledger->folding, &link->destination.to, &none))
				;
			return false;
		}
	}
	drop(ledger, link);
	note_forgotten(ledger);
	return true;
}

/* One more than comes in, so that there are fewer again after many were open at once. */
COLD static void fold_some(struct ledger *ledger, uint64_t now_ns)
{
	/* Before there is a segment nothing is in its sum. */
	if (ledger->writer && ledger->writer->state <= USAGE_WAITING)
		return;
	for (unsigned looked = 0, folded = 0; looked < FOLD_LOOK_AT && folded < 2; looked++) {
		if (ledger->count < LEDGER_UNFOLDED_MAX)
			return;
		struct ledger_link *link = next_by_hand(ledger, now_ns);
		if (may_be_folded(ledger, &link->destination, now_ns) && fold(ledger, link, now_ns))
			folded++;
	}
}

/* The tuple spaces of a destination that was folded, as they were. */
ONCE static void unfold(struct ledger *ledger, struct destination *destination, uint64_t now_ns)
{
	/* Not on the stack, which may be small. */
	static struct usage_entry was;
	static struct folded folded;

	while (folding_take(&ledger->folding, &destination->to, &folded)) {
		struct tuple_space *space = ledger_space(ledger, destination, &folded.source);
		if (!space)
			continue;
		was = (struct usage_entry){ .opened = folded.opened,
					    .failed = folded.failed,
					    .failovers = folded.failovers,
					    .connect_ns = folded.connect_us * 1000ull,
					    .peak = folded.peak,
					    .tick = folded.tick };
		for (unsigned i = 0; i < USAGE_TIME_WAIT_BUCKETS; i++)
			was.time_wait[i] = folded.time_wait[i];
		usage_unfold(ledger->writer, space, &was);
		space->time_wait = folded_time_wait(&folded, now_ns);
		space_time_wait(space, now_ns);
	}
}

ONCE static struct destination *enter_new(struct ledger *ledger, const struct endpoint *to,
					  const struct rule *rule, uint64_t now_ns)
{
	struct arena *arena = ledger->arena;

	if (ledger->count >= LEDGER_UNFOLDED_MAX)
		fold_some(ledger, now_ns);
	if (ledger->count >= LEDGER_DESTINATIONS_MAX && !make_room(ledger, now_ns))
		return NULL;
	struct ledger_link *link = arena_alloc(arena, sizeof(*link));
	if (!link)
		return NULL;
	link->destination = (struct destination){ .to = *to, .rule = rule, .waits = &ledger->waits };
	link->destination.far = !address_is_loopback(&to->ip);
	link->destination.kernels_choice = !address_is_one_host(&to->ip) || address_is_link_local(&to->ip);
	HASH_ADD(hh, ledger->table, destination.to, sizeof(*to), link);
	if (link->destination.users == UINT_MAX) {
		arena_free(arena, link, sizeof(*link));
		return NULL;
	}
	ledger->count++;
	unfold(ledger, &link->destination, now_ns);
	return &link->destination;
}

HOT_WHOLE struct destination *ledger_find(struct ledger *ledger, const struct endpoint *to,
					  const struct rule *rule, uint64_t now_ns)
{
	struct ledger_link *link;

	if (likely(ledger->last && endpoint_equal(&ledger->last->to, to)))
		return ledger->last;
	HASH_FIND(hh, ledger->table, to, sizeof(*to), link);
	if (link)
		return ledger->last = &link->destination;
	return enter_new(ledger, to, rule, now_ns);
}

COLD bool ledger_may_wait(struct ledger *ledger, const struct endpoint *to)
{
	struct ledger_link *link;

	if (ledger->last && endpoint_equal(&ledger->last->to, to))
		return false;
	HASH_FIND(hh, ledger->table, to, sizeof(*to), link);
	if (link)
		ledger->last = &link->destination;
	return !link && !folding_has(&ledger->folding, to);
}

COLD void ledger_failed(struct ledger *ledger, const struct endpoint *to, int error, uint64_t now_ns)
{
	struct usage_writer *writer = ledger->writer;
	const struct folded failed = { .to = *to, .tick = ledger_tick(now_ns), .failed = 1 };

	if (writer && writer->segment)
		usage_enter_failure(&writer->segment->entries[0], error);
	folding_put(&ledger->folding, ledger->arena, &failed, now_ns);
	note_forgotten(ledger);
}

ONCE struct tuple_space *ledger_space(struct ledger *ledger, struct destination *destination,
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
	space->knee = KNEE_NEW;
	space->to_loopback = address_is_loopback(&destination->to.ip);
	space->doubt = destination->by_source.count ? TRUST_UNTESTED | TRUST_UNSERVED : 0;
	if (ledger->siblings)
		space->others = siblings_in_use(ledger->siblings, &destination->to, source);
	if (!usage_give(ledger->writer, ledger->arena, space)) {
		arena_free(ledger->arena, space, sizeof(*space));
		return NULL;
	}
	space->next = destination->spaces;
	destination->spaces = space;
	return space;
}

struct destination *ledger_next(const struct ledger *ledger, const struct destination *previous)
{
	struct ledger_link *link = previous ? ((const struct ledger_link *)previous)->hh.next : ledger->table;
	return link ? &link->destination : NULL;
}

void ledger_capacity_changed(struct ledger *ledger, const struct port_range *range)
{
	ledger->waits.bound = range->waits_bound;
	for (struct destination *d = ledger_next(ledger, NULL); d; d = ledger_next(ledger, d))
		for (struct tuple_space *s = d->spaces; s; s = s->next)
			s->quiet_below = 0;
}

struct range_refresh {
	struct ledger *ledger;
	uint64_t now_ns;
};

static void refresh_range(void *argument)
{
	const struct range_refresh *refresh = argument;
	struct ledger *ledger = refresh->ledger;
	struct port_range range = { 0 };

	/* /proc/sys/net is that of the thread's namespace. */
	if (network_thread_is_home())
		port_range_read(&range);
	if (!lock_enter(ledger->lock))
		return;
	/* A /proc that is gone (chroot) takes nothing away from what was known. */
	if (range.high && memcmp(&range, &ledger->range, sizeof(range))) {
		ledger->range = range;
		ledger_capacity_changed(ledger, &range);
		usage_note_range(ledger->writer, &range);
	}
	ledger->range_until_ns = refresh->now_ns + RANGE_LIFE_S * 1000000000ull;
	lock_leave(ledger->lock);
}

COLD void ledger_refresh_range(struct ledger *ledger, uint64_t now_ns)
{
	struct range_refresh refresh = { .ledger = ledger, .now_ns = now_ns };
	own_stack_run(refresh_range, &refresh);
}

void ledger_heed_siblings(struct ledger *ledger)
{
	for (struct destination *d = ledger_next(ledger, NULL); d; d = ledger_next(ledger, d)) {
		d->load_valid = false;
		for (struct tuple_space *s = d->spaces; s; s = s->next) {
			s->others = siblings_in_use(ledger->siblings, &d->to, &s->source);
			s->quiet_below = 0; /* it is about the sum */
		}
	}
}
