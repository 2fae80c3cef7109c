// SPDX-License-Identifier: Apache-2.0
/* whole_range - IP_LOCAL_PORT_RANGE of 1..65535 is accepted and means the namespace's range, as it is now
 *
 * inet_sk_get_local_port_range() ignores each end that lies outside ip_local_port_range, and looks at both
 * in connect(), so nothing goes stale when an administrator changes the range.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <unistd.h>

static bool all_within(unsigned count, unsigned low, unsigned high)
{
	for (unsigned i = 0; i < count; i++)
		if (local_port(open_fd(i)) < low || local_port(open_fd(i)) > high)
			return false;
	return true;
}

/* The option was set while the range was another one. */
static void range_moves(void)
{
	struct attempt a = { .to = "127.0.0.1", .port = 5000, .port_range = WHOLE_RANGE, .blocking = true };
	int fd = new_socket(&a);
	struct filled got;

	netns_set_port_range(40200, 40249);
	got = fill(a);
	expect_filled("after the range moved to 40200-40249", got, 50);
	expect("all inside", all_within(got.count, 40200, 40249));
	release_all();
	expect_error("connect() of a socket that had it before", connect_to(fd, "127.0.0.1", 5000), 0);
	expect("its port is inside", local_port(fd) >= 40200 && local_port(fd) <= 40249);
	close(fd);
	netns_set_port_range(RANGE_LOW, RANGE_HIGH);
}

int main(void)
{
	struct attempt a = { .to = "127.0.0.1", .port = 5000, .port_range = WHOLE_RANGE };
	uint32_t value = 0;
	socklen_t size = sizeof(value);
	struct filled got;
	int fd;

	netns_enter();
	need_port_range_option();
	listener("127.0.0.1", 5000);

	fd = new_socket(&a);
	expect("1..65535 accepted and read back",
	       !getsockopt(fd, SOL_IP, IP_LOCAL_PORT_RANGE, &value, &size) && value == WHOLE_RANGE);
	close(fd);

	got = fill(a);
	expect_filled("connections", got, 100);
	expect("all inside the namespace's range", all_within(got.count, RANGE_LOW, RANGE_HIGH));
	release_all();
	range_moves();

	a.port_range = PORT_RANGE(1, RANGE_LOW + 9);
	expect_filled("1..40009 (one end outside)", fill(a), 10);
	release_all();
	a.port_range = PORT_RANGE(RANGE_LOW + 10, RANGE_LOW + 19);
	expect_filled("40010..40019 (both inside)", fill(a), 10);
	return verdict();
}
