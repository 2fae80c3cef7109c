// SPDX-License-Identifier: Apache-2.0
/* routes - all routes of this network, and whether any of its ways depends on a traffic class. */
#include "cli/attach/routes.h"

#include "pool/routes/netlink.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PART = 32768, /* as much as the kernel puts into one answer (netlink_dump(), net/netlink/af_netlink.c)
		       */
	RULE_DSCP = 25,     /* FRA_DSCP: Linux 6.13 */
	ROUTE_NEXTHOP = 30, /* RTA_NH_ID */
};

typedef void take_message(void *argument, const struct nlmsghdr *header);

/* Return: false at the end */
static bool take_part(const char *part, size_t size, unsigned short wanted, take_message *take,
		      void *argument)
{
	for (const struct nlmsghdr *h = (const void *)part; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
		if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
			return false;
		if (h->nlmsg_type == wanted)
			take(argument, h);
	}
	return true;
}

static void dump(unsigned short type, int family, unsigned short wanted, take_message *take, void *argument)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg message; /* struct fib_rule_hdr is as large, and begins with the family too */
	} request = { .header = { .nlmsg_len = sizeof(request),
				  .nlmsg_type = type,
				  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		      .message.rtm_family = (unsigned char)family };
	_Alignas(struct nlmsghdr) char part[PART];
	long netlink = netlink_open(NETLINK_ROUTE);
	ssize_t got = netlink < 0 ? -1 : send((int)netlink, &request, sizeof(request), 0);

	if (netlink < 0)
		return;
	while (got > 0) {
		got = recv((int)netlink, part, sizeof(part), MSG_DONTWAIT);
		if (got > 0 && !take_part(part, (size_t)got, wanted, take, argument))
			break;
	}
	close((int)netlink);
}

struct visiting {
	void (*visit)(void *argument, const struct route_seen *route);
	void *argument;
};

static void take_route(void *argument, const struct nlmsghdr *header)
{
	const struct visiting *visiting = argument;
	const struct rtmsg *message = NLMSG_DATA(header);
	struct route_seen route = { .class = message->rtm_tos };
	size_t left = RTM_PAYLOAD(header);

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)) || message->rtm_type != RTN_UNICAST)
		return;
	route.bits = (uint8_t)(message->rtm_dst_len + (message->rtm_family == AF_INET ? 96 : 0));
	if (message->rtm_family == AF_INET)
		route.net = address_from_v4(0);
	for (const struct rtattr *a = RTM_RTA(message); RTA_OK(a, left); a = RTA_NEXT(a, left))
		switch (a->rta_type) {
		case RTA_DST:
			netlink_address(a, &route.net);
			break;
		case RTA_PREFSRC:
			netlink_address(a, &route.source);
			break;
		case RTA_OIF:
			memcpy(&route.interface, RTA_DATA(a), sizeof(route.interface));
			break;
		case RTA_GATEWAY:
		case RTA_VIA:
		case RTA_MULTIPATH:
		case ROUTE_NEXTHOP:
			route.gateway = true;
			break;
		}
	if (route.bits <= 128)
		visiting->visit(visiting->argument, &route);
}

void routes_visit(int family, void (*visit)(void *argument, const struct route_seen *route), void *argument)
{
	struct visiting visiting = { .visit = visit, .argument = argument };

	dump(RTM_GETROUTE, family, RTM_NEWROUTE, take_route, &visiting);
}

static void look_at_rule(void *by_class, const struct nlmsghdr *header)
{
	const struct fib_rule_hdr *rule = NLMSG_DATA(header);
	size_t left = NLMSG_PAYLOAD(header, sizeof(*rule));

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*rule)))
		return;
	*(bool *)by_class |= rule->tos != 0;
	for (const struct rtattr *a = (const void *)((const char *)rule + NLMSG_ALIGN(sizeof(*rule)));
	     RTA_OK(a, left); a = RTA_NEXT(a, left))
		*(bool *)by_class |= a->rta_type == RULE_DSCP;
}

static void look_at_route(void *by_class, const struct route_seen *route)
{
	*(bool *)by_class |= route->class != 0;
}

bool routes_by_class(void)
{
	bool by_class = false;

	dump(RTM_GETRULE, AF_INET, RTM_NEWRULE, look_at_rule, &by_class);
	dump(RTM_GETRULE, AF_INET6, RTM_NEWRULE, look_at_rule, &by_class);
	routes_visit(AF_INET, look_at_route, &by_class);
	return by_class;
}
