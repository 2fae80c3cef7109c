// SPDX-License-Identifier: Apache-2.0
/* spread - which source the next connection to a destination leaves from. */
#include "pool/spread/spread.h"

#include "pool/base/hash.h"
#include "pool/base/hot.h"
#include "pool/spread/resort.h"
#include "pool/spread/slowness.h"
#include "pool/spread/trust.h"

#include <string.h>

/* Of a long list a part is looked at, from a random place on: as good as all, at a bounded cost. */
enum { LOOK_AT = 64 };
enum { REFUSALS_SHIFT_MOST = 7 };
#define FULL_AT_LEAST_NS 100000ull
#define FULL_AT_MOST_NS  500000000ull

static void forget_slots(struct spreading *spreading, struct destination *destination)
{
	for (struct tuple_space *space = destination->spaces; space; space = space->next) {
		space->load = NULL;
		space->listed = false;
	}
	destination->list_answered = false;
	destination->natural_until_ns = 0;
	arena_free(spreading->ledger->arena, destination->load,
		   destination->by_source.count * sizeof(uint32_t));
	slots_free(&destination->by_source, spreading->ledger->arena);
	destination->load = NULL;
	destination->load_valid = false;
	if (destination->trust)
		destination->trust->sticky = 0;
}

static bool take_slot(struct spreading *spreading, struct destination *destination, unsigned i,
		      struct tuple_space *space)
{
	if (!slots_put(&destination->by_source, spreading->ledger->arena, i, space))
		return false;
	space->load = destination->load ? &destination->load[i] : NULL;
	space->listed = true;
	return true;
}

bool spread_prepare(struct spreading *spreading, struct destination *destination,
		    const struct source_list *sources)
{
	if (destination->sources == sources)
		return true;
	forget_slots(spreading, destination);
	destination->sources = NULL;
	if (!sources || !sources->count)
		return true;
	if (!slots_start(&destination->by_source, spreading->ledger->arena, sources->count))
		return false;
	/* Of more than are looked at the loads are never all known. */
	if (sources->count <= LOOK_AT)
		destination->load = arena_alloc(spreading->ledger->arena, sources->count * sizeof(uint32_t));
	for (struct tuple_space *space = destination->spaces; space; space = space->next)
		for (unsigned i = 0; i < sources->count; i++)
			if (address_equal(&space->source, &sources->items[i]) &&
			    !take_slot(spreading, destination, i, space)) {
				forget_slots(spreading, destination);
				return false;
			}
	destination->sources = sources;
	destination->rotor = spreading_random(spreading);
	return true;
}

static bool is_aside(const struct spreading *spreading, const struct address *source, uint64_t now_ns)
{
	for (unsigned i = 0; i < spreading->aside_count; i++)
		if (spreading->aside[i].until_ns > now_ns &&
		    address_equal(&spreading->aside[i].source, source))
			return true;
	return false;
}

void spread_aside(struct spreading *spreading, const struct address *source, uint64_t now_ns)
{
	unsigned i = 0;

	while (i < spreading->aside_count && spreading->aside[i].until_ns > now_ns)
		i++;
	if (i == ASIDE_MAX)
		i = spreading_random(spreading) % ASIDE_MAX;
	else if (i == spreading->aside_count)
		spreading->aside_count++;
	spreading->aside[i] =
		(struct aside){ .source = *source, .until_ns = now_ns + SPREAD_ASIDE_S * 1000000000ull };
}

/* A source of the other family is none for this destination; nor is a loopback source for a remote one:
 * the kernel would refuse every such connection (ip_route_output_key_hash_rcu, net/ipv4/route.c); nor any
 * other for the loopback, unless a rule says so. A link-local one is known on its link alone (RFC 3927,
 * section 2.7; RFC 4291, section 2.5.6), and destinations there are the kernel's choice. */
static bool fits(const struct address *source, const struct destination *d)
{
	if (address_is_v4(source) != address_is_v4(&d->to.ip) || address_is_link_local(source))
		return false;
	return address_is_loopback(source) ? !d->far : d->far || rule_names_loopback(d->rule);
}

static bool is_full(const struct tuple_space *space, uint64_t began_ns, uint64_t now_ns)
{
	return space->full_until_ns && (space->full_until_ns > now_ns || space->full_at_ns >= began_ns);
}

