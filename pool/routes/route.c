// SPDX-License-Identifier: Apache-2.0
/* route - how the kernel would send to a destination: by which interface, over which gateway, from which
 * source. */
#include "pool/routes/route.h"
#include "pool/routes/netlink.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/base/restraint.h"
#include "pool/routes/interfaces.h"
#include "pool/routes/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/syscall.h>

struct request {
	struct nlmsghdr header;
	struct rtmsg message;
	char attributes[96];
};

/* `more` has the answer of a route with all that a route can have, or the request in an error. */
struct reply {
	struct nlmsghdr header;
	union {
		struct rtmsg route;
		struct nlmsgerr error;
		char more[480];
	};
};

static void put(struct request *request, unsigned short type, const void *value, size_t size)
{
	struct rtattr *attribute =
		(struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), value, size);
	request->header.nlmsg_len =
		(uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(RTA_LENGTH(size)));
}

static void put_address(struct request *request, unsigned short type, const struct address *address)
{
	if (request->message.rtm_family == AF_INET)
		put(request, type, &address->words_be[3], 4);
	else
		put(request, type, address, 16);
}

static void take_route(const struct reply *reply, size_t size, struct route *route)
{
	const struct rtattr *attribute = RTM_RTA(&reply->route);
	size_t left = size - NLMSG_SPACE(sizeof(struct rtmsg));

	route->type = reply->route.rtm_type;
	route->table = reply->route.rtm_table;
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		switch (attribute->rta_type) {
		case RTA_PREFSRC:
			netlink_address(attribute, &route->source);
			break;
		case RTA_GATEWAY:
			netlink_address(attribute, &route->gateway);
			break;
		case RTA_VIA: /* an IPv6 gateway of an IPv4 route: struct rtvia, the family before the address
			       */
			if (RTA_PAYLOAD(attribute) == sizeof(struct rtvia) + sizeof(route->gateway))
				memcpy(&route->gateway, (char *)RTA_DATA(attribute) + sizeof(struct rtvia),
				       sizeof(route->gateway));
			break;
		case RTA_OIF:
			memcpy(&route->interface, RTA_DATA(attribute), sizeof(route->interface));
			break;
		case RTA_TABLE:
			memcpy(&route->table, RTA_DATA(attribute), sizeof(route->table));
			break;
		}
	}
}

/* The kernel answers before sendto() returns (netlink_rcv_skb(), net/netlink/af_netlink.c). */
static int exchange(int netlink, const struct request *request, struct route *route)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct reply reply = { 0 };

	long rc = kernel.sendto(netlink, request, request->header.nlmsg_len, 0, &to, sizeof(to));
	if (rc >= 0)
		rc = kernel.recv(netlink, &reply, sizeof(reply), MSG_DONTWAIT);
	if (rc < 0)
		return (int)rc;
	if (!NLMSG_OK(&reply.header, (size_t)rc))
		return -EIO;
	if (reply.header.nlmsg_type == NLMSG_ERROR)
		return reply.error.error ? reply.error.error : -EIO;
	if (reply.header.nlmsg_type != RTM_NEWROUTE ||
	    reply.header.nlmsg_len < NLMSG_LENGTH(sizeof(struct rtmsg)))
		return -EIO;
	take_route(&reply, reply.header.nlmsg_len, route);
	return 0;
}

static struct request request_for(const struct address *to, unsigned flags)
{
	bool v4 = address_is_v4(to);
	struct request request = { .header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
					       .nlmsg_type = RTM_GETROUTE,
					       .nlmsg_flags = NLM_F_REQUEST },
				   .message = { .rtm_family = v4 ? AF_INET : AF_INET6,
						.rtm_dst_len = v4 ? 32 : 128,
						.rtm_flags = flags } };

	put_address(&request, RTA_DST, to);
	return request;
}

COLD int route_ask(int netlink, const struct endpoint *to, const struct route_inputs *inputs,
		   struct route *route)
{
	struct request request = request_for(&to->ip, RTM_F_LOOKUP_TABLE);
	const struct address *from = inputs ? inputs->from : NULL;
	uint32_t uid = (uint32_t)kernel_syscall(SYS_geteuid, 0, 0, 0, 0, 0, 0);
	uint16_t port_be = htons(to->port);
	uint8_t protocol = IPPROTO_TCP;

	if (from) {
		request.message.rtm_src_len = request.message.rtm_dst_len;
		put_address(&request, RTA_SRC, from);
	}
	if (inputs)
		request.message.rtm_tos = inputs->traffic_class;
	put(&request, RTA_UID, &uid, sizeof(uid));
	if (to->scope)
		put(&request, RTA_OIF, &to->scope, sizeof(to->scope));
	if (to->port) {
		put(&request, RTA_IP_PROTO, &protocol, sizeof(protocol));
		put(&request, RTA_DPORT, &port_be, sizeof(port_be));
	}
	*route = (struct route){ 0 };
	int rc = exchange(netlink, &request, route);
	if (!rc && from)
		route->source = *from;
	return rc;
}

