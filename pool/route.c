// SPDX-License-Identifier: Apache-2.0
/* route - which source the kernel would choose, and which sources there are. */
#include "route.h"

#include "binding.h"
#include "hot.h"
#include "kernel.h"
#include "own_stack.h"
#include "restraint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

enum { LOOPBACK_AUTO_COUNT = 16 };

/* UDP's port 0 means "none" to connect(): any other number does for a lookup. */
static struct endpoint lookup_target(const struct endpoint *to)
{
	struct endpoint target = *to;
	if (!target.port)
		target.port = 9;
	return target;
}

static int ask_source(const struct endpoint *to, const struct address *from, struct address *source)
{
	int family = address_is_v4(&to->ip) ? AF_INET : AF_INET6;
	struct endpoint target = lookup_target(to), local;
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);

	long fd = kernel_private_fd(kernel.socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return (int)fd;
	long rc = from ? binding_to((int)fd, family, from) : 0;
	if (!rc)
		rc = kernel.connect((int)fd, &sa, endpoint_to_sockaddr(&target, family, &sa));
	if (!rc)
		rc = kernel.getsockname((int)fd, &sa, &length);
	kernel.close((int)fd);
	if (!rc && !endpoint_from_sockaddr(&sa, length, &local))
		rc = -EAFNOSUPPORT;
	if (!rc)
		*source = local.ip;
	return (int)rc;
}

struct question {
	const struct endpoint *to;
	const struct address *from;
	struct address *source;
	int rc;
};

static void ask(void *argument)
{
	struct question *q = argument;
	q->rc = ask_source(q->to, q->from, q->source);
}

COLD int route_source(const struct endpoint *to, const struct address *from, struct address *source)
{
	struct question q = { .to = to, .from = from, .source = source, .rc = -ENOMEM };
	own_stack_run(ask, &q);
	return q.rc;
}

struct scan {
	struct arena *arena;
	struct source_list *list;
	struct address natural;
	bool interface_known; /* first pass: find it; second: collect */
	unsigned interface;
	uint8_t scope;
};

static bool message_address(const struct ifaddrmsg *info, size_t length, struct address *out)
{
	const struct rtattr *attribute = IFA_RTA(info);
	bool found = false;

	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		/* IFA_LOCAL is the own address of a point-to-point link; IFA_ADDRESS the peer's
		 * (linux/if_addr.h). */
		bool local = attribute->rta_type == IFA_LOCAL;
		if (!local && (attribute->rta_type != IFA_ADDRESS || found))
			continue;
		if (info->ifa_family == AF_INET && RTA_PAYLOAD(attribute) == 4) {
			uint32_t v4_be;
			memcpy(&v4_be, RTA_DATA(attribute), sizeof(v4_be));
			*out = address_from_v4(v4_be);
			found = true;
		} else if (info->ifa_family == AF_INET6 && RTA_PAYLOAD(attribute) == 16) {
			memcpy(out, RTA_DATA(attribute), sizeof(*out));
			found = true;
		}
	}
	return found;
}

static void take_message(struct scan *scan, const struct nlmsghdr *header)
{
	const struct ifaddrmsg *info = NLMSG_DATA(header);
	struct address address;

	if (header->nlmsg_type != RTM_NEWADDR || !message_address(info, IFA_PAYLOAD(header), &address))
		return;
	if (!scan->interface_known) {
		if (address_equal(&address, &scan->natural)) {
			scan->interface = info->ifa_index;
			scan->scope = info->ifa_scope;
			scan->interface_known = true;
		}
		return;
	}
	/* An address that is being tested or is on its way out is no source (RFC 4862, section 5). */
	if (info->ifa_index == scan->interface && info->ifa_scope == scan->scope &&
	    !(info->ifa_flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED)))
		source_list_add(scan->arena, scan->list, &address);
}

/* One RTM_GETADDR dump (rtnetlink(7)). Not getifaddrs(3): that uses the program's heap. */
static int scan_addresses(struct scan *scan, int family)
{
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg info;
	} request = { .header = { .nlmsg_len = sizeof(request),
				  .nlmsg_type = RTM_GETADDR,
				  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		      .info.ifa_family = (unsigned char)family };
	_Alignas(struct nlmsghdr) char reply[8192];
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	int result = -EIO, interrupted = 0;

	if (restraint_filtered())
		return -EPERM;
	long fd = kernel_private_fd(kernel.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	if (fd < 0)
		return (int)fd;
	long rc = kernel.sendto((int)fd, &request, sizeof(request), 0, &to, sizeof(to));
	for (bool more = rc >= 0; more;) {
		long got = kernel.recv((int)fd, reply, sizeof(reply), 0);
		if (got == -EINTR && interrupted++ < KERNEL_EINTR_MAX)
			continue;
		if (got <= 0)
			break;
		size_t left = (size_t)got;
		for (struct nlmsghdr *h = (void *)reply; more && NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				result = 0;
			more = h->nlmsg_type != NLMSG_DONE && h->nlmsg_type != NLMSG_ERROR;
			if (more)
				take_message(scan, h);
		}
	}
	kernel.close((int)fd);
	return rc < 0 ? (int)rc : result;
}

COLD int route_auto_sources(struct arena *arena, const struct endpoint *to, struct source_list *list)
{
	struct scan scan = { .arena = arena, .list = list };
	int rc = route_source(to, NULL, &scan.natural);

	if (rc)
		return rc;
	source_list_add(arena, list, &scan.natural);
	if (address_is_v4(&to->ip) && address_is_loopback(&to->ip)) {
		struct address next = address_from_v4(htonl(INADDR_LOOPBACK));
		for (int i = 0; i < LOOPBACK_AUTO_COUNT; i++, next = address_next(&next))
			source_list_add(arena, list, &next);
		return 0;
	}
	int family = address_is_v4(&to->ip) ? AF_INET : AF_INET6;
	rc = scan_addresses(&scan, family);
	if (!rc && scan.interface_known)
		rc = scan_addresses(&scan, family);
	return rc;
}