struct search {
	struct spreading *spreading;
	struct destination *destination;
	struct tuple_space *natural; /* the program's own source, or the kernel's choice; NULL: not known */
	uint64_t began_ns, now_ns;
	unsigned candidates;
	bool fits;    /* one at least */
	bool doubted; /* there is more to know of some source than the ports it has in use */
	bool asked;   /* the kernel found one full in this attempt */
	bool patient; /* see trust.h */
	int best;     /* index of the source to choose; -1: none */
	uint32_t best_in_use;
	int unsure;        /* of those not asked because of their pause, the one asked longest ago; or -1 */
	uint64_t asked_ns; /* when that was */
	int probe;         /* one set aside that may be tried; or -1 */
};

/* In use, and above that how far the source is not to be trusted: less is better. */
enum { RANK_SHIFT = 24, IN_USE_MOST = (1 << RANK_SHIFT) - 1 };

COLD static uint32_t look_closer(struct search *s, unsigned i, struct tuple_space *space, uint32_t in_use)
{
	enum trust_rank rank = trust_rank(s->spreading->ledger, space, s->patient, s->now_ns);

	s->doubted |= space->trust != NULL;
	if (rank == TRUST_ASIDE) {
		s->candidates--;
		if (trust_may_try(space, s->now_ns))
			s->probe = (int)i;
		return UINT32_MAX;
	}
	in_use += trust_charge(space, s->now_ns);
	return (in_use < IN_USE_MOST ? in_use : IN_USE_MOST) | (uint32_t)rank << RANK_SHIFT;
}

COLD static uint32_t look_at_full(struct search *s, unsigned i, struct tuple_space *space)
{
	if (space->full_at_ns >= s->began_ns) {
		s->asked = true;
	} else if ((s->unsure < 0 || space->full_at_ns < s->asked_ns) &&
		   !spread_full_surely(space, &s->spreading->ledger->range, s->now_ns)) {
		s->unsure = (int)i;
		s->asked_ns = space->full_at_ns;
	}
	return UINT32_MAX;
}

static inline uint32_t in_use_by_all(const struct search *s, struct tuple_space *space)
{
	uint32_t in_use = space_in_use(space, &s->spreading->ledger->range, s->now_ns);
	return in_use + slowness_others(space, &s->spreading->ledger->range, in_use, s->now_ns);
}

/* Of a source that this process has no experience with. */
COLD static uint32_t heed_others(struct search *s, const struct address *source, uint32_t in_use)
{
	if (!board_failing(s->spreading->board, &s->destination->to, source, s->now_ns))
		return in_use;
	s->doubted = true;
	return (in_use < IN_USE_MOST ? in_use : IN_USE_MOST) | (uint32_t)TRUST_DOUBTED << RANK_SHIFT;
}

/* Return: in use, with the rank; or UINT32_MAX if the source cannot be chosen now. */
HOT static uint32_t look_at(struct search *s, unsigned i)
{
	const struct address *source = &s->destination->sources->items[i];
	struct tuple_space *space = slots_get(&s->destination->by_source, i);

	if (!fits(source, s->destination))
		return UINT32_MAX;
	s->fits = true;
	if (s->spreading->aside_count && is_aside(s->spreading, source, s->now_ns))
		return UINT32_MAX;
	if (space && space->aside_until_ns > s->now_ns)
		return UINT32_MAX;
	s->candidates++;
	if (!space) {
		uint32_t in_use =
			siblings_in_use(s->spreading->ledger->siblings, &s->destination->to, source);
		return unlikely(s->spreading->board->failing) ? heed_others(s, source, in_use) : in_use;
	}
	if (is_full(space, s->began_ns, s->now_ns))
		return look_at_full(s, i, space);
	uint32_t in_use = in_use_by_all(s, space);
	return unlikely(space->trust) ? look_closer(s, i, space, in_use) : in_use;
}