/* The entry itself, in place of what comes of it: its device is that of the address, not the loopback. */
COLD uint32_t route_interface_of(int netlink, const struct address *own)
{
	struct request request = request_for(own, RTM_F_FIB_MATCH);
	struct route route = { 0 };

	return !exchange(netlink, &request, &route) && route.type == RTN_LOCAL ? route.interface : 0;
}

bool route_equal(const struct route *a, const struct route *b)
{
	return address_equal(&a->source, &b->source) && address_equal(&a->gateway, &b->gateway) &&
	       a->interface == b->interface && a->table == b->table && a->type == b->type;
}

static int ask_source(const struct endpoint *to, const struct address *from, struct address *source)
{
	struct route_inputs inputs = { .from = from };
	struct route route;

	long fd = netlink_open(NETLINK_ROUTE);
	if (fd < 0)
		return (int)fd;
	int rc = route_ask((int)fd, to, &inputs, &route);
	/* Of IPv6 sources the kernel does not ask whose they are. */
	if (from && !route_interface_of((int)fd, from))
		rc = -EADDRNOTAVAIL;
	kernel.close((int)fd);
	if (!rc && address_is_unset(&route.source))
		rc = -EADDRNOTAVAIL; /* IPv6 without an address that would do */
	if (!rc)
		*source = route.source;
	return rc;
}

struct source_question {
	const struct endpoint *to;
	const struct address *from;
	struct address *source;
	int rc;
};

static void ask(void *argument)
{
	struct source_question *q = argument;
	q->rc = ask_source(q->to, q->from, q->source);
}

COLD int route_source(const struct endpoint *to, const struct address *from, struct address *source)
{
	struct source_question q = { .to = to, .from = from, .source = source, .rc = -ENOMEM };
	own_stack_run(ask, &q);
	return q.rc;
}

/* The prefixes that Linux labels apart (ip6addrlbl_init_table, net/ipv6/addrlabel.c). */
static unsigned label(const struct address *a)
{
	static const struct {
		uint8_t net[4], bits;
	} rows[] = { { { 0xfc }, 7 },
		     { { 0x20, 0x02 }, 16 },
		     { { 0x20, 0x01, 0, 0 }, 32 },
		     { { 0x20, 0x01, 0, 0x10 }, 28 } };
	struct address net = { 0 };

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(&net, rows[i].net, sizeof(rows[i].net));
		if (address_prefix_match(a, &net, rows[i].bits))
			return i + 1;
	}
	return 0;
}

/* The addresses that serve as `natural` does, once its own entry was seen. */
struct alike {
	struct arena *arena;
	struct source_list *list;
	struct address address;
	struct interface_address natural; /* interface 0: not seen yet */
};

static void find_natural(void *argument, const struct interface_address *address)
{
	struct alike *alike = argument;

	if (address_equal(&address->address, &alike->address))
		alike->natural = *address;
}

static void take_alike(void *argument, const struct interface_address *address)
{
	struct alike *alike = argument;
	const struct interface_address *natural = &alike->natural;
	/* An address that is being tested or is on its way out is no source (RFC 4862, section 5). */
	uint8_t unfit = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED;
	uint8_t temporary = address_is_v4(&address->address) ? 0 : IFA_F_TEMPORARY;

	if (address->interface == natural->interface && address->scope == natural->scope &&
	    !(address->flags & unfit) && !((address->flags ^ natural->flags) & temporary) &&
	    address_prefix_match(&address->address, &natural->address, natural->bits) &&
	    label(&address->address) == label(&natural->address))
		source_list_add(alike->arena, alike->list, &address->address);
}

static int add_alike(int netlink, struct alike *alike)
{
	int family = address_is_v4(&alike->address) ? AF_INET : AF_INET6;
	int rc = interfaces_visit(netlink, alike->arena, family, find_natural, alike);

	if (!rc && alike->natural.interface)
		rc = interfaces_visit(netlink, alike->arena, family, take_alike, alike);
	return rc;
}

COLD int route_auto_sources(struct arena *arena, const struct endpoint *to, struct source_list *list)
{
	struct alike alike = { .arena = arena, .list = list };
	struct route route;

	long fd = netlink_open(NETLINK_ROUTE);
	if (fd < 0)
		return (int)fd;
	int rc = route_ask((int)fd, to, NULL, &route);
	if (!rc && address_is_unset(&route.source))
		rc = -EADDRNOTAVAIL;
	if (!rc) {
		alike.address = route.source;
		source_list_add(arena, list, &route.source);
		if (!address_is_loopback(&to->ip) && !address_is_link_local(&to->ip))
			rc = add_alike((int)fd, &alike);
	}
	kernel.close((int)fd);
	return rc;
}
