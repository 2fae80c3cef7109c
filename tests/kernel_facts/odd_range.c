// SPDX-License-Identifier: Apache-2.0
/* odd_range - a range of 99 ports gives 99 connections with IP_LOCAL_PORT_RANGE, 98 or 99 without
 *
 * Without it __inet_hash_connect() rounds the number of ports it tries down to an even one, from a start
 * that differs each time; with it, it tries all (Linux 6.8, "tcp/dccp: change source port selection at
 * connect() time").
 */
#include "netns.h"
#include "probe.h"

#define ROUNDS 50

int main(void)
{
	struct attempt plain = { .to = "127.0.0.1", .port = 5000 };
	struct attempt whole = { .to = "127.0.0.1", .port = 5000, .port_range = WHOLE_RANGE };
	unsigned least = 1000, most = 0;

	need_kernel(6, 8, "trying every port of an odd range");
	need_port_range_option();
	netns_enter();
	netns_set_port_range(40000, 40098);
	listener("127.0.0.1", 5000);

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned count = fill(plain).count;

		release_all();
		least = count < least ? count : least;
		most = count > most ? count : most;
	}
	note("range of 99, plain: %u to %u", least, most);
	expect("never under 98 nor over 99", least >= 98 && most <= 99);

	least = 1000, most = 0;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned count = fill(whole).count;

		release_all();
		least = count < least ? count : least;
		most = count > most ? count : most;
	}
	expect_count("with IP_LOCAL_PORT_RANGE: at least", least, 99);
	expect_count("at most", most, 99);
	return verdict();
}
