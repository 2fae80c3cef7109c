// SPDX-License-Identifier: Apache-2.0
/* other_links - prefixes on links that a source of an attachment is not on. */
#include "cli/attach/other_links.h"

#include "cli/attach/routes.h"
#include "pool/routes/interfaces.h"
#include "pool/routes/netlink.h"
#include "pool/routes/route.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LOOPBACK_INTERFACE = 1, /* net/loopback.h */
	PREFIXES_MAX = 2 * LINKS_MAX,
	QUESTIONS_MAX = 4096
};

/* What routes lead to without a gateway, or what is over a gateway within that. */
struct prefix {
	struct address net;
	uint32_t interface;
	uint8_t bits;
	bool gateway;
};

struct look {
	struct attach_plan *plan;
	int netlink;
	bool gateways; /* looked at now are the routes over gateways */
	unsigned questions;
	struct prefix prefixes[PREFIXES_MAX];
	unsigned count;
	uint32_t *interfaces;           /* of each source of the plan; 0: it is no address of this network */
	struct attach_address *serving; /* those of one rule for one prefix */
	unsigned serving_count;
};

static void add_prefix(struct look *look, const struct prefix *new)
{
	for (unsigned i = 0; i < look->count; i++) {
		const struct prefix *one = &look->prefixes[i];
		if (one->bits == new->bits && address_prefix_match(&one->net, &new->net, new->bits) &&
		    one->gateway == new->gateway && one->interface == new->interface)
			return;
	}
	bool multicast = ntohl(new->net.words_be[0]) >> 24 == 0xff;
	if (look->count < PREFIXES_MAX && !address_is_link_local(&new->net) && !multicast)
		look->prefixes[look->count++] = *new;
}

/* The way to another machine there: some addresses of a prefix are our own, or for all. Return: false if the
 * kernel has none, or after too many questions */
static bool ask(struct look *look, const struct prefix *prefix, struct route *route)
{
	uint32_t most = prefix->bits >= 126 ? (1u << (128 - prefix->bits)) - 1 : 3;

	for (uint32_t other = most ? 1 : 0; other <= most; other++) {
		struct endpoint to = { .ip = prefix->net };
		to.ip.words_be[3] ^= htonl(other);
		if (look->questions++ >= QUESTIONS_MAX || route_ask(look->netlink, &to, NULL, route))
			return false;
		if (route->type == RTN_UNICAST)
			return true;
	}
	return false;
}

/* Which address would the kernel take? A tunnel may have one and no prefix, and a link (of a container, say)
 * none: there it is that of another, which the peer knows a way to. */
static bool has_an_address(struct look *look, const struct route_seen *route, const struct prefix *prefix)
{
	struct address source = route->source;
	struct route way;

	if (address_is_unset(&source)) {
		if (!ask(look, prefix, &way) || way.interface != route->interface)
			return false;
		source = way.source;
	}
	return route_interface_of(look->netlink, &source) == route->interface;
}

static void take_route(void *argument, const struct route_seen *route)
{
	struct look *look = argument;
	struct prefix new = { .net = route->net,
			      .interface = route->interface,
			      .bits = route->bits,
			      .gateway = route->gateway };
	bool within = !route->gateway;

	if (route->bits == (address_is_v4(&route->net) ? 96 : 0) || route->gateway != look->gateways)
		return;
	for (unsigned i = 0; !within && i < look->count; i++)
		within = !look->prefixes[i].gateway &&
			 address_prefix_match(&new.net, &look->prefixes[i].net, look->prefixes[i].bits);
	if (within && (route->gateway || has_an_address(look, route, &new)))
		add_prefix(look, &new);
}

static int by_bits(const void *one, const void *other)
{
	const struct prefix *a = one, *b = other;
	int order = b->bits - a->bits;

	order = order ? order : memcmp(&a->net, &b->net, sizeof(a->net));
	return order ? order : (int)a->interface - (int)b->interface;
}

