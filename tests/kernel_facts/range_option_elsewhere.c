// SPDX-License-Identifier: Apache-2.0
/* range_option_elsewhere - IP_LOCAL_PORT_RANGE = 1..65535 does no harm on sockets that are not outgoing TCP
 *
 * It is taken or refused, and either way the socket goes on as before.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <linux/netlink.h>
#include <unistd.h>

static int set_option(int fd)
{
	uint32_t range = WHOLE_RANGE;

	return setsockopt(fd, SOL_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) ? errno : 0;
}

static void on_tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client;
	struct attempt a = { .to = "127.0.0.1", .port = 5000, .blocking = true };

	expect_error("TCP listener: option", set_option(fd), 0);
	expect_error("bind() to a port outside the range", bind_to(fd, "127.0.0.1", 5000, false), 0);
	expect_error("listen()", listen(fd, 16) ? errno : 0, 0);
	client = new_socket(&a);
	if (connect_to(client, a.to, a.port))
		give_up("connect");
	expect_error("connected TCP: option", set_option(client), 0);
	expect("data passes", send(client, "x", 1, 0) == 1);
	close(client);
	close(fd);
}

static void on_udp(void)
{
	struct attempt a = { .to = "127.0.0.1", .port = 5000, .udp = true, .port_range = WHOLE_RANGE };
	struct filled got = fill(a);

	expect_count("UDP", got.count, 100);
	expect_error("then", got.error, EAGAIN);
	release_all();
}

static void on_pair(int family, const char *name)
{
	int pair[2];
	char byte;

	if (socketpair(family, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		give_up("socketpair");
	expect_error(name, set_option(pair[0]), EOPNOTSUPP);
	expect("data passes", send(pair[0], "x", 1, 0) == 1 && recv(pair[1], &byte, 1, 0) == 1);
	close(pair[0]);
	close(pair[1]);
}

static void on_others(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), error;
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };

	error = set_option(fd);
	expect("netlink: refused", error == ENOPROTOOPT || error == EOPNOTSUPP);
	expect("bind() works", !bind(fd, (const struct sockaddr *)&local, sizeof(local)));
	close(fd);

	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (fd >= 0) {
		expect_error("raw: option", set_option(fd), 0);
		expect_error("connect()", connect_to(fd, "127.0.0.1", 0), 0);
		close(fd);
	}
}

int main(void)
{
	int ends[2];

	netns_enter();
	need_port_range_option();
	on_tcp();
	on_udp();
	on_pair(AF_UNIX, "AF_UNIX: option");
	on_others();
	if (pipe(ends))
		give_up("pipe");
	expect_error("pipe: option", set_option(ends[0]), ENOTSOCK);
	return verdict();
}
