// SPDX-License-Identifier: Apache-2.0
/* route_lookup - RTM_GETROUTE tells the natural source and the way of a connection, and takes no port
 *
 * With a source, a traffic class, a mark, a protocol and a port it follows the rules that look at them; a
 * source that cannot be routed is refused. RTM_F_FIB_MATCH (Linux 4.13) tells the interface of an own
 * address.
 */
#include "netns.h"
#include "probe.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { TABLE = 100, CLASS = 0x10, MARK = 7, PORT = 4431 };

struct message {
	struct nlmsghdr header;
	struct rtmsg route; /* struct fib_rule_hdr has the same size and the same first members */
	char attributes[512];
};
_Static_assert(sizeof(struct fib_rule_hdr) == sizeof(struct rtmsg), "one struct for both");

static void add(struct message *m, unsigned short type, const void *value, size_t size)
{
	struct rtattr *attribute = (void *)((char *)m + NLMSG_ALIGN(m->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), value, size);
	m->header.nlmsg_len = (unsigned)(NLMSG_ALIGN(m->header.nlmsg_len) + RTA_ALIGN(RTA_LENGTH(size)));
}

static void add_ip(struct message *m, unsigned short type, const char *ip)
{
	union endpoint e = endpoint(ip, 0);

	if (e.any.sa_family == AF_INET)
		add(m, type, &e.v4.sin_addr, 4);
	else
		add(m, type, &e.v6.sin6_addr, 16);
}

static struct message message(unsigned short type, unsigned short flags)
{
	return (struct message){ .header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
					     .nlmsg_type = type,
					     .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags) },
				 .route.rtm_family = AF_INET };
}

static void add_veth(void)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
		struct rtattr linkinfo;
		struct rtattr kind;
		char name[8];
	} request = { .header = { .nlmsg_len = sizeof(request),
				  .nlmsg_type = RTM_NEWLINK,
				  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL },
		      .info.ifi_family = AF_UNSPEC,
		      .linkinfo = { .rta_type = IFLA_LINKINFO,
				    .rta_len = 2 * sizeof(struct rtattr) + sizeof(request.name) },
		      .kind = { .rta_type = IFLA_INFO_KIND,
				.rta_len = sizeof(struct rtattr) + sizeof(request.name) },
		      .name = "veth" };

	netns_configure(&request.header, "make a veth pair");
}

/* A default route in a table of its own, and a rule that leads to it. */
static void add_way(unsigned table, const char *gateway)
{
	struct message m = message(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE);

	m.route.rtm_table = RT_TABLE_UNSPEC;
	m.route.rtm_protocol = RTPROT_STATIC;
	m.route.rtm_scope = RT_SCOPE_UNIVERSE;
	m.route.rtm_type = RTN_UNICAST;
	add(&m, RTA_TABLE, &table, sizeof(table));
	add_ip(&m, RTA_GATEWAY, gateway);
	netns_configure(&m.header, "add a route");
}

static struct message rule(unsigned table)
{
	struct message m = message(RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE);

	m.route.rtm_type = FR_ACT_TO_TBL; /* `action` of struct fib_rule_hdr */
	add(&m, FRA_TABLE, &table, sizeof(table));
	return m;
}

static void add_rules(void)
{
	unsigned mark = MARK;
	uint8_t tcp = IPPROTO_TCP;
	struct fib_rule_port_range ports = { PORT, PORT };
	struct message m = rule(TABLE + 1);

	m.route.rtm_tos = CLASS;
	netns_configure(&m.header, "add a rule for a traffic class");
	m = rule(TABLE + 2);
	add(&m, FRA_FWMARK, &mark, sizeof(mark));
	netns_configure(&m.header, "add a rule for a mark");
	m = rule(TABLE + 3);
	add(&m, FRA_IP_PROTO, &tcp, sizeof(tcp));
	add(&m, FRA_DPORT_RANGE, &ports, sizeof(ports));
	netns_configure(&m.header, "add a rule for a port of TCP");
	m = rule(TABLE + 4);
	m.route.rtm_src_len = 32;
	add_ip(&m, FRA_SRC, "10.9.0.2");
	netns_configure(&m.header, "add a rule for a source");
}

struct question {
	const char *to, *from;
	uint8_t class;
	unsigned mark;
	uint16_t port;
	bool entry;
};

struct answer {
	int error;
	char source[INET6_ADDRSTRLEN], gateway[INET6_ADDRSTRLEN];
	unsigned interface, type;
};

static void take(const struct rtattr *a, int family, char *text)
{
	inet_ntop(family, RTA_DATA(a), text, INET6_ADDRSTRLEN);
}

