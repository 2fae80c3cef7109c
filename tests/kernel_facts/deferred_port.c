// SPDX-License-Identifier: Apache-2.0
/* deferred_port - a bind() with IP_BIND_ADDRESS_NO_PORT has port 0 until something needs one
 *
 * What deferral must put right before a program looks: cleared and bound again, the socket gets the port
 * that bind(ip, 0) would have given; listen() picks one by itself (inet_csk_listen_start()).
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static bool in_range(uint16_t port)
{
	return port >= RANGE_LOW && port <= RANGE_HIGH;
}

static void for_source(const char *ip)
{
	struct attempt a = { .to = ip, .port = 5000, .blocking = true };
	int fd = new_socket(&a);

	note("%s", ip);
	expect_error("bind(ip, 0) with NO_PORT", bind_to(fd, ip, 0, true), 0);
	expect_count("getsockname() port", local_port(fd), 0);
	expect("and the source", source_is(fd, ip));
	expect_error("NO_PORT cleared, bound again", bind_to(fd, ip, 0, false), 0);
	expect("a real port", in_range(local_port(fd)) && source_is(fd, ip));
	expect_error("a third bind()", bind_to(fd, ip, 0, false), EINVAL);
	close(fd);

	fd = new_socket(&a);
	if (bind_to(fd, ip, 0, true))
		give_up("bind");
	expect_error("listen() instead", listen(fd, 1) ? errno : 0, 0);
	expect("a real port", in_range(local_port(fd)) && source_is(fd, ip));
	close(fd);
}

int main(void)
{
	netns_enter();
	for_source("127.0.0.2");
	if (have_ipv6())
		for_source("::1");
	return verdict();
}
