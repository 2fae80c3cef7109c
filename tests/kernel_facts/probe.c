// SPDX-License-Identifier: Apache-2.0
/* probe.c - sockets to ask the kernel with: open, bind, connect, fill, and what the kernel lists */
#include "probe.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static int open_fds[2048];
static unsigned open_count;

/**
 * endpoint() - an address from text
 * @ip: IPv4 or IPv6; "::ffff:a.b.c.d" gives an AF_INET6 address
 * @port: host order
 */
union endpoint endpoint(const char *ip, uint16_t port)
{
	union endpoint e = { 0 };

	if (inet_pton(AF_INET, ip, &e.v4.sin_addr) == 1) {
		e.v4.sin_family = AF_INET;
		e.v4.sin_port = htons(port);
	} else if (inet_pton(AF_INET6, ip, &e.v6.sin6_addr) == 1) {
		e.v6.sin6_family = AF_INET6;
		e.v6.sin6_port = htons(port);
	} else {
		errno = EINVAL;
		give_up(ip);
	}
	return e;
}

/** endpoint_size() - the length bind() and connect() want */
socklen_t endpoint_size(const union endpoint *e)
{
	return e->any.sa_family == AF_INET ? sizeof(e->v4) : sizeof(e->v6);
}

/**
 * bind_to() - bind, with IP_BIND_ADDRESS_NO_PORT set or cleared
 * Return: 0 or a negative errno
 */
int bind_to(int fd, const char *ip, uint16_t port, bool no_port)
{
	union endpoint e = endpoint(ip, port);
	int on = no_port;

	if (setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)))
		skip("no IP_BIND_ADDRESS_NO_PORT: %s", strerror(errno));
	return bind(fd, &e.any, endpoint_size(&e)) ? -errno : 0;
}

/**
 * connect_to() - connect; EINPROGRESS is success
 * Return: 0 or a negative errno
 */
int connect_to(int fd, const char *ip, uint16_t port)
{
	union endpoint e = endpoint(ip, port);

	return connect(fd, &e.any, endpoint_size(&e)) && errno != EINPROGRESS ? -errno : 0;
}

/** new_socket() - the socket an attempt asks for, its options set, neither bound nor connected */
int new_socket(const struct attempt *a)
{
	union endpoint e = endpoint(a->to, a->port);
	int type = (a->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | (a->blocking ? 0 : SOCK_NONBLOCK);
	int fd = socket(e.any.sa_family, type, a->protocol), on = 1;

	if (fd < 0)
		give_up("socket");
	if (a->reuse_address && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		give_up("SO_REUSEADDR");
	if (a->port_range &&
	    setsockopt(fd, SOL_IP, IP_LOCAL_PORT_RANGE, &a->port_range, sizeof(a->port_range)))
		give_up("IP_LOCAL_PORT_RANGE");
	return fd;
}

/**
 * listener() - a TCP listener nobody need accept from: its queue holds every connection made here
 * @ip: address, "::" takes IPv4 as well
 * @port: port
 */
int listener(const char *ip, uint16_t port)
{
	union endpoint e = endpoint(ip, port);
	int fd = socket(e.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, off = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    (e.any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off))) ||
	    bind(fd, &e.any, endpoint_size(&e)) || listen(fd, 4096))
		give_up("listener");
	return fd;
}

/**
 * connected_pair() - one blocking connection over a listener of its own, which is closed again
 * @ip: where to listen
 * @port: where to listen
 * @pair: set to our end and the peer's end
 */
void connected_pair(const char *ip, uint16_t port, int pair[2])
{
	int fd = listener(ip, port);

	pair[0] = new_socket(&(struct attempt){ .to = ip, .port = port, .blocking = true });
	if (connect_to(pair[0], ip, port))
		give_up("connect");
	pair[1] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (pair[1] < 0)
		give_up("accept");
	close(fd);
}

/**
 * fill() - connect the same way again and again until it fails
 * @a: how
 * Return: how many connections that gave, and what stopped it
 */
struct filled fill(struct attempt a)
{
	struct filled result = { 0 };

	for (;; result.count++) {
		int fd = new_socket(&a);
		int error = 0;

		if (a.from) {
			result.call = "bind";
			error = bind_to(fd, a.from, 0, !a.plain_bind);
		}
		if (!error) {
			result.call = "connect";
			error = connect_to(fd, a.to, a.port);
		}
		if (error) {
			result.error = -error;
			close(fd);
			return result;
		}
		if (open_count == sizeof(open_fds) / sizeof(open_fds[0])) {
			errno = E2BIG;
			give_up("fill: no end in sight");
		}
		open_fds[open_count++] = fd;
	}
}

