// SPDX-License-Identifier: Apache-2.0
/* blocked_released - a port is free for connect() again as soon as its explicit binder has closed
 *
 * Since Linux 6.18 ("tcp: Update bind bucket state on port release"), which was queued for 6.17's stable
 * series too. Before, it stayed blocked for as long as any socket whose port connect() had picked kept the
 * bucket alive.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <unistd.h>

static int connect_by_port(uint16_t local, uint16_t remote, int *fd)
{
	struct attempt a = { .to = "127.0.0.1", .port_range = PORT_RANGE(local, local), .blocking = true };

	*fd = new_socket(&a);
	return connect_to(*fd, "127.0.0.1", remote);
}

int main(void)
{
	int picked, binder, fd;

	need_kernel(6, 18, "updating a bind bucket on release");
	need_port_range_option();
	netns_enter();
	listener("127.0.0.1", 5000);
	listener("127.0.0.1", 5001);

	expect_error("port 40000 picked by connect():", connect_by_port(40000, 5000, &picked), 0);
	binder = new_socket(&(struct attempt){ .to = "127.0.0.1" });
	expect_error("bound by another socket on another IP:", bind_to(binder, "127.9.9.9", 40000, false), 0);
	expect_error("connect() to a second destination:", connect_by_port(40000, 5001, &fd), EADDRNOTAVAIL);
	abort_close(fd);
	close(binder);
	expect_error("binder closed:", connect_by_port(40000, 5001, &fd), 0);
	return verdict();
}
