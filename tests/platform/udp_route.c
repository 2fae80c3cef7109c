// SPDX-License-Identifier: Apache-2.0
/* udp_route - a UDP connect() sends nothing and tells which source a destination has, and may have
 *
 * Unbound, getsockname() shows the kernel's natural source. Bound first, connect() fails where packets from
 * that source could not be routed to that destination. Needs an interface besides loopback: a veth pair.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <unistd.h>

struct veth_request {
	struct nlmsghdr header;
	struct ifinfomsg info;
	struct rtattr linkinfo;
	struct rtattr kind;
	char name[8];
};

static void add_veth(void)
{
	struct veth_request request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_NEWLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL },
		.info = { .ifi_family = AF_UNSPEC },
		.linkinfo = { .rta_type = IFLA_LINKINFO,
			      .rta_len = sizeof(request) - offsetof(struct veth_request, linkinfo) },
		.kind = { .rta_type = IFLA_INFO_KIND,
			  .rta_len = sizeof(request) - offsetof(struct veth_request, kind) },
		.name = "veth",
	};

	netns_configure(&request.header, "make a veth pair");
}

static int route(const char *from, const char *to, const char *source)
{
	int fd = new_socket(&(struct attempt){ .to = to, .udp = true }), error = 0;

	if (from)
		error = bind_to(fd, from, 0, false);
	if (!error)
		error = connect_to(fd, to, 53);
	if (!error && source)
		error = source_is(fd, source) ? 0 : -ENODATA;
	close(fd);
	return error;
}

int main(void)
{
	netns_enter();
	add_veth();
	netns_add_address4("veth0", "10.9.0.1", "255.255.255.0");
	netns_link_up("veth0");
	netns_link_up("veth1");

	expect_error("natural source of 127.0.0.9 is 127.0.0.1:", route(NULL, "127.0.0.9", "127.0.0.1"), 0);
	expect_error("of 10.9.0.7 is 10.9.0.1:", route(NULL, "10.9.0.7", "10.9.0.1"), 0);
	expect_error("10.9.0.1 to 10.9.0.7", route("10.9.0.1", "10.9.0.7", "10.9.0.1"), 0);
	expect_error("127.0.0.2 to 127.0.0.9", route("127.0.0.2", "127.0.0.9", "127.0.0.2"), 0);
	expect_error("127.0.0.2 to 10.9.0.7", route("127.0.0.2", "10.9.0.7", NULL), EINVAL);
	expect_error("no route, unbound", route(NULL, "192.0.2.1", NULL), ENETUNREACH);
	expect_error("no route, 10.9.0.1", route("10.9.0.1", "192.0.2.1", NULL), ENETUNREACH);
	if (have_ipv6()) {
		expect_error("natural source of ::1 is ::1:", route(NULL, "::1", "::1"), 0);
		expect_error("no IPv6 route", route(NULL, "2001:db8::1", NULL), ENETUNREACH);
	}
	return verdict();
}
