// SPDX-License-Identifier: Apache-2.0
/* local_prefix - with a prefix routed "local" to lo, each of its addresses is a source
 *
 * Like `ip route add local 10.8.0.0/24 dev lo`. IPv4 looks the address up among the routes
 * (inet_addr_type()), IPv6 among the interfaces' addresses (ipv6_chk_addr()), so IPv6 wants IP_FREEBIND.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

struct route_request {
	struct nlmsghdr header;
	struct rtmsg route;
	struct rtattr device_header;
	uint32_t device;
	struct rtattr prefix_header;
	struct in6_addr prefix;
};

static void add_local_route(const char *prefix, unsigned char length)
{
	union endpoint e = endpoint(prefix, 0);
	bool four = e.any.sa_family == AF_INET;
	unsigned bytes = four ? sizeof(e.v4.sin_addr) : sizeof(e.v6.sin6_addr);
	struct route_request request = {
		.header = { .nlmsg_len = (uint32_t)(offsetof(struct route_request, prefix) + bytes),
			    .nlmsg_type = RTM_NEWROUTE,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE },
		.route = { .rtm_family = (unsigned char)e.any.sa_family,
			   .rtm_dst_len = length,
			   .rtm_table = RT_TABLE_LOCAL,
			   .rtm_protocol = RTPROT_BOOT,
			   .rtm_scope = RT_SCOPE_HOST,
			   .rtm_type = RTN_LOCAL },
		.device_header = { .rta_type = RTA_OIF, .rta_len = RTA_LENGTH(sizeof(uint32_t)) },
		.device = if_nametoindex("lo"),
		.prefix_header = { .rta_type = RTA_DST, .rta_len = (unsigned short)RTA_LENGTH(bytes) },
	};

	memcpy(&request.prefix, four ? (void *)&e.v4.sin_addr : (void *)&e.v6.sin6_addr, bytes);
	netns_configure(&request.header, "add a local route");
}

static int try_source(const char *source, const char *to, bool free_bind)
{
	int fd = new_socket(&(struct attempt){ .to = to, .blocking = true }), on = free_bind, error;

	if (setsockopt(fd, SOL_IP, IP_FREEBIND, &on, sizeof(on)))
		give_up("IP_FREEBIND");
	error = bind_to(fd, source, 0, true);
	if (!error)
		error = connect_to(fd, to, 5000);
	if (!error && !source_is(fd, source))
		error = -ENODATA;
	close(fd);
	return error;
}

int main(void)
{
	netns_enter();
	listener(have_ipv6() ? "::" : "0.0.0.0", 5000);

	expect_error("10.8.0.77 without the route:", try_source("10.8.0.77", "127.0.0.1", false),
		     EADDRNOTAVAIL);
	add_local_route("10.8.0.0", 24);
	expect_error("with 10.8.0.0/24 routed local:", try_source("10.8.0.77", "127.0.0.1", false), 0);
	expect_error("with IP_FREEBIND:", try_source("10.8.0.78", "127.0.0.1", true), 0);
	if (have_ipv6()) {
		add_local_route("fd00:8::", 64);
		expect_error("fd00:8::77 of fd00:8::/64 routed local:",
			     try_source("fd00:8::77", "::1", false), EADDRNOTAVAIL);
		expect_error("with IP_FREEBIND:", try_source("fd00:8::77", "::1", true), 0);
	}
	return verdict();
}
