// SPDX-License-Identifier: Apache-2.0
/* candidates - look up what has to be known before a source can be chosen, when it is not known or old. */
#include "candidates.h"

#include "hot.h"
#include "own_stack.h"
#include "route.h"
#include "spread.h"

#include <string.h>

#define SECOND_NS 1000000000ull

HOT bool candidates_age(const struct shim *shim, const struct destination *destination, bool spreading,
			uint64_t now_ns, struct candidates_age *age)
{
	/* Without branches: each of these is cheaper worked out than jumped over. */
	bool capacity_matters = spreading | destination->busy | (shim->knee.way == KNEE_WINDOW);
	const struct rule *rule = destination->rule;

	age->range = capacity_matters & (shim->range_until_ns <= now_ns);
	age->list = spreading & rule->sources.automatic & (destination->sources_until_ns <= now_ns);
	age->natural = spreading & ((rule->spread == SPREAD_SPILL) | destination->want_natural) &
		       (destination->natural_until_ns <= now_ns);
	age->segment = shim->writer.state <= USAGE_WAITING;
	age->siblings = spreading & (shim->siblings.until_ns <= now_ns) &
			(shim->writer.state != USAGE_WITHOUT) & (shim->writer.state != USAGE_WAITING) &
			!shim->writer.frozen;
	age->trust = unlikely(destination->looking) && destination->trust->look_ns <= now_ns;
	return age->range | age->list | age->natural | age->segment | age->siblings | age->trust;
}

/* The same list found for many destinations is kept once. */
COLD static const struct source_list *intern(struct shim *shim, const struct source_list *found)
{
	for (unsigned i = 0; i < shim->auto_count; i++) {
		const struct source_list *known = &shim->auto_lists[i];
		if (known->count == found->count &&
		    !memcmp(known->items, found->items, known->count * sizeof(*known->items)))
			return known;
	}
	if (shim->auto_count == AUTO_LISTS_MAX)
		return NULL;
	struct source_list *list = &shim->auto_lists[shim->auto_count];
	*list = (struct source_list){ .count = found->count, .room = found->count };
	list->items = arena_alloc(&shim->arena, found->count * sizeof(*list->items));
	if (!list->items)
		return NULL;
	memcpy(list->items, found->items, found->count * sizeof(*list->items));
	shim->auto_count++;
	return list;
}

COLD static void refresh_list(struct shim *shim, const struct held *held, struct destination *destination,
			      struct events *events, uint64_t now_ns)
{
	struct arena scratch = { 0 };
	struct source_list found = { 0 };
	struct endpoint to = destination->to; /* constant since it was made */
	int rc = route_auto_sources(&scratch, &to, &found);

	if (shim_enter_held(shim, held)) {
		const struct source_list *list = found.count ? intern(shim, &found) : NULL;
		if (list)
			spread_prepare(shim, destination, list);
		if (rc)
			events_auto_failed(shim, events, &to, -rc, now_ns);
		destination->sources_until_ns = now_ns + CANDIDATES_AUTO_LIFE_S * SECOND_NS;
		shim_leave(shim);
	}
	arena_release(&scratch);
}

COLD static void refresh_natural(struct shim *shim, const struct held *held, struct destination *destination,
				 uint64_t now_ns)
{
	struct endpoint to = destination->to;
	struct address natural;
	int rc = route_source(&to, NULL, &natural);

	if (!shim_enter_held(shim, held))
		return;
	if (!rc)
		destination->natural = ledger_space(&shim->ledger, destination, &natural);
	destination->natural_until_ns = now_ns + CANDIDATES_NATURAL_LIFE_S * SECOND_NS;
	shim_leave(shim);
}

struct refresh {
	struct shim *shim;
	const struct held *held;
	struct destination *destination;
	const struct candidates_age *age;
	struct events *events;
	uint64_t now_ns;
};

static void refresh(void *argument)
{
	const struct refresh *r = argument;

	if (r->age->segment)
		usage_start(r->shim, r->held);
	if (r->age->range)
		shim_refresh_range(r->shim, r->now_ns);
	if (r->age->list)
		refresh_list(r->shim, r->held, r->destination, r->events, r->now_ns);
	if (r->age->natural)
		refresh_natural(r->shim, r->held, r->destination, r->now_ns);
	if (r->age->trust)
		trust_look(r->shim, r->held, r->destination, r->now_ns);
	if (r->age->siblings)
		siblings_refresh(r->shim, r->held, r->now_ns);
}

COLD void candidates_refresh(struct shim *shim, const struct held *held, struct destination *destination,
			     const struct candidates_age *age, struct events *events, uint64_t now_ns)
{
	struct refresh r = { .shim = shim,
			     .held = held,
			     .destination = destination,
			     .age = age,
			     .events = events,
			     .now_ns = now_ns };
	own_stack_run(refresh, &r);
}
