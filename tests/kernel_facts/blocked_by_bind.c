// SPDX-License-Identifier: Apache-2.0
/* blocked_by_bind - a bind() without IP_BIND_ADDRESS_NO_PORT takes its port from every connect()
 *
 * Such a bind marks the port's bucket (fastreuse >= 0), and __inet_hash_connect() passes over a marked
 * bucket whatever its address. A bucket belongs to port and namespace, IPv4 and IPv6 together.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <unistd.h>

static void expect_bind_ends(const char *what, struct attempt a, unsigned count)
{
	struct filled got = fill(a);

	expect_count(what, got.count, count);
	if (got.call[0] == 'b')
		expect_error("bind()", got.error, EADDRINUSE);
	else
		expect("bind() fails", false);
}

/* Programs that bind(source, 0) as in the 1990s: 100 of them, and nobody else connects any more. */
static void starve(bool ipv6)
{
	struct attempt old = { .to = "127.0.0.1", .port = 5000, .from = "127.0.0.3", .plain_bind = true };
	struct attempt unbound = { .to = "127.0.0.1", .port = 5000 };
	struct attempt other = { .to = "127.0.0.1", .port = 5000, .from = "127.0.0.2" };
	struct attempt six = { .to = "::1", .port = 5001 };

	expect_bind_ends("bind(127.0.0.3, 0) and connect", old, 100);
	old.port = 5001;
	expect_bind_ends("to a second destination", old, 0);
	expect_filled("meanwhile unbound", fill(unbound), 0);
	expect_filled("another source with IP_BIND_ADDRESS_NO_PORT", fill(other), 0);
	if (ipv6)
		expect_filled("over IPv6", fill(six), 0);
	old.from = "127.0.0.4";
	expect_bind_ends("bind(127.0.0.4, 0) and connect", old, 100);
	release_all();
	expect_filled("after their close unbound", fill(unbound), 100);
	release_all();

	old.reuse_address = true;
	expect_bind_ends("with SO_REUSEADDR", old, 100);
	expect_filled("meanwhile unbound", fill(unbound), 0);
	release_all();
}

/* Ten sockets that do nothing but hold a port. */
static void hold(bool ipv6)
{
	struct attempt unbound = { .to = "127.0.0.1", .port = 5000 };
	struct attempt other = { .to = "127.0.0.1", .port = 5001, .from = "127.0.0.2" };
	struct attempt six = { .to = "::1", .port = 5001 };
	int held[10];

	for (unsigned i = 0; i < 10; i++) {
		held[i] = new_socket(&unbound);
		if (bind_to(held[i], "127.9.9.9", (uint16_t)(RANGE_LOW + 10 + i), false))
			give_up("bind");
	}
	expect_filled("10 ports held on another IP leave", fill(unbound), 90);
	expect_filled("on another source", fill(other), 90);
	if (ipv6)
		expect_filled("over IPv6", fill(six), 90);
	release_all();
	for (unsigned i = 0; i < 10; i++)
		close(held[i]);
}

/* The holder closed first: its TIME_WAIT goes on holding the port. */
static void time_wait_of_holder(void)
{
	struct attempt unbound = { .to = "127.0.0.1", .port = 5000 };
	struct attempt old = { .to = "127.0.0.1", .port = 5002, .blocking = true };
	int listening = listener("127.0.0.1", 5002), peer, fd = new_socket(&old);

	if (bind_to(fd, "127.0.0.3", RANGE_LOW + 50, false) || connect_to(fd, "127.0.0.1", 5002))
		give_up("bind and connect");
	peer = accept(listening, NULL, NULL);
	close(fd);
	close(peer);
	expect_count("TIME_WAIT of such a socket", time_waits_left(RANGE_LOW + 50, 5002), 1);
	expect_filled("leaves", fill(unbound), 99);
	release_all();
}

int main(void)
{
	bool ipv6;

	netns_enter();
	ipv6 = have_ipv6();
	listener(ipv6 ? "::" : "0.0.0.0", 5000);
	listener(ipv6 ? "::" : "0.0.0.0", 5001);
	starve(ipv6);
	hold(ipv6);
	time_wait_of_holder();
	return verdict();
}