/* Those on links first, as others count within them only; at last the longest, which decide, first. */
static void find_prefixes(struct look *look)
{
	struct arena arena = { 0 };
	struct links links = { 0 };

	if (!links_read(&arena, &links))
		for (unsigned i = 0; i < links.count; i++)
			add_prefix(look, &(struct prefix){ .net = links.items[i].net,
							   .interface = links.items[i].interface,
							   .bits = links.items[i].bits });
	arena_release(&arena);
	for (int gateways = 0; gateways < 2; gateways++) {
		look->gateways = gateways;
		routes_visit(AF_INET, take_route, look);
		routes_visit(AF_INET6, take_route, look);
	}
	qsort(look->prefixes, look->count, sizeof(look->prefixes[0]), by_bits);
}

static bool serves(const struct prefix *prefix, const struct address *source, uint32_t interface)
{
	return prefix->gateway || interface == LOOPBACK_INTERFACE || interface == prefix->interface ||
	       address_prefix_match(source, &prefix->net, prefix->bits);
}

/* Fills look->serving. Return: does some source of the rule not serve there? */
static bool parts(struct look *look, const struct attach_rule *rule, const struct prefix *prefix)
{
	const struct attach_span *span = address_is_v4(&prefix->net) ? &rule->v4 : &rule->v6;
	bool some = false;

	look->serving_count = 0;
	for (unsigned i = span->first; i < span->first + span->count; i++) {
		struct address source;
		memcpy(&source, &look->plan->sources[i], sizeof(source));
		if (!look->interfaces[i])
			continue;
		if (serves(prefix, &source, look->interfaces[i]))
			look->serving[look->serving_count++] = look->plan->sources[i];
		else
			some = true;
	}
	return some;
}

/* Is it within another, for which there will be a rule? */
static bool is_within(const struct look *look, const bool *parted, unsigned at)
{
	const struct prefix *one = &look->prefixes[at];

	for (unsigned i = at + 1; i < look->count; i++)
		if (parted[i] && look->prefixes[i].bits < one->bits &&
		    address_prefix_match(&one->net, &look->prefixes[i].net, look->prefixes[i].bits))
			return true;
	return false;
}

static unsigned part_rule(struct look *look, unsigned at)
{
	bool parted[PREFIXES_MAX];

	for (unsigned i = 0; i < look->count; i++)
		parted[i] = parts(look, &look->plan->set.rules[at], &look->prefixes[i]);
	for (unsigned i = 0; i < look->count; i++) {
		const struct prefix *one = &look->prefixes[i];
		if (!parted[i] && !is_within(look, parted, i))
			continue;
		if (parted[i])
			parts(look, &look->plan->set.rules[at], one);
		at += attach_plan_part(look->plan, at, &one->net, one->bits, parted[i] ? look->serving : NULL,
				       look->serving_count);
	}
	return at;
}

static void part_all(struct look *look)
{
	struct attach_plan *plan = look->plan;

	for (unsigned i = 0; i < plan->config.sources; i++) {
		struct address source;
		memcpy(&source, &plan->sources[i], sizeof(source));
		look->interfaces[i] = route_interface_of(look->netlink, &source);
	}
	find_prefixes(look);
	for (unsigned at = 0; at < plan->set.ruling.rules; at++)
		if (plan->set.rules[at].any_address && plan->set.rules[at].spread != ATTACH_OFF)
			at = part_rule(look, at);
	plan->set.ruling.by_class = routes_by_class();
}

void other_links_part(struct attach_plan *plan)
{
	struct look *look = calloc(1, sizeof(*look));
	long netlink = look ? netlink_open(NETLINK_ROUTE) : -1;

	if (netlink >= 0) {
		look->plan = plan;
		look->netlink = (int)netlink;
		look->interfaces = calloc(plan->config.sources + 1, sizeof(*look->interfaces));
		look->serving = calloc(plan->config.sources + 1, sizeof(*look->serving));
		if (look->interfaces && look->serving)
			part_all(look);
		free(look->interfaces);
		free(look->serving);
		close((int)netlink);
	}
	free(look);
}
