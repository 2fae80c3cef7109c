// SPDX-License-Identifier: Apache-2.0
/* netlink - RTM_GETROUTE and RTM_GETADDR of the fake kernel (rtnetlink(7)), and a listener's backlog
 * (sock_diag(7)). */
#include "tests/unit/check.h"
#include "tests/unit/fake/calls.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

enum { PART = 4096 };

/* A message that grows by attributes. */
struct message {
	struct nlmsghdr header;
	char rest[256];
};

static void add(struct message *m, unsigned short type, const void *value, size_t size)
{
	struct rtattr *attribute = (void *)((char *)m + NLMSG_ALIGN(m->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), value, size);
	m->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(m->header.nlmsg_len) + RTA_ALIGN(RTA_LENGTH(size)));
}

static void add_address(struct message *m, unsigned short type, const struct address *a)
{
	if (address_is_v4(a))
		add(m, type, &a->words_be[3], 4);
	else
		add(m, type, a, 16);
}

static struct address address_in(const struct rtattr *attribute)
{
	struct address a = { 0 };
	uint32_t v4_be;

	if (RTA_PAYLOAD(attribute) == 4) {
		memcpy(&v4_be, RTA_DATA(attribute), 4);
		return address_from_v4(v4_be);
	}
	memcpy(&a, RTA_DATA(attribute), sizeof(a));
	return a;
}

static struct message starting(uint16_t type, size_t fixed)
{
	return (struct message){ .header = { .nlmsg_type = type,
					     .nlmsg_len = (uint32_t)NLMSG_LENGTH(fixed) } };
}

static long answer(char *out, size_t size, const void *message, size_t length)
{
	if (length > size)
		abort();
	memcpy(out, message, length);
	return (long)length;
}

static long refused(char *out, size_t size, long error)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} m = { .header = { .nlmsg_type = NLMSG_ERROR, .nlmsg_len = sizeof(m) }, .error.error = (int)error };

	return answer(out, size, &m, sizeof(m));
}

/* What the request of a route asks for. */
struct question {
	struct endpoint to;
	struct address from;
	uint8_t traffic_class;
	bool entry; /* RTM_F_FIB_MATCH */
};

static struct question question_in(const struct message *m)
{
	const struct rtmsg *route = NLMSG_DATA(&m->header);
	struct question q = { .traffic_class = route->rtm_tos, .entry = route->rtm_flags & RTM_F_FIB_MATCH };
	size_t left = RTM_PAYLOAD(&m->header);
	uint16_t port_be;

	for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_DST)
			q.to.ip = address_in(a);
		else if (a->rta_type == RTA_SRC)
			q.from = address_in(a);
		else if (a->rta_type == RTA_DPORT) {
			memcpy(&port_be, RTA_DATA(a), 2);
			q.to.port = ntohs(port_be);
		}
	}
	return q;
}

static const struct fake_route *route_for(const struct question *q)
{
	for (unsigned i = 0; i < fake.route_count; i++) {
		const struct fake_route *r = &fake.routes[i];
		if (address_prefix_match(&q->to.ip, &r->net, r->bits) &&
		    (!r->traffic_class || r->traffic_class == q->traffic_class) &&
		    (address_is_unset(&r->from) || address_equal(&r->from, &q->from)))
			return r;
	}
	return NULL;
}

static unsigned interface_with(const struct address *own)
{
	for (unsigned i = 0; i < fake.address_count; i++)
		if (address_equal(&fake.addresses[i].address, own))
			return fake.addresses[i].interface;
	for (unsigned i = 0; i < fake.not_local_count; i++)
		if (address_equal(&fake.not_local[i], own))
			return 0;
	return 2;
}

static long answer_route(const struct message *request, char *out, size_t size)
{
	struct question q = question_in(request);
	struct message m = starting(RTM_NEWROUTE, sizeof(struct rtmsg));
	struct rtmsg *route = NLMSG_DATA(&m.header);
	struct address source;
	unsigned interface = q.entry ? interface_with(&q.to.ip) : 0;

	fake.routes_asked++;
	route->rtm_type = interface ? RTN_LOCAL : RTN_UNICAST;
	if (!q.entry) {
		long rc = fake_route_of(&q.from, &q.to, &source);
		if (rc)
			return refused(out, size, rc);
		const struct fake_route *r = route_for(&q);
		if (r && !address_is_unset(&r->gateway))
			add_address(&m, RTA_GATEWAY, &r->gateway);
		if (r && !address_is_unset(&r->source))
			source = r->source;
		interface = r ? r->interface : 2;
		if (address_is_unset(&q.from) && !address_is_unset(&source))
			add_address(&m, RTA_PREFSRC, &source);
	}
	add(&m, RTA_OIF, &interface, sizeof(interface));
	return answer(out, size, &m, m.header.nlmsg_len);
}

/* One RTM_NEWADDR for each address, all in one part; then NLMSG_DONE in another. */
static long dump_addresses(struct fake_fd *s, char *out, size_t size)
{
	struct nlmsghdr done = { .nlmsg_len = sizeof(done), .nlmsg_type = NLMSG_DONE };
	size_t used = 0;

	for (unsigned i = 0; i < fake.address_count && !s->in_dump; i++) {
		const struct fake_interface_address *a = &fake.addresses[i];
		bool v4 = address_is_v4(&a->address);
		struct message m = starting(RTM_NEWADDR, sizeof(struct ifaddrmsg));
		struct ifaddrmsg *info = NLMSG_DATA(&m.header);
		*info = (struct ifaddrmsg){ .ifa_family = v4 ? AF_INET : AF_INET6,
					    .ifa_index = a->interface,
					    .ifa_scope = a->scope,
					    .ifa_flags = a->flags,
					    .ifa_prefixlen = a->bits ? a->bits
							     : v4    ? 24
								     : 64 };
		add_address(&m, v4 ? IFA_LOCAL : IFA_ADDRESS, &a->address);
		if (!address_is_unset(&a->peer))
			add_address(&m, v4 ? IFA_ADDRESS : IFA_LOCAL, v4 ? &a->peer : &a->address);
		used += (size_t)answer(out + used, size - used, &m, m.header.nlmsg_len);
	}
	s->in_dump = !s->in_dump && used;
	return used ? (long)used : answer(out, size, &done, sizeof(done));
}

static long answer_backlog(char *out, size_t size)
{
	struct message m = starting(SOCK_DIAG_BY_FAMILY, sizeof(struct inet_diag_msg));
	struct inet_diag_msg *socket = NLMSG_DATA(&m.header);

	fake.backlogs_asked++;
	if (fake.backlog < 0)
		return refused(out, size, fake.backlog);
	socket->idiag_state = TCP_LISTEN;
	socket->idiag_rqueue = (uint32_t)fake.backlog;
	return answer(out, size, &m, m.header.nlmsg_len);
}

void fake_netlink_send(struct fake_fd *s, const void *data, size_t size)
{
	void (*others)(void *) = fake.while_asking;

	fake.while_asking = NULL;
	if (others)
		others(fake.while_asking_argument);
	if (size > sizeof(s->request))
		abort();
	memcpy(s->request, data, size);
	s->in_dump = false;
}

long fake_netlink_recv(struct fake_fd *s, void *data, size_t size)
{
	struct message request = { 0 };

	memcpy(&request, s->request, sizeof(s->request));
	if (request.header.nlmsg_type == RTM_GETROUTE)
		return answer_route(&request, data, size);
	if (request.header.nlmsg_type == SOCK_DIAG_BY_FAMILY)
		return answer_backlog(data, size);
	return dump_addresses(s, data, size < PART ? size : PART);
}
