// SPDX-License-Identifier: Apache-2.0
/* time_wait_bound - past tcp_max_tw_buckets TIME_WAITs of a network namespace there are no more
 *
 * What is closed first by us then is closed at once, and its port is free (inet_twsk_alloc(),
 * net/ipv4/inet_timewait_sock.c). Those that there are stay.
 */
#include "netns.h"
#include "probe.h"

#include <unistd.h>

static void close_first(unsigned count, uint16_t port)
{
	int fd = listener("127.0.0.1", port);

	for (unsigned i = 0; i < count; i++) {
		int ours = new_socket(&(struct attempt){ .to = "127.0.0.1", .blocking = true }), theirs;

		if (connect_to(ours, "127.0.0.1", port))
			give_up("connect");
		theirs = accept(fd, NULL, NULL);
		close(ours);
		close(theirs);
	}
	close(fd);
}

int main(void)
{
	netns_enter();
	netns_sysctl("ipv4/tcp_tw_reuse", "0");
	netns_sysctl("ipv4/tcp_max_tw_buckets", "20");
	close_first(15, 5000);
	close_first(15, 5001);
	expect_count("tcp_max_tw_buckets=20, 15 closed first: TIME_WAIT", time_waits_left(0, 5000), 15);
	expect_count("15 more, towards another destination", time_waits_left(0, 5001), 5);
	return verdict();
}