/** open_fd() - one of the sockets fill() left open, oldest first */
int open_fd(unsigned index)
{
	return open_fds[index];
}

/** abort_close() - close with RST, so that nothing stays behind in TIME_WAIT */
void abort_close(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/** release_all() - give back every port fill() took */
void release_all(void)
{
	while (open_count)
		abort_close(open_fds[--open_count]);
}

static union endpoint local_name(int fd)
{
	union endpoint e = { 0 };
	socklen_t size = sizeof(e);

	if (getsockname(fd, &e.any, &size))
		give_up("getsockname");
	return e;
}

/** local_port() - the port getsockname() shows, host order */
uint16_t local_port(int fd)
{
	union endpoint e = local_name(fd);

	return ntohs(e.any.sa_family == AF_INET ? e.v4.sin_port : e.v6.sin6_port);
}

/** source_is() - does getsockname() show this IP? */
bool source_is(int fd, const char *ip)
{
	union endpoint found = local_name(fd), wanted = endpoint(ip, 0);

	if (found.any.sa_family != wanted.any.sa_family)
		return false;
	if (found.any.sa_family == AF_INET)
		return found.v4.sin_addr.s_addr == wanted.v4.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&found.v6.sin6_addr, &wanted.v6.sin6_addr);
}

/** have_ipv6() - can ::1 be bound here? */
bool have_ipv6(void)
{
	union endpoint e = endpoint("::1", 0);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool usable = fd >= 0 && !bind(fd, &e.any, endpoint_size(&e));

	if (fd >= 0)
		close(fd);
	return usable;
}

/** need_kernel() - skip on kernels older than the behaviour */
void need_kernel(unsigned major, unsigned minor, const char *what)
{
	struct utsname name;
	unsigned have_major = 0, have_minor = 0;

	if (uname(&name) || sscanf(name.release, "%u.%u", &have_major, &have_minor) != 2)
		give_up("uname");
	if (have_major < major || (have_major == major && have_minor < minor))
		skip("%s needs Linux %u.%u, this is %s", what, major, minor, name.release);
}

/** need_port_range_option() - skip where IP_LOCAL_PORT_RANGE does not exist (before Linux 6.3) */
void need_port_range_option(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint32_t range = WHOLE_RANGE;

	if (fd < 0)
		give_up("socket");
	if (setsockopt(fd, SOL_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) && errno == ENOPROTOOPT)
		skip("no IP_LOCAL_PORT_RANGE before Linux 6.3");
	close(fd);
}

/** await_events() - wait until poll() reports one of these events */
void await_events(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (poll(&p, 1, DEADLINE_MS) != 1) {
		errno = ETIMEDOUT;
		give_up("poll");
	}
}

static unsigned listed_in(const char *path, unsigned near_port, unsigned far_port, unsigned states)
{
	FILE *f = fopen(path, "re");
	char line[512];
	unsigned count = 0, near, far, state;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %*u: %*[0-9A-F]:%X %*[0-9A-F]:%X %X", &near, &far, &state) != 3)
			continue;
		count += (!near_port || near == near_port) && (!far_port || far == far_port) &&
			 (states & 1u << state);
	}
	fclose(f);
	return count;
}

/**
 * sockets_listed() - TCP sockets the kernel itself lists in this namespace
 * @near_port: local port, 0 for any
 * @far_port: remote port, 0 for any
 * @state: TCP_ESTABLISHED and so on, 0 for any
 */
unsigned sockets_listed(uint16_t near_port, uint16_t far_port, unsigned state)
{
	unsigned states = state ? 1u << state : ~0u;

	return listed_in("/proc/net/tcp", near_port, far_port, states) +
	       listed_in("/proc/net/tcp6", near_port, far_port, states);
}

/**
 * time_waits_left() - TIME_WAITs once nothing else is left of the closed connections
 * @near_port: local port, 0 for any
 * @far_port: remote port, 0 for any
 */
unsigned time_waits_left(uint16_t near_port, uint16_t far_port)
{
	static const struct timespec pause = { .tv_nsec = 1000000 };

	for (int waited_ms = 0; waited_ms < DEADLINE_MS; waited_ms++) {
		unsigned time_waits = sockets_listed(near_port, far_port, TCP_TIME_WAIT);

		if (sockets_listed(near_port, far_port, 0) == time_waits)
			return time_waits;
		nanosleep(&pause, NULL);
	}
	errno = ETIMEDOUT;
	give_up("a closed connection does not end");
}
