// SPDX-License-Identifier: Apache-2.0
/* address_family - the SOL_IP options work on AF_INET6 sockets, for IPv6 and for IPv4-mapped destinations
 *
 * IP_BIND_ADDRESS_NO_PORT and IP_LOCAL_PORT_RANGE have no IPv6 twin; both live in struct inet_sock, which
 * AF_INET6 and MPTCP sockets have as well. An IPv4-mapped destination shares its tuple space with AF_INET.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <unistd.h>

#define TEN_PORTS PORT_RANGE(RANGE_LOW + 10, RANGE_LOW + 19)

static void over_ipv6(void)
{
	struct attempt a = { .to = "::1", .port = 5000 };

	expect_filled("IPv6", fill(a), 100);
	a.from = "fd00:1::2";
	expect_filled("from a second source", fill(a), 100);
	a.port = 5001;
	a.port_range = TEN_PORTS;
	expect_filled("with IP_LOCAL_PORT_RANGE of 10", fill(a), 10);
	release_all();
}

static void over_mapped(void)
{
	struct attempt a = { .to = "::ffff:127.0.0.1", .port = 5000 };
	struct attempt four = { .to = "127.0.0.1", .port = 5000 };

	expect_filled("IPv4-mapped", fill(a), 100);
	expect_filled("AF_INET to the same destination afterwards", fill(four), 0);
	four.from = "127.0.0.2";
	expect_filled("AF_INET from a second source", fill(four), 100);
	a.from = "::ffff:127.0.0.2";
	expect_filled("IPv4-mapped from it afterwards", fill(a), 0);
	a.from = "::ffff:127.0.0.3";
	expect_filled("IPv4-mapped from a third", fill(a), 100);
	a.port = 5001;
	a.port_range = TEN_PORTS;
	expect_filled("with IP_LOCAL_PORT_RANGE of 10", fill(a), 10);
	release_all();
}

static void over_mptcp(void)
{
	struct attempt a = {
		.to = "127.0.0.1", .port = 5001, .from = "127.0.0.4", .protocol = IPPROTO_MPTCP
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);

	if (fd < 0) {
		note("no MPTCP here");
		return;
	}
	/* The option came to MPTCP later than to TCP: mptcp_setsockopt_v4() has a list of those it takes. */
	uint32_t value = TEN_PORTS;
	bool takes_option = !setsockopt(fd, SOL_IP, IP_LOCAL_PORT_RANGE, &value, sizeof(value));
	close(fd);
	if (!takes_option) {
		note("MPTCP does not take IP_LOCAL_PORT_RANGE here");
		return;
	}
	a.port_range = TEN_PORTS;
	expect_filled("MPTCP from a source with IP_LOCAL_PORT_RANGE of 10", fill(a), 10);
	release_all();
}

int main(void)
{
	netns_enter();
	if (!have_ipv6())
		skip("no IPv6");
	need_port_range_option();
	netns_add_address6("lo", "fd00:1::2", 128);
	listener("::", 5000);
	listener("::", 5001);
	over_ipv6();
	over_mapped();
	over_mptcp();
	return verdict();
}
