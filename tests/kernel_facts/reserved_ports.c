// SPDX-License-Identifier: Apache-2.0
/* reserved_ports - ip_local_reserved_ports are taken from the range, on every source, with the option too
 *
 * inet_is_local_reserved_port() is asked for each port that connect() or bind(ip, 0) tries. An explicit
 * bind() to a reserved port is allowed.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <unistd.h>

int main(void)
{
	struct attempt a = { .to = "127.0.0.1", .port = 5000 };
	struct filled got;
	int fd;

	netns_enter();
	listener("127.0.0.1", 5000);
	netns_sysctl("ipv4/ip_local_reserved_ports", "39990-39999,40010-40019,50000");

	expect_filled("10 of 100 ports reserved leave", fill(a), 90);
	a.from = "127.0.0.2";
	expect_filled("on a second source", fill(a), 90);
	release_all();

	a = (struct attempt){ .to = "127.0.0.1", .port = 5000, .from = "127.0.0.3", .plain_bind = true };
	got = fill(a);
	expect_count("with bind() without IP_BIND_ADDRESS_NO_PORT", got.count, 90);
	expect_error("then", got.error, EADDRINUSE);
	release_all();

	fd = new_socket(&a);
	expect_error("explicit bind() to a reserved port", bind_to(fd, "127.0.0.1", 40010, false), 0);
	close(fd);

	need_port_range_option();
	a = (struct attempt){ .to = "127.0.0.1", .port = 5000, .port_range = WHOLE_RANGE };
	expect_filled("with IP_LOCAL_PORT_RANGE", fill(a), 90);
	return verdict();
}
