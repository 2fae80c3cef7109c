// SPDX-License-Identifier: Apache-2.0
/* sockets - ports, routes and addresses of the fake kernel: bind(), connect(), recv(). */
#include "tests/unit/check.h"
#include "tests/unit/fake/calls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BOUND_PORT = 50000 };

static bool listed(const struct address *list, unsigned count, const struct address *address)
{
	for (unsigned i = 0; i < count; i++)
		if (address_equal(&list[i], address))
			return true;
	return false;
}

static bool taken(const struct address *source, uint16_t port, const struct endpoint *to)
{
	for (int i = 0; i < FAKE_FDS; i++) {
		const struct fake_fd *s = &fake.fds[i];
		bool holds = s->time_wait || (s->used && (s->connected || s->spreading));
		if (holds && s->local.port == port && address_equal(&s->local.ip, source) &&
		    !memcmp(&s->peer, to, sizeof(*to)))
			return true;
	}
	return false;
}

static bool limit_reached(const struct address *source, const struct endpoint *to)
{
	for (unsigned i = 0; i < fake.limit_count; i++) {
		const struct fake_limit *l = &fake.limits[i];
		unsigned used = 0;
		if (!address_equal(&l->source, source) || memcmp(&l->to, to, sizeof(*to)))
			continue;
		for (uint32_t port = fake.low; port <= fake.high; port++)
			used += taken(source, (uint16_t)port, to);
		return used >= l->ports;
	}
	return false;
}

/* Each end of IP_LOCAL_PORT_RANGE counts only inside of the sysctl's range (ip(7)). */
static uint16_t pick_port(const struct fake_fd *s, const struct address *source, const struct endpoint *to)
{
	uint32_t low = s->range & 0xffff, high = s->range >> 16;

	low = low >= fake.low && low <= fake.high ? low : fake.low;
	high = high >= fake.low && high <= fake.high ? high : fake.high;
	/* Of an odd range one port is left out (__inet_hash_connect(), net/ipv4/inet_hashtables.c). */
	if (!s->range && high > low && (high - low) % 2 == 0)
		high--;
	if (limit_reached(source, to))
		return 0;
	for (uint32_t port = low; port <= high; port++)
		if (!taken(source, (uint16_t)port, to))
			return (uint16_t)port;
	return 0;
}

long fake_route_of(const struct address *from, const struct endpoint *to, struct address *source)
{
	bool local = address_is_loopback(&to->ip);

	if (fake.no_route)
		return -fake.no_route;
	*source = *from;
	if (address_is_unset(source) && local)
		*source = address_is_v4(&to->ip) ? ip("127.0.0.1") : to->ip;
	else if (address_is_unset(source))
		*source = address_is_v4(&to->ip) ? fake.natural_v4 : fake.natural_v6;
	if (address_is_loopback(source) && !local)
		return -EINVAL;
	return listed(fake.unroutable, fake.unroutable_count, source) ? -ENETUNREACH : 0;
}

/* The one that IP_LOCAL_PORT_RANGE leaves, or 0. */
static uint16_t one_port(const struct fake_fd *s)
{
	uint16_t low = s->range & 0xffff, high = (uint16_t)(s->range >> 16);
	return low == high && low >= fake.low && low <= fake.high ? low : 0;
}

static long bind_socket(int fd, const struct endpoint *local)
{
	struct fake_fd *s = fake_look_socket(fd);

	if (!s)
		return -EBADF;
	if (s->local.port || s->connected)
		return -EINVAL;
	if (s->family == AF_INET && !address_is_unset(&local->ip) && !address_is_v4(&local->ip))
		return -EAFNOSUPPORT;
	if (listed(fake.not_local, fake.not_local_count, &local->ip))
		return -EADDRNOTAVAIL;
	s->local = *local;
	s->keeps_source |= !address_is_unset(&local->ip);
	if (!address_is_unset(&local->ip) && !address_is_v4(&local->ip))
		s->v6only = 1;
	if (!local->port && !s->no_port)
		s->local.port = one_port(s) ? one_port(s) : (uint16_t)(FIRST_BOUND_PORT + fd);
	return 0;
}

/* A socket that is bound to a port has the TIME_WAIT of the same four values
 * (tests/kernel_facts/named_port.c).
 */
static void take_over(const struct address *source, uint16_t port, const struct endpoint *to)
{
	for (int i = 0; i < FAKE_FDS; i++) {
		struct fake_fd *s = &fake.fds[i];
		if (s->time_wait && s->local.port == port && address_equal(&s->local.ip, source) &&
		    !memcmp(&s->peer, to, sizeof(*to)))
			s->time_wait = false;
	}
}

/* Return: a port, or 0 if none is left. */
static uint16_t port_for(const struct fake_fd *s, const struct address *source, const struct endpoint *to)
{
	if (s->type != SOCK_STREAM)
		return 1;
	if (!s->local.port)
		return pick_port(s, source, to);
	take_over(source, s->local.port, to);
	return taken(source, s->local.port, to) ? 0 : s->local.port;
}

