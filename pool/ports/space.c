// SPDX-License-Identifier: Apache-2.0
/* space - the ports of a network namespace: which of them connect() may take at all, and who takes them
 * away. */
#include "pool/ports/space.h"

#include "pool/base/clock.h"
#include "pool/base/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void reserve(unsigned long first, unsigned long last, void *context)
{
	struct port_space *space = context;
	for (unsigned long port = first; port <= last && port < 65536; port++)
		space->ports[port].reserved = true;
}

bool port_space_start(struct port_space *space)
{
	char timestamps[16];

	memset(space, 0, sizeof(*space));
	if (!port_range_read(&space->range))
		return false;
	port_range_each_reserved(reserve, space);
	space->timestamps =
		kernel_read_file("/proc/sys/net/ipv4/tcp_timestamps", timestamps, sizeof(timestamps)) <= 0 ||
		atoi(timestamps) != 0;
	return true;
}

/* How a socket blocks its port, going by its state. */
static enum blocked_by blocked_by_state(unsigned state)
{
	return state == STATE_LISTEN       ? BLOCKED_LISTEN
	       : state == STATE_BOUND_ONLY ? BLOCKED_BOUND
					   : BLOCKED_NOT;
}

void port_space_see(struct port_space *space, const struct socket_seen *seen)
{
	struct port_note *note = &space->ports[seen->source.port];
	enum blocked_by by = blocked_by_state(seen->state);

	if (!seen->source.port)
		return;
	if (note->sockets < UINT8_MAX)
		note->sockets++;
	/* A listener explains the connections it accepted, on the same port. */
	if (note->sockets == 1 || (by && note->blocked != BLOCKED_LISTEN)) {
		note->inode = seen->inode;
		note->state = seen->state;
	}
	/* The interface may belong to a VRF, whose ports are others (inet_bind_bucket_match(),
	 * net/ipv4/inet_hashtables.c): then the port is no more than doubtful. */
	if (by && !seen->interface && note->blocked != BLOCKED_LISTEN)
		note->blocked = (uint8_t)by;
}

void port_space_visit(const struct socket_seen *seen, void *space)
{
	port_space_see(space, seen);
}

uint32_t port_space_capacity(const struct port_space *space)
{
	uint32_t capacity = 0;

	for (unsigned port = space->range.low; port <= space->range.high; port++)
		capacity += port_space_usable(space, port);
	return capacity;
}

bool port_space_doubtful(const struct port_space *space, unsigned port)
{
	const struct port_note *note = &space->ports[port];
	return port_space_usable(space, port) && !note->asked && (note->sockets || space->bound_only_hidden);
}

/* Return: a port of 1..1023 on which no socket was seen; 0 if there is none */
static uint16_t closed_port(const struct port_space *space)
{
	for (uint16_t port = 1; port < 1024; port++)
		if (!space->ports[port].sockets)
			return port;
	return 0;
}

static long new_socket(void)
{
	return kernel_private_fd(kernel.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/* Return: 1 blocked, 0 usable, or a negative errno. EINPROGRESS is usable too: somebody drops the SYN. */
static int ask_port(long *fd, unsigned port, const struct sockaddr_storage *to, socklen_t length)
{
	uint32_t only = port | port << 16;

	if (*fd < 0)
		*fd = new_socket();
	if (*fd < 0)
		return (int)*fd;
	long rc = kernel.setsockopt((int)*fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &only, sizeof(only));
	if (rc)
		return (int)rc;
	rc = kernel.connect((int)*fd, to, length);
	if (rc == -EADDRNOTAVAIL)
		return 1;
	/* After a refusal the socket can be used again; after all else it may hold on to its port. */
	if (rc != -ECONNREFUSED) {
		kernel.close((int)*fd);
		*fd = -1;
	}
	return rc && rc != -ECONNREFUSED && rc != -EINPROGRESS && rc != -ETIMEDOUT ? (int)rc : 0;
}

uint32_t port_space_doubt(const struct port_space *space)
{
	uint32_t doubt = 0;

	for (unsigned port = space->range.low; port <= space->range.high; port++)
		doubt += port_space_doubtful(space, port);
	return doubt;
}

void port_space_answer(struct port_space *space, unsigned port, bool blocked)
{
	struct port_note *note = &space->ports[port];
	enum blocked_by by = blocked_by_state(note->state);

	note->asked = true;
	if (blocked)
		note->blocked = (uint8_t)(by ? by : BLOCKED_ASKED);
}

int port_space_ask(struct port_space *space, struct port_asking *asking)
{
	struct endpoint closed = { .ip = address_from_v4(htonl(INADDR_LOOPBACK)),
				   .port = closed_port(space) };
	struct port_asking everything = { 0 };
	struct sockaddr_storage to;
	socklen_t length = endpoint_to_sockaddr(&closed, AF_INET, &to);
	const unsigned low = space->range.low, size = space->range.high - low + 1u;
	const uint64_t began_ns = clock_ns();
	long fd = -1;
	int answer = 0;

	if (!closed.port)
		return -EADDRINUSE;
	asking = asking ? asking : &everything;
	unsigned first = asking->from >= low && asking->from <= space->range.high ? asking->from - low : 0;
	for (unsigned i = 0; i < size && answer >= 0; i++) {
		unsigned port = low + (first + i) % size;
		if (!port_space_doubtful(space, port))
			continue;
		asking->from = (uint16_t)port;
		if (asking->limit_ns && clock_since(began_ns, clock_ns()) >= asking->limit_ns)
			answer = -ETIME;
		else if ((answer = ask_port(&fd, port, &to, length)) >= 0)
			port_space_answer(space, port, answer);
	}
	if (fd >= 0)
		kernel.close((int)fd);
	return answer < 0 ? answer : 0;
}
