// SPDX-License-Identifier: Apache-2.0
/* time_wait_reuse - a TIME_WAIT is a port in use; tcp_tw_reuse lets connect() have it again
 *
 * 0 never, 2 (the default) on loopback, 1 everywhere; needs TCP timestamps and an age of one second, or of
 * tcp_tw_reuse_delay since Linux 6.14 (tcp_twsk_unique()). So it thins out what waits, it does not remove it.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

static void close_first(unsigned count)
{
	int fd = listener("127.0.0.1", 5000);

	for (unsigned i = 0; i < count; i++) {
		int ours = new_socket(&(struct attempt){ .to = "127.0.0.1", .blocking = true }), theirs;

		if (connect_to(ours, "127.0.0.1", 5000))
			give_up("connect");
		theirs = accept(fd, NULL, NULL);
		close(ours);
		close(theirs);
	}
	expect_count("closed first by us: TIME_WAIT", time_waits_left(0, 5000), count);
	close(fd);
}

/* Return: the last error within five seconds, 0 once connect() succeeds */
static int connect_by_deadline(void)
{
	static const struct timespec pause = { .tv_nsec = 10000000 };
	struct attempt a = { .to = "127.0.0.1", .port = 5000 };
	int error = 0;

	for (unsigned tries = 0; tries < 500; tries++) {
		int fd = new_socket(&a);

		error = connect_to(fd, "127.0.0.1", 5000);
		abort_close(fd);
		if (error != -EADDRNOTAVAIL)
			return error;
		nanosleep(&pause, NULL);
	}
	return error;
}

int main(void)
{
	struct attempt a = { .to = "127.0.0.1", .port = 5000 };

	netns_enter();
	netns_sysctl("ipv4/tcp_tw_reuse", "0");
	close_first(100);
	listener("127.0.0.1", 5000);
	expect_filled("tcp_tw_reuse=0: connections", fill(a), 0);
	a.from = "127.0.0.2";
	expect_filled("from a second source", fill(a), 100);
	release_all();
	need_kernel(4, 19, "tcp_tw_reuse=2");
	netns_sysctl("ipv4/tcp_tw_reuse", "2");
	expect_error("tcp_tw_reuse=2 on loopback: connect()", connect_by_deadline(), 0);
	if (access("/proc/sys/net/ipv4/tcp_tw_reuse_delay", F_OK))
		return verdict();
	/* One port is free now; the TIME_WAITs of the others are older than a second, and younger than this.
	 */
	a.from = NULL;
	netns_sysctl("ipv4/tcp_tw_reuse_delay", "60000");
	expect_filled("tcp_tw_reuse_delay=60000", fill(a), 1);
	netns_sysctl("ipv4/tcp_tw_reuse_delay", "1");
	expect_filled("tcp_tw_reuse_delay=1", fill(a), 99);
	return verdict();
}
