// SPDX-License-Identifier: Apache-2.0
/* candidates - look up what has to be known before a source can be chosen, when it is not known or old. */
#include "pool/spread/candidates.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/ledger/own_segment.h"
#include "pool/ledger/short_lived.h"
#include "pool/routes/netlink.h"
#include "pool/routes/network.h"
#include "pool/routes/route.h"
#include "pool/spread/resort.h"
#include "pool/spread/spread.h"
#include "pool/spread/trust.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define SECOND_NS 1000000000ull

/* So many of a list are looked at for their interface. */
enum { ELSEWHERE_MAX = 64 };

HOT bool candidates_age(struct spreading *spreading, const struct destination *destination, bool spreads,
			uint64_t now_ns, struct candidates_age *age)
{
	/* Without branches: each of these is cheaper worked out than jumped over. */
	bool capacity_matters =
		spreads | destination->busy | destination->knee_past | (spreading->knee.way == KNEE_WINDOW);
	const struct rule *rule = destination->rule;

	age->range = capacity_matters & (spreading->ledger->range_until_ns <= now_ns);
	age->list = spreads & rule->sources.automatic & (destination->sources_until_ns <= now_ns);
	age->natural = spreads & ((rule->spread == SPREAD_SPILL) | destination->want_natural) &
		       (destination->natural_until_ns <= now_ns);
	age->segment = unlikely(spreading->ledger->writer->state <= USAGE_WAITING) &&
		       !usage_still_waits(spreading->ledger, now_ns);
	age->siblings = spreads & (spreading->ledger->siblings->until_ns <= now_ns) &
			(spreading->ledger->writer->state != USAGE_WITHOUT) &
			(spreading->ledger->writer->state != USAGE_WAITING) &
			!spreading->ledger->writer->frozen;
	age->trust = unlikely(destination->looking) && destination->trust->look_ns <= now_ns;
	age->links =
		spreads & destination->far & !rule->sources.automatic & (spreading->links_until_ns <= now_ns);
	age->first = spreads & !destination->spaces & destination->far & !rule->sources.automatic &
		     !rule->strict & (spreading->links.several | age->links);
	age->board = !destination->spaces & (spreading->board->until_ns <= now_ns) &
		     (spreading->ledger->writer->state != USAGE_WITHOUT) & !spreading->ledger->writer->frozen;
	return age->board | age->range | age->list | age->natural | age->segment | age->siblings |
	       age->trust | age->links | age->first;
}

/* The same list found for many destinations is kept once. */
COLD static const struct source_list *intern(struct spreading *spreading, const struct source_list *found)
{
	for (unsigned i = 0; i < spreading->auto_count; i++) {
		const struct source_list *known = &spreading->auto_lists[i];
		if (known->count == found->count &&
		    !memcmp(known->items, found->items, known->count * sizeof(*known->items)))
			return known;
	}
	if (spreading->auto_count == AUTO_LISTS_MAX)
		return NULL;
	struct source_list *list = &spreading->auto_lists[spreading->auto_count];
	*list = (struct source_list){ .count = found->count, .room = found->count };
	list->items = arena_alloc(spreading->ledger->arena, found->count * sizeof(*list->items));
	if (!list->items)
		return NULL;
	memcpy(list->items, found->items, found->count * sizeof(*list->items));
	spreading->auto_count++;
	return list;
}

COLD static void refresh_list(struct spreading *spreading, const struct held *held,
			      struct destination *destination, struct events *events, uint64_t now_ns)
{
	struct arena scratch = { 0 };
	struct source_list found = { 0 };
	struct endpoint to = destination->to; /* constant since it was made */
	int rc = route_auto_sources(&scratch, &to, &found);
	source_list_exclude(&found, &destination->rule->sources);

	if (lock_enter_held(spreading->lock, held)) {
		const struct source_list *list = found.count ? intern(spreading, &found) : NULL;
		if (list)
			spread_prepare(spreading, destination, list);
		/* A destination without a route: connect() itself says so. */
		if (rc && rc != -ENETUNREACH && rc != -EHOSTUNREACH)
			events_auto_failed(&spreading->journal, events, &to, -rc, now_ns);
		destination->sources_until_ns = now_ns + CANDIDATES_AUTO_LIFE_S * SECOND_NS;
		lock_leave(spreading->lock);
	}
	arena_release(&scratch);
}

/* What is asked about a destination: the answers need more stack than a hook may have. */
struct question {
	const struct endpoint *to;
	const struct address *source;
	uint8_t class;
	bool gateway; /* is one between? */
	bool answer;
};

static void ask_class(void *argument)
{
	struct question *q = argument;
	struct route_inputs inputs = { .traffic_class = q->class };
	struct route with, without;

	long fd = netlink_open(NETLINK_ROUTE);
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

	long fd = netlink_open(NETLINK_ROUTE);
	if (fd < 0)
		return;
	int rc = route_ask((int)fd, q->to, &inputs, &route);
	uint32_t interface = route_interface_of((int)fd, q->source);
	kernel.close((int)fd);
	/* What the kernel refuses, or does not have, bind() and connect() will tell. */
	bool elsewhere = interface && interface != LOOPBACK_INTERFACE && interface != route.interface;
	q->answer = !rc && route.type == RTN_UNICAST && address_is_unset(&route.gateway) != q->gateway &&
		    elsewhere;
}

COLD bool candidates_parted(const struct endpoint *to, const struct address *source)
{
	struct question q = { .to = to, .source = source, .answer = true };
	own_stack_run(ask_parted, &q);
	return q.answer;
}