COLD static struct tuple_space *fill_slot(struct search *s, unsigned i)
{
	struct destination *d = s->destination;
	struct tuple_space *space = ledger_space(s->spreading->ledger, d, &d->sources->items[i]);

	if (!space || !take_slot(s->spreading, d, i, space))
		return NULL;
	if (space->load)
		*space->load = in_use_by_all(s, space);
	space->doubtful = d->far && links_part(&s->spreading->links, &d->to.ip, &space->source);
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
	d->load_valid = all_usable && d->load && !s->doubted;
	/* What comes before any source has served is best sent where the kernel would send it. */
	d->want_natural = s->doubted && s->best_in_use > IN_USE_MOST;
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

/* How well the natural source would do: as look_at(). */
static uint32_t look_at_natural(struct search *s)
{
	struct tuple_space *natural = s->natural;

	if (!natural || is_full(natural, s->began_ns, s->now_ns))
		return UINT32_MAX;
	uint32_t in_use = in_use_by_all(s, natural);
	if (likely(!natural->trust))
		return in_use;
	s->patient = true;
	s->candidates++;
	in_use = look_closer(s, 0, natural, in_use);
	s->candidates--;
	s->patient = false;
	s->probe = -1;
	return in_use;
}

/* The natural source, then each in the order of the list, as long as it stays below the knee; when all are
 * past it, the one with the most headroom. */
static enum verdict choose_spill(struct search *s, struct choice *choice)
{
	struct destination *d = s->destination;
	uint32_t capacity = port_range_capacity(&s->spreading->ledger->range);
	uint32_t knee = capacity ? capacity / 2 : 14116;
	uint32_t natural_in_use = look_at_natural(s);

	if (likely(natural_in_use < knee)) {
		choice->space = s->natural;
		return CHOSEN_NATURAL;
	}
	for (unsigned i = 0; i < d->by_source.count; i++) {
		if (s->natural && address_equal(&d->sources->items[i], &s->natural->source))
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
	if (natural_in_use == UINT32_MAX && s->natural)
		return NONE_LEFT;
	choice->space = s->natural;
	return CHOSEN_NATURAL;
}

/* Rendezvous hashing: the source with the highest number for the remote address. The same in every process,
 * and when a source goes only its own addresses move. */
static uint64_t affinity(const struct address *source, const struct address *to)
{
	uint64_t hash = hash_more(hash_more(HASH_START, to, sizeof(*to)), source, sizeof(*source));

	/* Its last bytes stir the high bits little: the finish of splitmix64. */
	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
	hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
	return hash ^ hash >> 31;
}

/* The first by affinity among those of the best rank. */
COLD static void search_by_affinity(struct search *s)
{
	struct destination *d = s->destination;
	struct trust_of_all *all = trust_of_all(s->spreading->ledger, d);
	uint64_t best = 0, first = 0;

	for (unsigned i = 0; i < d->by_source.count; i++) {
		const struct address *source = &d->sources->items[i];
		uint32_t in_use = look_at(s, i);
		uint64_t number = affinity(source, &d->to.ip);
		if (all && fits(source, d) && (!first || number > first)) {
			first = number;
			all->sticky = i + 1;
		}
		if (in_use == UINT32_MAX)
			continue;
		uint32_t rank = in_use >> RANK_SHIFT, best_rank = s->best_in_use >> RANK_SHIFT;
		if (s->best < 0 || rank < best_rank || (rank == best_rank && number > best)) {
			s->best = (int)i;
			s->best_in_use = in_use;
			best = number;
		}
	}
}

static void search_sticky(struct search *s)
{
	struct destination *d = s->destination;

	s->patient = true;
	if (likely(d->trust && d->trust->sticky)) {
		uint32_t in_use = look_at(s, d->trust->sticky - 1);
		if (likely(in_use <= IN_USE_MOST)) {
			s->best = (int)d->trust->sticky - 1;
			return;
		}
		s->candidates = 0;
	}
	search_by_affinity(s);
}

/* A source may be of the list without having been chosen from it yet. */
static void note_listed(const struct destination *d, struct tuple_space *space)
{
	for (unsigned i = 0; d->sources && !space->listed && i < d->sources->count; i++)
		space->listed = address_equal(&d->sources->items[i], &space->source);
}

void spread_natural(struct destination *destination, struct tuple_space *natural, uint64_t until_ns)
{
	destination->natural = natural;
	destination->natural_until_ns = until_ns;
	if (natural)
		note_listed(destination, natural);
}

/* The list fails, and the kernel's choice does not: see trust.h. */
COLD static bool kernel_is_preferred(const struct search *s)
{
	/* The program's own may be any. */
	if (s->natural && s->natural != s->destination->natural)
		note_listed(s->destination, s->natural);
	return resort_is_preferred(s->destination, s->natural, s->now_ns) &&
	       !is_full(s->natural, s->began_ns, s->now_ns);
}

/* Of all that may be chosen others say that it fails, and not of the kernel's choice. */
COLD static bool others_prefer_kernel(const struct search *s)
{
	const struct destination *d = s->destination;
	const struct tuple_space *natural = s->natural;

	if (d->rule->strict || s->best < 0 || s->best_in_use >> RANK_SHIFT != TRUST_DOUBTED ||
	    slots_get(&d->by_source, (unsigned)s->best))
		return false;
	return !natural || (resort_is_another(natural) && !is_full(natural, s->began_ns, s->now_ns) &&
			    !board_failing(s->spreading->board, &d->to, &natural->source, s->now_ns));
}

/* All of the list is full or aside. What the kernel would choose gets a last try, then a source that was set
 * aside for its failures. And before a connect() is refused without the kernel, it has to be sure. */
COLD static enum verdict last_try(struct search *s, struct choice *choice)
{
	struct tuple_space *natural = s->natural;
	const struct rule *rule = s->destination->rule;

	if (!rule->strict || rule->spread == SPREAD_SPILL) {
		bool full = natural && is_full(natural, s->began_ns, s->now_ns);
		bool sure = full && (s->asked || natural->full_at_ns >= s->began_ns ||
				     spread_full_surely(natural, &s->spreading->ledger->range, s->now_ns));
		choice->space = natural;
		if (!full || !sure)
			return CHOSEN_NATURAL;
	}
	int i = s->asked || s->unsure < 0 ? s->probe : s->unsure;
	choice->space = i >= 0 ? space_of(s, (unsigned)i) : NULL;
	return choice->space ? CHOSEN_SOURCE : NONE_LEFT;
}

HOT enum verdict spread_choose(struct spreading *spreading, struct destination *destination,
			       struct tuple_space *own, uint64_t began_ns, uint64_t now_ns,
			       struct choice *choice)
{
	struct search s = { .spreading = spreading,
			    .destination = destination,
			    .natural = own,
			    .began_ns = began_ns,
			    .now_ns = now_ns,
			    .best = -1,
			    .best_in_use = UINT32_MAX,
			    .unsure = -1,
			    .probe = -1 };
	enum spread spread = destination->by_source.count ? destination->rule->spread : SPREAD_OFF;
	enum verdict verdict = CHOSEN_NATURAL;

	if (!own && destination->natural_until_ns > now_ns)
		s.natural = destination->natural;
	*choice = (struct choice){ 0 };
	if (spread != SPREAD_OFF && resort_may_be_preferred(destination) && kernel_is_preferred(&s)) {
		choice->fits = true;
		choice->candidates = 1;
		choice->space = s.natural;
		return CHOSEN_NATURAL;
	}
	if (spread == SPREAD_SPILL) {
		verdict = choose_spill(&s, choice);
	} else if (spread != SPREAD_OFF) {
		if (spread == SPREAD_STICKY)
			search_sticky(&s);
		else if (likely(destination->load_valid && !spreading->aside_count &&
				destination->load_tick == ledger_tick(now_ns)))
			search_load(&s);
		else
			search_even(&s);
		if (unlikely(spreading->board->failing) && others_prefer_kernel(&s)) {
			choice->space = s.natural;
			verdict = CHOSEN_NATURAL;
		} else if (likely(s.best >= 0)) {
			choice->space = space_of(&s, (unsigned)s.best);
			verdict = choice->space ? CHOSEN_SOURCE : CHOSEN_NATURAL;
		} else if (s.fits) {
			verdict = NONE_LEFT;
		}
	}
	choice->fits = s.fits || spread == SPREAD_SPILL || spread == SPREAD_OFF;
	choice->candidates = s.candidates ? s.candidates : 1;
	if (likely(choice->space))
		return verdict;
	if (verdict == NONE_LEFT)
		return last_try(&s, choice);
	/* Nothing to spread over: the natural source, of which it may be known that it is full. */
	choice->space = s.natural;
	if (s.natural && is_full(s.natural, began_ns, now_ns) &&
	    (s.natural->full_at_ns >= began_ns ||
	     spread_full_surely(s.natural, &spreading->ledger->range, now_ns)))
		verdict = NONE_LEFT;
	return verdict;
}

COLD bool spread_full_surely(struct tuple_space *space, const struct port_range *range, uint64_t now_ns)
{
	uint32_t capacity = port_range_capacity(range);

	if (capacity && !space->several && space->open + space_time_wait(space, now_ns) == capacity)
		return true;
	if (!space->refusals_left)
		return false;
	space->refusals_left--;
	return true;
}

COLD void spread_not_full(struct tuple_space *space)
{
	/* Had one of ours come free since, nothing would be known to be full. */
	space->several |= space->full_in_row && space->full_until_ns;
	space->full_until_ns = 0;
	space->full_in_row = space->refusals_left = 0;
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
	if (space->full_in_row < SPREAD_FULL_SURE + REFUSALS_SHIFT_MOST)
		space->full_in_row++;
	if (space->full_in_row < SPREAD_FULL_SURE)
		return;
	space->several = false;
	space->refusals_left = (uint8_t)(1u << (space->full_in_row - SPREAD_FULL_SURE));
}
