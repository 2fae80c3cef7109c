// SPDX-License-Identifier: Apache-2.0
/* spread - which source the next connection to a destination leaves from. */
#include "spread.h"
#include "hot.h"

#include <string.h>

/* Of a long list a part is looked at, from a random place on: as good as all, at a bounded cost. */
enum { LOOK_AT = 64 };
#define FULL_AT_LEAST_NS 100000ull
#define FULL_AT_MOST_NS  500000000ull

static void forget_slots(struct shim *shim, struct destination *destination)
{
	for (struct tuple_space *space = destination->spaces; space; space = space->next)
		space->load = NULL;
	arena_free(&shim->arena, destination->load, destination->by_source.count * sizeof(uint32_t));
	slots_free(&destination->by_source, &shim->arena);
	destination->load = NULL;
	destination->load_valid = false;
}

static bool take_slot(struct shim *shim, struct destination *destination, unsigned i,
		      struct tuple_space *space)
{
	if (!slots_put(&destination->by_source, &shim->arena, i, space))
		return false;
	space->load = destination->load ? &destination->load[i] : NULL;
	return true;
}

bool spread_prepare(struct shim *shim, struct destination *destination, const struct source_list *sources)
{
	if (destination->sources == sources)
		return true;
	forget_slots(shim, destination);
	destination->sources = NULL;
	if (!sources || !sources->count)
		return true;
	if (!slots_start(&destination->by_source, &shim->arena, sources->count))
		return false;
	/* Of more than are looked at the loads are never all known. */
	if (sources->count <= LOOK_AT)
		destination->load = arena_alloc(&shim->arena, sources->count * sizeof(uint32_t));
	for (struct tuple_space *space = destination->spaces; space; space = space->next)
		for (unsigned i = 0; i < sources->count; i++)
			if (address_equal(&space->source, &sources->items[i]) &&
			    !take_slot(shim, destination, i, space)) {
				forget_slots(shim, destination);
				return false;
			}
	destination->sources = sources;
	destination->rotor = shim_random(shim);
	return true;
}

static bool is_aside(const struct shim *shim, const struct address *source, uint64_t now_ns)
{
	for (unsigned i = 0; i < shim->aside_count; i++)
		if (shim->aside[i].until_ns > now_ns && address_equal(&shim->aside[i].source, source))
			return true;
	return false;
}

void spread_aside(struct shim *shim, const struct address *source, uint64_t now_ns)
{
	unsigned i = 0;

	while (i < shim->aside_count && shim->aside[i].until_ns > now_ns)
		i++;
	if (i == ASIDE_MAX)
		i = shim_random(shim) % ASIDE_MAX;
	else if (i == shim->aside_count)
		shim->aside_count++;
	shim->aside[i] =
		(struct aside){ .source = *source, .until_ns = now_ns + SPREAD_ASIDE_S * 1000000000ull };
}

/* A source of the other family is none for this destination; nor is a loopback source for a remote one:
 * the kernel would refuse every such connection (ip_route_output_key_hash_rcu, net/ipv4/route.c). A
 * link-local one is known on its link alone (RFC 3927, section 2.7; RFC 4291, section 2.5.6), and
 * destinations there are the kernel's choice. */
static bool fits(const struct address *source, const struct address *to)
{
	return address_is_v4(source) == address_is_v4(to) &&
	       (address_is_loopback(to) || !address_is_loopback(source)) && !address_is_link_local(source);
}

static bool is_full(const struct tuple_space *space, uint64_t began_ns, uint64_t now_ns)
{
	return space->full_until_ns && (space->full_until_ns > now_ns || space->full_at_ns >= began_ns);
}

struct search {
	struct shim *shim;
	struct destination *destination;
	uint64_t began_ns, now_ns;
	unsigned candidates;
	bool fits; /* one at least */
	int best;  /* index of the source with the most headroom; -1: none */
	uint32_t best_in_use;
};

/* Return: in use, or UINT32_MAX if the source cannot be chosen now. */
HOT static uint32_t look_at(struct search *s, unsigned i)
{
	const struct address *source = &s->destination->sources->items[i];
	struct tuple_space *space = slots_get(&s->destination->by_source, i);

	if (!fits(source, &s->destination->to.ip))
		return UINT32_MAX;
	s->fits = true;
	if (s->shim->aside_count && is_aside(s->shim, source, s->now_ns))
		return UINT32_MAX;
	if (space && space->aside_until_ns > s->now_ns)
		return UINT32_MAX;
	s->candidates++;
	if (!space)
		return siblings_in_use(&s->shim->siblings, &s->destination->to, source);
	if (is_full(space, s->began_ns, s->now_ns))
		return UINT32_MAX;
	return space_in_use(space, &s->shim->range, s->now_ns) + space->others;
}

COLD static struct tuple_space *fill_slot(struct search *s, unsigned i)
{
	struct destination *d = s->destination;
	struct tuple_space *space = ledger_space(&s->shim->ledger, d, &d->sources->items[i]);

	if (!space || !take_slot(s->shim, d, i, space))
		return NULL;
	if (space->load)
		*space->load = space_in_use(space, &s->shim->range, s->now_ns) + space->others;
	space->doubtful = d->far && links_part(&s->shim->links, &d->to.ip, &space->source);
	return space;
}

static inline struct tuple_space *space_of(struct search *s, unsigned i)
{
	struct tuple_space *space = slots_get(&s->destination->by_source, i);
	return likely(space) ? space : fill_slot(s, i);
}