COLD static bool is_elsewhere(const struct endpoint *to, const struct address *source)
{
	struct question q = { .to = to, .source = source, .gateway = true };
	ask_parted(&q);
	return q.answer;
}

/* May the sources be of other interfaces than the one that leads there? The lock is held. Return: the first
 * of them, if so; what is of no link is not doubted */
static const struct address *find_elsewhere(const struct spreading *spreading, const struct destination *d,
					    const struct address *natural)
{
	uint32_t leads = links_interface(&spreading->links, natural);
	const struct address *first = NULL;

	if (d->rule->spread == SPREAD_SPILL || d->list_answered || d->trust || !d->sources)
		return NULL;
	for (unsigned i = 0; i < d->sources->count && i < ELSEWHERE_MAX; i++) {
		const struct address *source = &d->sources->items[i];
		if (address_is_v4(source) != address_is_v4(natural))
			continue;
		uint32_t interface = links_interface(&spreading->links, source);
		if (!leads || !interface || interface == leads)
			return NULL;
		first = first ? first : source;
	}
	return first;
}

COLD static void refresh_natural(struct spreading *spreading, const struct held *held,
				 struct destination *destination, bool first, uint64_t now_ns)
{
	struct endpoint to = destination->to;
	struct address natural, doubtful;
	const struct address *found = NULL;
	int rc = route_source(&to, NULL, &natural);

	if (!lock_enter_held(spreading->lock, held))
		return;
	spread_natural(destination,
		       rc ? destination->natural : ledger_space(spreading->ledger, destination, &natural),
		       now_ns + CANDIDATES_NATURAL_LIFE_S * SECOND_NS);
	if (first && !rc && (found = find_elsewhere(spreading, destination, &natural)))
		doubtful = *found;
	lock_leave(spreading->lock);
	if (!found || !is_elsewhere(&to, &doubtful) || !lock_enter_held(spreading->lock, held))
		return;
	resort_be_wary(spreading->ledger, destination);
	lock_leave(spreading->lock);
}

/* What was known of pairs is worked out anew. The lock is held. */
static void doubt(struct spreading *spreading)
{
	for (struct destination *d = ledger_next(spreading->ledger, NULL); d;
	     d = ledger_next(spreading->ledger, d))
		for (struct tuple_space *s = d->spaces; s; s = s->next)
			s->doubtful = d->far && links_part(&spreading->links, &d->to.ip, &s->source);
}

COLD static void refresh_links(struct spreading *spreading, const struct held *held, uint64_t now_ns)
{
	struct arena scratch = { 0 };
	struct links found = { 0 };
	int rc = links_read(&scratch, &found);

	if (lock_enter_held(spreading->lock, held)) {
		size_t size = found.count * sizeof(*found.items);
		bool same = found.count == spreading->links.count &&
			    found.bare_v4 == spreading->links.bare_v4 &&
			    found.bare_v6 == spreading->links.bare_v6 &&
			    (!size || !memcmp(found.items, spreading->links.items, size));
		struct link *items = rc || same || !size ? NULL : arena_alloc(spreading->ledger->arena, size);
		if (!rc && !same && (items || !size)) {
			if (size)
				memcpy(items, found.items, size);
			arena_free(spreading->ledger->arena, spreading->links.items,
				   spreading->links.room * sizeof(*items));
			found.items = items;
			found.room = found.count;
			spreading->links = found;
			doubt(spreading);
		}
		spreading->links_unseen = rc == -EMFILE && !spreading->links.count;
		spreading->links_until_ns =
			now_ns +
			(spreading->links_unseen ? SECOND_NS / 10 : CANDIDATES_LINKS_LIFE_S * SECOND_NS);
		lock_leave(spreading->lock);
	}
	arena_release(&scratch);
}

COLD static void refresh_siblings(struct spreading *spreading, const struct held *held, uint64_t now_ns)
{
	if (!siblings_refresh(spreading->ledger->siblings, held, now_ns))
		return;
	ledger_heed_siblings(spreading->ledger);
	lock_leave(spreading->lock);
}

struct refresh {
	struct spreading *spreading;
	const struct held *held;
	int fd;
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
		usage_start(r->spreading->ledger, r->held, r->fd);
	if (r->age->board)
		board_refresh(r->spreading->board, r->held, r->now_ns);
	/* Whoever is helped has to know it: see knee_keeps_for_last(). */
	if (r->age->range || (r->age->board && r->spreading->board->count &&
			      r->spreading->ledger->range_until_ns <= r->now_ns))
		ledger_refresh_range(r->spreading->ledger, r->now_ns);
	if (r->age->list)
		refresh_list(r->spreading, r->held, r->destination, r->events, r->now_ns);
	if (r->age->links)
		refresh_links(r->spreading, r->held, r->now_ns);
	/* `several` is a byte that seldom changes: without the lock it is as good. */
	bool first = r->age->first && r->spreading->links.several;
	if (r->age->natural || first)
		refresh_natural(r->spreading, r->held, r->destination, first, r->now_ns);
	if (r->age->trust)
		trust_look(r->spreading->ledger, r->held, r->destination, r->now_ns);
	if (r->age->siblings)
		refresh_siblings(r->spreading, r->held, r->now_ns);
}

COLD void candidates_refresh(struct spreading *spreading, const struct held *held, int fd,
			     struct destination *destination, const struct candidates_age *age,
			     struct events *events, uint64_t now_ns)
{
	struct refresh r = { .spreading = spreading,
			     .held = held,
			     .fd = fd,
			     .destination = destination,
			     .age = age,
			     .events = events,
			     .now_ns = now_ns };
	own_stack_run(refresh, &r);
}
