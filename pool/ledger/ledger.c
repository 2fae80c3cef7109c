// SPDX-License-Identifier: Apache-2.0
/* ledger - what this process has open, per destination and source. */
#include "pool/ledger/ledger.h"
#include "pool/base/hot.h"
#include "pool/connect/pace.h"
#include "pool/connect/slowness.h"
#include "pool/ledger/entries.h"
#include "pool/ledger/siblings.h"

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

/* Of many destinations a few are looked at for one that can go: each is a cache miss. */
enum { FORGET_LOOK_AT = 64, FOLD_LOOK_AT = 16 };

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

static void add_reuse_counts(struct reuse_counts *to, const struct reuse_counts *more)
{
	to->hits += more->hits;
	to->misses += more->misses;
	to->first_use_failures += more->first_use_failures;
	to->replaced += more->replaced;
	for (unsigned i = 0; i < REUSE_REFUSALS; i++)
		to->refused[i] += more->refused[i];
	for (unsigned i = 0; i < REUSE_RETIREMENTS; i++)
		to->retired[i] += more->retired[i];
}

void ledger_add_reuse(const struct destination *destination, struct reuse_counts *sum)
{
	if (destination->parked)
		add_reuse_counts(sum, &destination->parked->counts);
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
	ledger_add_reuse(d, &ledger->dropped_reuse);
	ledger->doubted -= d->doubted;
	for (struct tuple_space *s = d->spaces; s; s = next) {
		next = s->next;
		usage_take_back(ledger, s);
		if (s->trust)
			arena_free(arena, s->trust, sizeof(*s->trust));
		arena_free(arena, s, sizeof(*s));
	}
	arena_free(arena, d->load, d->by_source.count * sizeof(uint32_t));
	slots_free(&d->by_source, arena);
	if (d->trust)
		arena_free(arena, d->trust, sizeof(*d->trust));
	if (d->classes)
		arena_free(arena, d->classes, sizeof(*d->classes));
	if (d->parked)
		arena_free(arena, d->parked, sizeof(struct parked_pool));
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
static bool may_be_folded(const struct destination *d, uint64_t now_ns)
{
	if (d->users || d->no_source_said || !d->to.port)
		return false;
	if (d->parked &&
	    (d->parked->conduct.paused_until_ns > now_ns || d->parked->conduct.idle_limit_until_ns > now_ns ||
	     d->parked->conduct.late_until_ns > now_ns))
		return false;
	for (const struct tuple_space *s = d->spaces; s; s = s->next)
		if (s->open || s->number || s->time_wait >= LEDGER_BUSY_FROM || s->warned_steps ||
		    s->full_until_ns > now_ns || s->aside_until_ns > now_ns || (s->trust && s->trust->aside))
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
		if (may_be_folded(&link->destination, now_ns) && fold(ledger, link, now_ns))
			folded++;
	}
}

/* The tuple spaces of a destination that was folded, as they were. */
static void unfold(struct ledger *ledger, struct destination *destination, uint64_t now_ns)
{
	struct folded folded;

	while (folding_take(&ledger->folding, &destination->to, &folded)) {
		struct tuple_space *space = ledger_space(ledger, destination, &folded.source);
		if (!space)
			continue;
		struct usage_entry *was = &ledger->unfolding;
		*was = (struct usage_entry){ .opened = folded.opened,
					     .failed = folded.failed,
					     .failovers = folded.failovers,
					     .connect_ns = folded.connect_us * 1000ull,
					     .peak = folded.peak,
					     .tick = folded.tick };
		for (unsigned i = 0; i < USAGE_TIME_WAIT_BUCKETS; i++)
			was->time_wait[i] = folded.time_wait[i];
		usage_unfold(ledger, space, was);
		space->time_wait = folded_time_wait(&folded, now_ns);
		space_time_wait(space, now_ns);
	}
}

COLD static struct destination *enter_new(struct ledger *ledger, const struct endpoint *to,
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

HOT struct destination *ledger_find(struct ledger *ledger, const struct endpoint *to, const struct rule *rule,
				    uint64_t now_ns)
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
	space->knee = KNEE_NEW;
	space->to_loopback = address_is_loopback(&destination->to.ip);
	space->doubt = destination->by_source.count ? TRUST_UNTESTED | TRUST_UNSERVED : 0;
	if (ledger->siblings)
		space->others = siblings_in_use(ledger->siblings, &destination->to, source);
	if (!usage_give(ledger, space)) {
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

COLD void space_age(struct tuple_space *space, uint64_t now_ns)
{
	uint32_t dropped = usage_age(space->use, ledger_tick(now_ns));

	space->time_wait -= dropped < space->time_wait ? dropped : space->time_wait;
}

void ledger_capacity_changed(struct ledger *ledger, const struct port_range *range)
{
	ledger->waits.bound = range->waits_bound;
	for (struct destination *d = ledger_next(ledger, NULL); d; d = ledger_next(ledger, d))
		for (struct tuple_space *s = d->spaces; s; s = s->next)
			s->quiet_below = 0;
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

HOT uint32_t space_taken(struct tuple_space *space, const struct port_range *range, uint64_t now_ns)
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

COLD static void waits_age(struct ledger_waits *waits, uint32_t tick)
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

HOT void space_ended(struct tuple_space *space, enum ending how, uint64_t now_ns)
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
		return;
	unload(space);
	if (unlikely(space->full_until_ns)) {
		space->full_until_ns = 0;
		pace_freed();
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
