// SPDX-License-Identifier: Apache-2.0
/* tuple_space - each (source, destination) has the whole range to itself, both ends included
 *
 * __inet_hash_connect() in net/ipv4/inet_hashtables.c refuses a port only if the same four values exist.
 */
#include "netns.h"
#include "probe.h"

int main(void)
{
	struct attempt a = { .to = "127.0.0.1", .port = 5000 };
	struct filled got;
	bool low_seen = false, high_seen = false;

	netns_enter();
	listener("0.0.0.0", 5000);
	listener("0.0.0.0", 5001);

	got = fill(a);
	expect_filled("range 40000-40099: connections from one source to one destination", got, 100);
	for (unsigned i = 0; i < got.count; i++) {
		low_seen |= local_port(open_fd(i)) == RANGE_LOW;
		high_seen |= local_port(open_fd(i)) == RANGE_HIGH;
	}
	expect("both ends of the range used", low_seen && high_seen);

	a.port = 5001;
	expect_filled("to a second port of the same host", fill(a), 100);
	a.to = "127.0.0.9";
	expect_filled("to a second host", fill(a), 100);
	a = (struct attempt){ .to = "127.0.0.1", .port = 5000, .from = "127.0.0.2" };
	expect_filled("from a second source with IP_BIND_ADDRESS_NO_PORT", fill(a), 100);

	expect_count("the kernel lists", sockets_listed(0, 5000, 0) + sockets_listed(0, 5001, 0), 400);
	return verdict();
}
