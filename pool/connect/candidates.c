// SPDX-License-Identifier: Apache-2.0
/* candidates - look up what has to be known before a source can be chosen, when it is not known or old. */
#include "pool/connect/candidates.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/connect/spread.h"
#include "pool/connect/trust.h"
#include "pool/ledger/own_segment.h"
#include "pool/ledger/short_lived.h"
#include "pool/routes/netlink.h"
#include "pool/routes/network.h"
#include "pool/routes/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define SECOND_NS 1000000000ull

HOT bool candidates_age(struct connecting *connecting, const struct destination *destination, bool spreading,
			uint64_t now_ns, struct candidates_age *age)
{
	/* Without branches: each of these is cheaper worked out than jumped over. */
	bool capacity_matters = spreading | destination->busy | destination->knee_past |
				(connecting->knee.way == KNEE_WINDOW);
	const struct rule *rule = destination->rule;

	age->range = capacity_matters & (connecting->ledger->range_until_ns <= now_ns);
	age->list = spreading & rule->sources.automatic & (destination->sources_until_ns <= now_ns);
	age->natural = spreading & ((rule->spread == SPREAD_SPILL) | destination->want_natural) &
		       (destination->natural_until_ns <= now_ns);
	age->segment = unlikely(connecting->ledger->writer->state <= USAGE_WAITING) &&
		       !usage_still_waits(connecting->ledger, now_ns);
	age->siblings = spreading & (connecting->ledger->siblings->until_ns <= now_ns) &
			(connecting->ledger->writer->state != USAGE_WITHOUT) &
			(connecting->ledger->writer->state != USAGE_WAITING) &
			!connecting->ledger->writer->frozen;
	age->trust = unlikely(destination->looking) && destination->trust->look_ns <= now_ns;
	age->links = spreading & destination->far & !rule->sources.automatic &
		     (connecting->links_until_ns <= now_ns);
	age->board = !destination->spaces & (connecting->board->until_ns <= now_ns) &
		     (connecting->ledger->writer->state != USAGE_WITHOUT) &
		     !connecting->ledger->writer->frozen;
	return age->board | age->range | age->list | age->natural | age->segment | age->siblings |
	       age->trust | age->links;
}

/* The same list found for many destinations is kept once. */
COLD static const struct source_list *intern(struct connecting *connecting, const struct source_list *found)
{
	for (unsigned i = 0; i < connecting->auto_count; i++) {
		const struct source_list *known = &connecting->auto_lists[i];
		if (known->count == found->count &&
		    !memcmp(known->items, found->items, known->count * sizeof(*known->items)))
			return known;
	}
	if (connecting->auto_count == AUTO_LISTS_MAX)
		return NULL;
	struct source_list *list = &connecting->auto_lists[connecting->auto_count];
	*list = (struct source_list){ .count = found->count, .room = found->count };
	list->items = arena_alloc(connecting->ledger->arena, found->count * sizeof(*list->items));
	if (!list->items)
		return NULL;
	memcpy(list->items, found->items, found->count * sizeof(*list->items));
	connecting->auto_count++;
	return list;
}

COLD static void refresh_list(struct connecting *connecting, const struct held *held,
			      struct destination *destination, struct events *events, uint64_t now_ns)
{
	struct arena scratch = { 0 };
	struct source_list found = { 0 };
	struct endpoint to = destination->to; /* constant since it was made */
	int rc = route_auto_sources(&scratch, &to, &found);
	source_list_exclude(&found, &destination->rule->sources);

	if (lock_enter_held(connecting->lock, held)) {
		const struct source_list *list = found.count ? intern(connecting, &found) : NULL;
		if (list)
			spread_prepare(connecting, destination, list);
		/* A destination without a route: connect() itself says so. */
		if (rc && rc != -ENETUNREACH && rc != -EHOSTUNREACH)
			events_auto_failed(&connecting->journal, events, &to, -rc, now_ns);
		destination->sources_until_ns = now_ns + CANDIDATES_AUTO_LIFE_S * SECOND_NS;
		lock_leave(connecting->lock);
	}
	arena_release(&scratch);
}

COLD static void refresh_natural(struct connecting *connecting, const struct held *held,
				 struct destination *destination, uint64_t now_ns)
{
	struct endpoint to = destination->to;
	struct address natural;
	int rc = route_source(&to, NULL, &natural);

	if (!lock_enter_held(connecting->lock, held))
		return;
	if (!rc)
		destination->natural = ledger_space(connecting->ledger, destination, &natural);
	destination->natural_until_ns = now_ns + CANDIDATES_NATURAL_LIFE_S * SECOND_NS;
	lock_leave(connecting->lock);
}

/* What was known of pairs is worked out anew. The lock is held. */
static void doubt(struct connecting *connecting)
{
	for (struct destination *d = ledger_next(connecting->ledger, NULL); d;
	     d = ledger_next(connecting->ledger, d))
		for (struct tuple_space *s = d->spaces; s; s = s->next)
			s->doubtful = d->far && links_part(&connecting->links, &d->to.ip, &s->source);
}

