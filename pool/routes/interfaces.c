// SPDX-License-Identifier: Apache-2.0
/* interfaces - the addresses of this machine's interfaces, and the prefixes that are on their links. */
#include "pool/routes/interfaces.h"
#include "pool/routes/netlink.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* A part of a dump is at most NLMSG_GOODSIZE long, which is 8192 at most (linux/netlink.h), unless more is
 * asked for. */
enum { DUMP_PART = 8192, V4_BITS = 96 };

/* IFA_LOCAL is the own address of a point-to-point link, IFA_ADDRESS the peer's, which is the prefix's then;
 * else there is the one or the other, or both are the same (linux/if_addr.h). */
static bool read_message(const struct nlmsghdr *header, struct interface_address *out)
{
	const struct ifaddrmsg *info = NLMSG_DATA(header);
	struct address local = { 0 }, address = { 0 };

	if (header->nlmsg_type != RTM_NEWADDR || header->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) ||
	    (info->ifa_family != AF_INET && info->ifa_family != AF_INET6))
		return false;
	size_t left = IFA_PAYLOAD(header);
	for (const struct rtattr *a = IFA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFA_LOCAL)
			netlink_address(a, &local);
		else if (a->rta_type == IFA_ADDRESS)
			netlink_address(a, &address);
	}
	*out = (struct interface_address){ .address = address_is_unset(&local) ? address : local,
					   .on_link = address_is_unset(&address) ? local : address,
					   .interface = info->ifa_index,
					   .scope = info->ifa_scope,
					   .flags = info->ifa_flags };
	out->bits = (uint8_t)(info->ifa_prefixlen + (info->ifa_family == AF_INET ? V4_BITS : 0));
	return !address_is_unset(&out->address) && out->bits <= 128;
}

/* One part of the dump. Return: false at its end. */
static bool visit_part(const char *part, size_t size, int *result,
		       void (*visit)(void *argument, const struct interface_address *address), void *argument)
{
	struct interface_address address;

	for (const struct nlmsghdr *h = (const void *)part; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
		if (h->nlmsg_type == NLMSG_DONE)
			*result = 0;
		if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
			return false;
		if (read_message(h, &address))
			visit(argument, &address);
	}
	return true;
}

/* Not getifaddrs(3): that uses the program's heap. */
COLD int interfaces_visit(int netlink, struct arena *scratch, int family,
			  void (*visit)(void *argument, const struct interface_address *address),
			  void *argument)
{
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg info;
	} request = { .header = { .nlmsg_len = sizeof(request),
				  .nlmsg_type = RTM_GETADDR,
				  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		      .info.ifa_family = (unsigned char)family };
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	int result = -EIO, interrupted = 0;
	char *part = arena_alloc(scratch, DUMP_PART);

	if (!part)
		return -ENOMEM;
	long rc = kernel.sendto(netlink, &request, sizeof(request), 0, &to, sizeof(to));
	for (bool more = rc >= 0; more;) {
		long got = kernel.recv(netlink, part, DUMP_PART, MSG_DONTWAIT);
		if (got == -EINTR && interrupted++ < KERNEL_EINTR_MAX)
			continue;
		more = got > 0 && visit_part(part, (size_t)got, &result, visit, argument);
	}
	arena_free(scratch, part, DUMP_PART);
	return rc < 0 ? (int)rc : result;
}

enum { LOOPBACK = 1, WITHOUT_PREFIX_MAX = 32 };

struct collection {
	struct arena *arena;
	struct links *links;
	/* Addresses that no prefix comes with. */
	struct link without_prefix[WITHOUT_PREFIX_MAX];
	unsigned without_prefix_count;
};

static void add_link(void *argument, const struct interface_address *address)
{
	struct collection *c = argument;
	struct links *links = c->links;
	struct link new = { .net = address->on_link, .interface = address->interface, .bits = address->bits };

	if (new.bits == 128 && new.interface != LOOPBACK && c->without_prefix_count < WITHOUT_PREFIX_MAX)
		c->without_prefix[c->without_prefix_count++] = new;
	bool alone = new.bits == 128 && address_equal(&address->address, &address->on_link);
	if (alone || address_is_loopback(&address->address) || links->count == LINKS_MAX)
		return;
	for (unsigned i = 0; i < links->count; i++) {
		const struct link *link = &links->items[i];
		if (link->interface == new.interface &&
		    link->bits == new.bits &&address_prefix_match(&link->net, &new.net, new.bits))
			return;
	}
	if (links->count == links->room) {
		unsigned room = links->room ? links->room * 2 : 8;
		struct link *items = arena_alloc(c->arena, room * sizeof(*items));
		if (!items)
			return;
		if (links->count)
			memcpy(items, links->items, links->count * sizeof(*items));
		arena_free(c->arena, links->items, links->room * sizeof(*items));
		links->items = items;
		links->room = room;
	}
	links->items[links->count++] = new;
}

static bool has_prefix(const struct links *links, uint32_t interface, bool v4)
{
	for (unsigned i = 0; i < links->count; i++) {
		const struct link *link = &links->items[i];
		if (link->interface == interface && link->bits < 128 && address_is_v4(&link->net) == v4 &&
		    !address_is_link_local(&link->net))
			return true;
	}
	return false;
}

static void find_bare(const struct collection *c)
{
	for (unsigned i = 0; i < c->without_prefix_count; i++) {
		bool v4 = address_is_v4(&c->without_prefix[i].net);
		if (!has_prefix(c->links, c->without_prefix[i].interface, v4))
			*(v4 ? &c->links->bare_v4 : &c->links->bare_v6) = true;
	}
}

COLD int links_read(struct arena *arena, struct links *links)
{
	struct collection c = { .arena = arena, .links = links };

	long fd = netlink_open(NETLINK_ROUTE);
	if (fd < 0)
		return (int)fd;
	int rc = interfaces_visit((int)fd, arena, AF_UNSPEC, add_link, &c);
	kernel.close((int)fd);
	find_bare(&c);
	for (unsigned i = 0; i < links->count; i++)
		links->several |= links->items[i].interface != LOOPBACK &&
				  links->items[i].interface != links->items[0].interface;
	return rc;
}

COLD uint32_t links_interface(const struct links *links, const struct address *address)
{
	const struct link *best = NULL;

	for (unsigned i = 0; i < links->count; i++)
		if (address_prefix_match(address, &links->items[i].net, links->items[i].bits) &&
		    (!best || links->items[i].bits > best->bits))
			best = &links->items[i];
	return best ? best->interface : 0;
}

COLD bool links_part(const struct links *links, const struct address *to, const struct address *source)
{
	bool on_link = false;

	for (unsigned i = 0; i < links->count; i++) {
		const struct link *link = &links->items[i];
		if (!address_prefix_match(to, &link->net, link->bits))
			continue;
		if (address_prefix_match(source, &link->net, link->bits))
			return false;
		on_link = true;
	}
	return on_link || (address_is_v4(to) ? links->bare_v4 : links->bare_v6);
}
