// SPDX-License-Identifier: Apache-2.0
/* one_port_oracle - ask the kernel whether one port is free for connect(), without privileges
 *
 * IP_LOCAL_PORT_RANGE = [p, p] and a connect() to a loopback port nobody listens on: ECONNREFUSED means p
 * was usable, EADDRNOTAVAIL that it is blocked or reserved. No listing of sockets tells an explicitly bound
 * established socket from another one.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <unistd.h>

static int ask(uint16_t port)
{
	struct attempt a = { .to = "127.0.0.1", .port = 9, .blocking = true };
	int fd, error;

	a.port_range = PORT_RANGE(port, port);
	fd = new_socket(&a);
	error = connect_to(fd, a.to, a.port);
	close(fd);
	return error;
}

int main(void)
{
	struct attempt other = { .to = "127.0.0.1", .port = 5000, .blocking = true };
	int fd;

	netns_enter();
	need_port_range_option();
	listener("127.0.0.1", 5000);
	netns_sysctl("ipv4/ip_local_reserved_ports", "40004");

	expect_error("free port", ask(40000), ECONNREFUSED);
	expect_error("asked again", ask(40000), ECONNREFUSED);

	listener("127.9.9.9", 40001);
	expect_error("port of a listener", ask(40001), EADDRNOTAVAIL);

	fd = new_socket(&other);
	if (bind_to(fd, "127.9.9.9", 40002, false))
		give_up("bind");
	expect_error("explicitly bound, not connected", ask(40002), EADDRNOTAVAIL);
	if (connect_to(fd, other.to, other.port))
		give_up("connect");
	expect_error("explicitly bound, connected", ask(40002), EADDRNOTAVAIL);
	close(fd);

	other.port_range = PORT_RANGE(40003, 40003);
	fd = new_socket(&other);
	if (connect_to(fd, other.to, other.port) || local_port(fd) != 40003)
		give_up("connect");
	expect_error("picked by another connect()", ask(40003), ECONNREFUSED);

	expect_error("reserved", ask(40004), EADDRNOTAVAIL);
	return verdict();
}