/* Most headroom first. Equals are taken in turn, from a random start: processes differ. */
HOT static void search_even(struct search *s)
{
	struct destination *d = s->destination;
	unsigned count = d->by_source.count;
	unsigned start = d->rotor++ % count;
	bool all_usable = true;

	for (unsigned n = 0; n < count; n++) {
		if (n >= LOOK_AT && s->best >= 0)
			return;
		unsigned i = start + n < count ? start + n : start + n - count;
		uint32_t in_use = look_at(s, i);
		if (in_use == UINT32_MAX)
			all_usable = false;
		else if (d->load)
			d->load[i] = in_use;
		if (in_use < s->best_in_use) {
			s->best_in_use = in_use;
			s->best = (int)i;
		}
	}
	d->load_valid = all_usable && d->load;
	d->least_load = 0;
	d->load_tick = ledger_tick(s->now_ns);
}

/* The same with nothing but the numbers in use, side by side: while no source is full or set aside, they say
 * all. They fall by themselves only as TIME_WAITs end, once in a tick. */
HOT static void search_load(struct search *s)
{
	struct destination *d = s->destination;
	unsigned count = d->by_source.count;
	unsigned i = d->rotor++ % count;

	for (unsigned n = 0; n < count && s->best_in_use > d->least_load; n++) {
		if (d->load[i] < s->best_in_use) {
			s->best_in_use = d->load[i];
			s->best = (int)i;
		}
		i = i + 1 < count ? i + 1 : 0;
	}
	d->least_load = s->best_in_use;
	s->candidates = count;
	s->fits = true;
}

/* The natural source, then each in the order of the list, as long as it stays below the knee; when all are
 * past it, the one with the most headroom. */
static enum verdict choose_spill(struct search *s, struct choice *choice)
{
	struct destination *d = s->destination;
	uint32_t capacity = port_range_capacity(&s->shim->range);
	uint32_t knee = capacity ? capacity / 2 : 14116;
	uint32_t natural_in_use = UINT32_MAX;

	if (d->natural && !is_full(d->natural, s->began_ns, s->now_ns))
		natural_in_use = space_in_use(d->natural, &s->shim->range, s->now_ns) + d->natural->others;
	if (natural_in_use < knee) {
		choice->space = d->natural;
		return CHOSEN_NATURAL;
	}
	for (unsigned i = 0; i < d->by_source.count; i++) {
		if (d->natural && address_equal(&d->sources->items[i], &d->natural->source))
			continue;
		uint32_t in_use = look_at(s, i);
		if (in_use < s->best_in_use) {
			s->best_in_use = in_use;
			s->best = (int)i;
		}
		if (in_use < knee)
			break;
	}
	s->candidates++;
	if (s->best >= 0 && s->best_in_use < natural_in_use) {
		choice->space = space_of(s, (unsigned)s->best);
		return choice->space ? CHOSEN_SOURCE : CHOSEN_NATURAL;
	}
	choice->space = d->natural;
	return natural_in_use == UINT32_MAX && d->natural ? NONE_LEFT : CHOSEN_NATURAL;
}

HOT enum verdict spread_choose(struct shim *shim, struct destination *destination, uint64_t began_ns,
			       uint64_t now_ns, struct choice *choice)
{
	struct search s = { .shim = shim,
			    .destination = destination,
			    .began_ns = began_ns,
			    .now_ns = now_ns,
			    .best = -1,
			    .best_in_use = UINT32_MAX };
	enum spread spread = destination->by_source.count ? destination->rule->spread : SPREAD_OFF;
	enum verdict verdict = CHOSEN_NATURAL;

	*choice = (struct choice){ 0 };
	if (spread == SPREAD_SPILL) {
		verdict = choose_spill(&s, choice);
	} else if (spread == SPREAD_EVEN) {
		if (likely(destination->load_valid && !shim->aside_count &&
			   destination->load_tick == ledger_tick(now_ns)))
			search_load(&s);
		else
			search_even(&s);
		if (likely(s.best >= 0)) {
			choice->space = space_of(&s, (unsigned)s.best);
			verdict = choice->space ? CHOSEN_SOURCE : CHOSEN_NATURAL;
		} else if (s.candidates) {
			verdict = NONE_LEFT;
		}
	}
	choice->fits = s.fits || spread != SPREAD_EVEN;
	choice->candidates = s.candidates ? s.candidates : 1;
	if (unlikely(verdict == CHOSEN_NATURAL && !choice->space && s.candidates == 0)) {
		choice->space = destination->natural_until_ns > now_ns ? destination->natural : NULL;
		if (choice->space && is_full(choice->space, began_ns, now_ns))
			verdict = NONE_LEFT;
	}
	return verdict;
}

void spread_full_for_one(struct tuple_space *space, uint64_t now_ns)
{
	space->destination->load_valid = false;
	space->full_at_ns = now_ns;
	if (space->full_until_ns < now_ns)
		space->full_until_ns = now_ns;
}

void spread_full(struct tuple_space *space, uint64_t cost_ns, unsigned candidates, uint64_t now_ns)
{
	uint64_t pause_ns = cost_ns * SPREAD_FULL_COST * candidates;

	if (pause_ns < FULL_AT_LEAST_NS)
		pause_ns = FULL_AT_LEAST_NS;
	if (pause_ns > FULL_AT_MOST_NS)
		pause_ns = FULL_AT_MOST_NS;
	space->destination->load_valid = false;
	space->full_at_ns = now_ns;
	space->full_until_ns = now_ns + pause_ns;
}
