// SPDX-License-Identifier: Apache-2.0
/* udp_ports - UDP has one port space per local IP, whatever the destination; unbound, one for all local IPs
 *
 * udp_lib_get_port() compares local addresses only. connect() on an unbound socket takes its port before
 * it knows the source (inet_autobind()), so the port must be free on every local IP, and says EAGAIN where
 * TCP says EADDRNOTAVAIL.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>

static void expect_ended(const char *what, struct filled got, unsigned count, int error)
{
	expect_count(what, got.count, count);
	expect_error(got.call, got.error, error);
}

int main(void)
{
	struct attempt a = { .to = "127.0.0.1", .port = 5000, .udp = true };

	netns_enter();
	expect_ended("unbound: sockets", fill(a), 100, EAGAIN);
	a.port = 5001;
	expect_ended("to a second destination", fill(a), 0, EAGAIN);
	release_all();

	a = (struct attempt){ .to = "127.0.0.1", .port = 5000, .udp = true, .from = "127.0.0.2" };
	expect_ended("with IP_BIND_ADDRESS_NO_PORT", fill(a), 100, EAGAIN);
	a.port = 5001;
	expect_ended("to a second destination", fill(a), 0, EAGAIN);
	expect_ended("unbound meanwhile",
		     fill((struct attempt){ .to = "127.0.0.1", .port = 5000, .udp = true }), 0, EAGAIN);
	a.plain_bind = true;
	a.from = "127.0.0.3";
	expect_ended("from a second source, plain bind()", fill(a), 100, EADDRINUSE);
	a.port = 5000;
	expect_ended("to a second destination", fill(a), 0, EADDRINUSE);

	a = (struct attempt){ .to = "127.0.0.1", .port = 5000, .from = "127.0.0.1" };
	listener("127.0.0.1", 5000);
	expect_filled("TCP meanwhile", fill(a), 100);
	return verdict();
}