static struct answer ask(struct question q)
{
	struct message m = message(RTM_GETROUTE, 0), reply = { 0 };
	struct answer answer = { 0 };
	union endpoint to = endpoint(q.to, 0);
	unsigned char bits = to.any.sa_family == AF_INET ? 32 : 128;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	m.route.rtm_family = (unsigned char)to.any.sa_family;
	m.route.rtm_dst_len = bits;
	m.route.rtm_tos = q.class;
	m.route.rtm_flags = q.entry ? RTM_F_FIB_MATCH : 0;
	add_ip(&m, RTA_DST, q.to);
	if (q.from) {
		m.route.rtm_src_len = bits;
		add_ip(&m, RTA_SRC, q.from);
	}
	if (q.mark)
		add(&m, RTA_MARK, &q.mark, sizeof(q.mark));
	if (q.port) {
		uint16_t port_be = htons(q.port);
		uint8_t tcp = IPPROTO_TCP;
		add(&m, RTA_IP_PROTO, &tcp, sizeof(tcp));
		add(&m, RTA_DPORT, &port_be, sizeof(port_be));
	}
	/* The answer is there at once. */
	if (fd < 0 || send(fd, &m, m.header.nlmsg_len, 0) < 0 ||
	    recv(fd, &reply, sizeof(reply), MSG_DONTWAIT) < 0)
		give_up("rtnetlink");
	close(fd);
	if (reply.header.nlmsg_type == NLMSG_ERROR) {
		answer.error = -((struct nlmsgerr *)NLMSG_DATA(&reply.header))->error;
		return answer;
	}
	answer.type = reply.route.rtm_type;
	size_t left = RTM_PAYLOAD(&reply.header);
	for (struct rtattr *a = RTM_RTA(&reply.route); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_PREFSRC)
			take(a, to.any.sa_family, answer.source);
		else if (a->rta_type == RTA_GATEWAY)
			take(a, to.any.sa_family, answer.gateway);
		else if (a->rta_type == RTA_OIF)
			memcpy(&answer.interface, RTA_DATA(a), sizeof(answer.interface));
	}
	return answer;
}

static void expect_source(const char *what, struct question q, const char *source)
{
	struct answer a = ask(q);

	expect_error(what, a.error, 0);
	expect(what, !strcmp(a.source, source));
}

static void expect_gateway(const char *what, struct question q, const char *gateway)
{
	struct answer a = ask(q);

	expect_error(what, a.error, 0);
	expect(what, !strcmp(a.gateway, gateway));
}

int main(void)
{
	need_kernel(4, 18, "RTA_IP_PROTO and RTA_DPORT");
	netns_enter();
	add_veth();
	netns_add_address4("veth0", "10.9.0.1", "255.255.255.0");
	netns_add_address4("veth0:1", "10.9.0.2", "255.255.255.0");
	netns_link_up("veth0");
	netns_link_up("veth1");

	expect_source("natural source of 127.0.0.9", (struct question){ .to = "127.0.0.9" }, "127.0.0.1");
	expect_source("of 10.9.0.7", (struct question){ .to = "10.9.0.7" }, "10.9.0.1");
	expect_error("10.9.0.2 to 10.9.0.7",
		     ask((struct question){ .to = "10.9.0.7", .from = "10.9.0.2" }).error, 0);
	expect_error("127.0.0.2 to 10.9.0.7",
		     ask((struct question){ .to = "10.9.0.7", .from = "127.0.0.2" }).error, EINVAL);
	/* EINVAL, or ENETUNREACH: from one kernel to the next. */
	expect("a source that is not ours is refused",
	       ask((struct question){ .to = "10.9.0.7", .from = "192.0.2.9" }).error);
	expect_error("no route", ask((struct question){ .to = "192.0.2.1" }).error, ENETUNREACH);
	if (have_ipv6()) {
		expect_source("natural source of ::1", (struct question){ .to = "::1" }, "::1");
		expect_error("no IPv6 route", ask((struct question){ .to = "2001:db8::1" }).error,
			     ENETUNREACH);
	}

	struct answer own = ask((struct question){ .to = "10.9.0.2", .entry = true });
	expect("the entry of an own address is local", own.type == RTN_LOCAL);
	expect("and has its interface", own.interface == if_nametoindex("veth0"));

	add_way(RT_TABLE_MAIN, "10.9.0.100");
	for (unsigned i = 1; i <= 4; i++) {
		char gateway[] = "10.9.0.10x";
		gateway[9] = (char)('0' + i);
		add_way(TABLE + i, gateway);
	}
	add_rules();
	expect_gateway("no input", (struct question){ .to = "192.0.2.1" }, "10.9.0.100");
	expect_gateway("traffic class", (struct question){ .to = "192.0.2.1", .class = CLASS }, "10.9.0.101");
	expect_gateway("mark", (struct question){ .to = "192.0.2.1", .mark = MARK }, "10.9.0.102");
	expect_gateway("port", (struct question){ .to = "192.0.2.1", .port = PORT }, "10.9.0.103");
	expect_gateway("another port", (struct question){ .to = "192.0.2.1", .port = PORT + 1 },
		       "10.9.0.100");
	expect_gateway("source", (struct question){ .to = "192.0.2.1", .from = "10.9.0.2" }, "10.9.0.104");
	return verdict();
}