COLD static void refresh_links(struct connecting *connecting, const struct held *held, uint64_t now_ns)
{
	struct arena scratch = { 0 };
	struct links found = { 0 };
	int rc = links_read(&scratch, &found);

	if (lock_enter_held(connecting->lock, held)) {
		size_t size = found.count * sizeof(*found.items);
		bool same = found.count == connecting->links.count &&
			    (!size || !memcmp(found.items, connecting->links.items, size));
		struct link *items = rc || same ? NULL : arena_alloc(connecting->ledger->arena, size);
		if (items) {
			memcpy(items, found.items, size);
			arena_free(connecting->ledger->arena, connecting->links.items,
				   connecting->links.room * sizeof(*items));
			connecting->links =
				(struct links){ .items = items, .count = found.count, .room = found.count };
			doubt(connecting);
		}
		connecting->links_unseen = rc == -EMFILE && !connecting->links.count;
		connecting->links_until_ns =
			now_ns +
			(connecting->links_unseen ? SECOND_NS / 10 : CANDIDATES_LINKS_LIFE_S * SECOND_NS);
		lock_leave(connecting->lock);
	}
	arena_release(&scratch);
}

/* What is asked about a destination: the answers need more stack than a hook may have. */
struct question {
	const struct endpoint *to;
	const struct address *source;
	uint8_t class;
	bool answer;
};

static void ask_class(void *argument)
{
	struct question *q = argument;
	struct route_inputs inputs = { .traffic_class = q->class };
	struct route with, without;

	long fd = netlink_open();
	if (fd < 0)
		return;
	int with_rc = route_ask((int)fd, q->to, &inputs, &with),
	    without_rc = route_ask((int)fd, q->to, NULL, &without);
	kernel.close((int)fd);
	q->answer = !with_rc && !without_rc && route_equal(&with, &without);
}

COLD bool candidates_class_is_ordinary(const struct endpoint *to, uint8_t class)
{
	struct question q = { .to = to, .class = class };
	own_stack_run(ask_class, &q);
	return q.answer;
}

static void ask_parted(void *argument)
{
	enum { LOOPBACK_INTERFACE = 1 }; /* net/loopback.h */
	struct question *q = argument;
	struct route_inputs inputs = { .from = q->source };
	struct route route;

	long fd = netlink_open();
	if (fd < 0)
		return;
	int rc = route_ask((int)fd, q->to, &inputs, &route);
	uint32_t interface = route_interface_of((int)fd, q->source);
	kernel.close((int)fd);
	/* What the kernel refuses, or does not have, bind() and connect() will tell. */
	bool elsewhere = interface && interface != LOOPBACK_INTERFACE && interface != route.interface;
	q->answer = !rc && route.type == RTN_UNICAST && address_is_unset(&route.gateway) && elsewhere;
}

COLD bool candidates_parted(const struct endpoint *to, const struct address *source)
{
	struct question q = { .to = to, .source = source, .answer = true };
	own_stack_run(ask_parted, &q);
	return q.answer;
}

COLD static void refresh_siblings(struct connecting *connecting, const struct held *held, uint64_t now_ns)
{
	if (!siblings_refresh(connecting->ledger->siblings, held, now_ns))
		return;
	ledger_heed_siblings(connecting->ledger);
	lock_leave(connecting->lock);
}

struct refresh {
	struct connecting *connecting;
	const struct held *held;
	struct destination *destination;
	const struct candidates_age *age;
	struct events *events;
	uint64_t now_ns;
};

static void refresh(void *argument)
{
	const struct refresh *r = argument;

	/* The segment says which namespace it is of, and siblings are those of the same. */
	if (r->age->segment && network_thread_is_home())
		usage_start(r->connecting->ledger, r->held);
	if (r->age->board)
		board_refresh(r->connecting->board, r->held, r->now_ns);
	/* Whoever is helped has to know it: see knee_keeps_for_last(). */
	if (r->age->range || (r->age->board && r->connecting->board->filled &&
			      r->connecting->ledger->range_until_ns <= r->now_ns))
		ledger_refresh_range(r->connecting->ledger, r->now_ns);
	if (r->age->list)
		refresh_list(r->connecting, r->held, r->destination, r->events, r->now_ns);
	if (r->age->natural)
		refresh_natural(r->connecting, r->held, r->destination, r->now_ns);
	if (r->age->trust)
		trust_look(r->connecting->ledger, r->held, r->destination, r->now_ns);
	if (r->age->links)
		refresh_links(r->connecting, r->held, r->now_ns);
	if (r->age->siblings)
		refresh_siblings(r->connecting, r->held, r->now_ns);
}

COLD void candidates_refresh(struct connecting *connecting, const struct held *held,
			     struct destination *destination, const struct candidates_age *age,
			     struct events *events, uint64_t now_ns)
{
	struct refresh r = { .connecting = connecting,
			     .held = held,
			     .destination = destination,
			     .age = age,
			     .events = events,
			     .now_ns = now_ns };
	own_stack_run(refresh, &r);
}
