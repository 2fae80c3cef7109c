// SPDX-License-Identifier: Apache-2.0
/* shown_port - a socket gives back the port of bind(ip, 0) and takes the same one as connect() takes ports
 *
 * connect() to AF_UNSPEC forgets the port only of a socket that is not closed already (tcp_disconnect(),
 * net/ipv4/tcp.c): listen() first. The source stays, and all options but a few. Nobody gets an answer
 * meanwhile with IP_MINTTL, IPV6_MINHOPCOUNT = 255. Afterwards other destinations have the port, too.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73 /* linux/in6.h */
#endif

static int disconnect(int fd)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	return connect(fd, &nowhere, sizeof(nowhere)) ? -errno : 0;
}

static int set_range(int fd, uint16_t port)
{
	uint32_t range = PORT_RANGE(port, port);
	return setsockopt(fd, SOL_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) ? -errno : 0;
}

static int exchange(int fd, uint16_t port)
{
	int rc = set_range(fd, port);

	if (!rc && listen(fd, 0))
		rc = -errno;
	return rc ? rc : disconnect(fd);
}

/* bind(ip, 0) and getsockname(). Return: the port, or 0. */
static uint16_t bound(int fd, const char *ip)
{
	return bind_to(fd, ip, 0, false) ? 0 : local_port(fd);
}

static int exchanged_fds[100];

/* Return: whether the connection has the port that was shown; it stays open. */
static bool exchanged(unsigned index, const char *from, const char *to, uint16_t port)
{
	int fd = new_socket(&(struct attempt){ .to = to, .blocking = true });
	uint16_t shown = bound(fd, from);
	int rc = shown ? exchange(fd, shown) : -EADDRINUSE;
	bool holds;

	exchanged_fds[index] = fd;
	if (!rc)
		rc = connect_to(fd, to, port);
	holds = !rc && local_port(fd) == shown && source_is(fd, from);
	if (!holds)
		note("%s: shown %u, has %u, error %d", from, shown, local_port(fd), rc);
	return holds;
}

static void fill_with_shown_ports(const char *name, const char *from, const char *to)
{
	unsigned count = 0;

	while (count < 100 && exchanged(count, from, to, 5000))
		count++;
	expect_count(name, count, 100);
	expect_filled("another destination after that",
		      fill((struct attempt){ .to = to, .port = 5001, .from = from, .blocking = true }), 100);
	release_all();
	for (unsigned i = 0; i < count; i++)
		abort_close(exchanged_fds[i]);
}

/* Where the bucket of the port is blocked on another address, only bind() has it: in the range of that one.
 */
static void bound_again(void)
{
	int other, fd = new_socket(&(struct attempt){ .to = "127.0.0.1", .blocking = true });
	uint16_t shown = bound(fd, "127.0.0.9");

	other = new_socket(&(struct attempt){ .to = "127.0.0.1" });
	if (!shown || bind_to(other, "127.0.0.8", shown, false) || exchange(fd, shown))
		give_up("to block a port on another address");
	expect_error("blocked on another address: connect()", connect_to(fd, "127.0.0.1", 5000),
		     EADDRNOTAVAIL);
	expect_error("bind() in the range of that port", bind_to(fd, "127.0.0.9", 0, false), 0);
	expect("has the port", local_port(fd) == shown);
	expect_error("and connects", connect_to(fd, "127.0.0.1", 5000), 0);
	close(other);
	abort_close(fd);
}

static int value_of(int fd, int level, int name)
{
	int value = 0;
	socklen_t size = sizeof(value);

	getsockopt(fd, level, name, &value, &size);
	return value;
}

static bool is_kept(int level, int name, int value)
{
	int fd = new_socket(&(struct attempt){ .to = "127.0.0.1" });
	bool holds;

	if (setsockopt(fd, level, name, &value, sizeof(value)))
		give_up("setsockopt");
	uint16_t shown = bound(fd, "127.0.0.9");
	int before = value_of(fd, level, name), rc = exchange(fd, shown);
	holds = !rc && value_of(fd, level, name) == before;
	close(fd);
	return holds;
}

static void options(void)
{
	static const struct {
		int level, name, value;
	} kept[] = {
		{ SOL_TCP, TCP_NODELAY, 1 },
		{ SOL_TCP, TCP_KEEPIDLE, 77 },
		{ SOL_TCP, TCP_KEEPINTVL, 7 },
		{ SOL_TCP, TCP_KEEPCNT, 3 },
		{ SOL_TCP, TCP_SYNCNT, 3 },
		{ SOL_TCP, TCP_LINGER2, 9 },
		{ SOL_TCP, TCP_USER_TIMEOUT, 5 },
		{ SOL_SOCKET, SO_SNDBUF, 40000 },
		{ SOL_SOCKET, SO_RCVBUF, 40000 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ SOL_SOCKET, SO_OOBINLINE, 1 },
		{ SOL_IP, IP_TOS, 0x10 },
		{ SOL_IP, IP_TTL, 3 },
		{ SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO },
	};
	unsigned count = 0;

	for (unsigned i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		count += is_kept(kept[i].level, kept[i].name, kept[i].value);
	expect_count("options that stay", count, sizeof(kept) / sizeof(*kept));
	/* If this changes for the better more can be exchanged. */
	expect("TCP_WINDOW_CLAMP, TCP_MAXSEG do not",
	       !is_kept(SOL_TCP, TCP_WINDOW_CLAMP, 20000) && !is_kept(SOL_TCP, TCP_MAXSEG, 700));
}

/* A SYN that finds the listener: no answer of any kind. */
static void nobody_is_answered(const char *from, const char *to)
{
	int most = 255, none = 0, fd = new_socket(&(struct attempt){ .to = to, .blocking = true });
	int level = strchr(to, ':') ? SOL_IPV6 : SOL_IP,
	    name = strchr(to, ':') ? IPV6_MINHOPCOUNT : IP_MINTTL;
	uint16_t shown = bound(fd, from);
	int caller = new_socket(&(struct attempt){ .to = to });
	struct pollfd answer = { .fd = caller, .events = POLLOUT };

	if (setsockopt(fd, level, name, &most, sizeof(most)) || listen(fd, 0) ||
	    connect_to(caller, from, shown))
		give_up("a listener that drops what comes");
	/* On loopback it is answered within connect(), or not at all. */
	expect_count("answers to a SYN", (unsigned)poll(&answer, 1, 0), 0);
	expect_error("AF_UNSPEC", disconnect(fd), 0);
	expect_count("and after it, before the SYN comes again", (unsigned)poll(&answer, 1, 0), 0);
	expect("connected with that port", !setsockopt(fd, level, name, &none, sizeof(none)) &&
						   !set_range(fd, shown) && !connect_to(fd, to, 5000) &&
						   local_port(fd) == shown);
	close(caller);
	abort_close(fd);
}

int main(void)
{
	netns_enter();
	need_port_range_option();
	bool six = have_ipv6();
	listener(six ? "::" : "0.0.0.0", 5000);
	listener(six ? "::" : "0.0.0.0", 5001);
	fill_with_shown_ports("from the port that bind() gave", "127.0.0.9", "127.0.0.1");
	if (six) {
		netns_add_address6("lo", "fd00:1::9", 128);
		fill_with_shown_ports("IPv6", "fd00:1::9", "::1");
		fill_with_shown_ports("IPv4-mapped", "::ffff:127.0.0.7", "::ffff:127.0.0.1");
	}
	bound_again();
	options();
	nobody_is_answered("127.0.0.9", "127.0.0.1");
	if (six)
		nobody_is_answered("fd00:1::9", "::1");
	return verdict();
}