static long connect_socket(struct fake_fd *s, const struct endpoint *to)
{
	struct address source;

	if (s->connected)
		return -EISCONN;
	if (s->spreading)
		return -EALREADY;
	long rc = fake_route_of(&s->local.ip, to, &source);
	if (rc)
		return rc;
	uint16_t port = port_for(s, &source, to);
	if (!port)
		rc = -EADDRNOTAVAIL;
	else if (s->type == SOCK_STREAM)
		rc = fake.connect_result;
	s->connected = !rc;
	s->spreading = rc == -EINPROGRESS || rc == -EINTR;
	s->tcp_state = s->connected ? TCP_ESTABLISHED : s->spreading ? TCP_SYN_SENT : TCP_CLOSE;
	if (s->connected || s->spreading) {
		s->local = (struct endpoint){ .ip = source, .port = port };
		s->peer = *to;
		s->to_recv = -EAGAIN;
	} else if (s->keeps_source) {
		s->local.ip = source;
	}
	return rc;
}

long fake_program_connect(void *argument)
{
	const struct fake_connect *c = argument;
	struct fake_fd *s = fake_look_socket(c->fd);

	fake.program_connects++;
	if (fake.meanwhile)
		fake.meanwhile(fake.meanwhile_argument);
	fake.now_ns += fake.connect_ns;
	if (fake.connect_waits)
		fake.waited_ns += fake.connect_ns;
	return s ? connect_socket(s, &c->to) : -EBADF;
}

long fake_program_bind(void *argument)
{
	const struct fake_bind *b = argument;
	return bind_socket(b->fd, &b->local);
}

long fake_bind(int fd, const void *sa, socklen_t length)
{
	struct endpoint local;
	long rc = fake_enter(CALL_BIND, 0);
	if (rc)
		return rc;
	return endpoint_from_sockaddr(sa, length, &local) ? bind_socket(fd, &local) : -EINVAL;
}

/* connect() to AF_UNSPEC (tcp_disconnect(), net/ipv4/tcp.c). */
static long disconnect_socket(struct fake_fd *s)
{
	s->connected = s->spreading = false;
	s->tcp_state = TCP_CLOSE;
	s->local.port = 0;
	s->sent = s->received = 0;
	s->to_recv = -ENOTCONN;
	return 0;
}

long fake_connect(int fd, const void *sa, socklen_t length)
{
	struct fake_fd *s = fake_look_socket(fd);
	struct endpoint to;
	long rc = fake_enter(CALL_CONNECT, 0);
	if (rc)
		return rc;
	if (s && ((const struct sockaddr *)sa)->sa_family == AF_UNSPEC)
		return disconnect_socket(s);
	return s && endpoint_from_sockaddr(sa, length, &to) ? connect_socket(s, &to) : -EINVAL;
}

long fake_listen(int fd, int backlog)
{
	struct fake_fd *s = fake_look_socket(fd);
	long rc = fake_enter(CALL_LISTEN, 0);
	(void)backlog;
	if (rc)
		return rc;
	if (!s || s->connected || s->spreading)
		return s ? -EINVAL : -EBADF;
	s->tcp_state = TCP_LISTEN;
	s->listened = true;
	s->answers = s->least_ttl < 255;
	return 0;
}

long fake_getsockname(int fd, void *sa, socklen_t *length)
{
	struct fake_fd *s = fake_look_socket(fd);
	struct sockaddr_storage local = { 0 };
	long rc = fake_enter(CALL_GETSOCKNAME, 0);
	if (rc)
		return rc;
	if (!s)
		return -EBADF;
	return fake_answer(sa, length, &local, endpoint_to_sockaddr(&s->local, s->family, &local));
}

long fake_recv(int fd, void *data, size_t size, int flags)
{
	struct fake_fd *s = fake_look(fd);
	long rc = fake_enter(CALL_RECV, 0);
	(void)flags;
	if (rc)
		return rc;
	if (!s)
		return -EBADF;
	if (s->file || s->log_file)
		return -ENOTSOCK;
	return s->family == AF_NETLINK ? fake_netlink_recv(s, data, size) : s->to_recv;
}

void fake_limit(const char *source, const char *to, unsigned ports)
{
	if (fake.limit_count == FAKE_LIMITS)
		abort();
	struct fake_limit *limit = &fake.limits[fake.limit_count++];
	*limit = (struct fake_limit){ .source = ip(source), .to = at(to), .ports = ports };
}

int fake_tcp_socket(int family)
{
	return fake_new_fd(0, &(struct fake_fd){ .family = family,
						 .type = SOCK_STREAM,
						 .protocol = IPPROTO_TCP,
						 .tcp_state = TCP_CLOSE,
						 .to_recv = -ENOTCONN });
}

void fake_close_socket(int fd, bool time_wait)
{
	struct fake_fd *s = fake_fd(fd);
	s->used = s->connected = s->spreading = false;
	s->time_wait = time_wait;
}
