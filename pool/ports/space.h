// SPDX-License-Identifier: Apache-2.0
/* space - the ports of a network namespace: which of them connect() may take at all, and who takes them
 * away.
 *
 * A blocked port is lost to every source and destination: its bind bucket holds a socket that was bound
 * explicitly, that listens, or that a listener accepted (__inet_hash_connect(), net/ipv4/inet_hashtables.c).
 * The kernel's list shows listeners and bound-only sockets. Of any other socket it does not tell whether
 * connect() picked its port: such a port is doubtful, until port_space_ask().
 */
#ifndef HEADROOM_POOL_PORTS_SPACE_H
#define HEADROOM_POOL_PORTS_SPACE_H

#include "pool/ports/kernel_view.h"
#include "pool/ports/range.h"

enum blocked_by { BLOCKED_NOT, BLOCKED_LISTEN, BLOCKED_BOUND, BLOCKED_ASKED, BLOCKED_WAYS };

struct port_note {
	uint32_t inode;  /* of the socket that blocks it, else of the first one seen; 0: no process has it */
	uint8_t blocked; /* enum blocked_by */
	uint8_t state;   /* of that socket */
	uint8_t sockets; /* seen on this port; 255 stands for more */
	bool reserved : 1, asked : 1;
};

/* How far to ask, and how far that came. All zero: every doubtful port, however long it takes. */
struct port_asking {
	uint64_t limit_ns; /* no question after so long; 0: no limit */
	uint16_t from;     /* the port to begin with, in the range; out: where to go on */
};

struct port_space {
	struct port_range range;
	bool timestamps;         /* net.ipv4.tcp_timestamps: without them no TIME_WAIT is handed out again */
	bool bound_only_hidden;  /* any port may be held by a bound-only socket that was not listed */
	struct address asked_at; /* where port_space_ask() connects to */
	struct port_note ports[65536];
};

/**
 * port_space_start() - range and reserved ports of the calling process's network namespace; no sockets yet
 * Return: false when /proc/sys does not tell
 */
bool port_space_start(struct port_space *space);

/**
 * port_space_see() - enter one socket of a kernel view
 */
void port_space_see(struct port_space *space, const struct socket_seen *seen);

/**
 * port_space_visit() - the same, as kernel_view_read() calls it
 * @space:	a struct port_space
 */
void port_space_visit(const struct socket_seen *seen, void *space);

static inline bool port_space_usable(const struct port_space *space, unsigned port)
{
	return !space->ports[port].reserved && space->ports[port].blocked == BLOCKED_NOT;
}

/**
 * port_space_pickable() - may a connection from this port be one that connect() picked the port for?
 *
 * The far ends of connections to a listener here are not: their port is blocked, or not in the range.
 */
static inline bool port_space_pickable(const struct port_space *space, unsigned port)
{
	return port >= space->range.low && port <= space->range.high && port_space_usable(space, port);
}

/**
 * port_space_capacity() - ports that each tuple space has, by what is known of them
 */
uint32_t port_space_capacity(const struct port_space *space);

/**
 * port_space_doubtful() - may this port be blocked, for all that is known?
 */
bool port_space_doubtful(const struct port_space *space, unsigned port);

/**
 * port_space_doubt() - how many ports of the range are doubtful
 */
uint32_t port_space_doubt(const struct port_space *space);

/**
 * port_space_answer() - enter what the kernel said of a doubtful port
 */
void port_space_answer(struct port_space *space, unsigned port, bool blocked);

/**
 * port_space_ask() - ask the kernel about doubtful ports of the range
 *
 * For one port IP_LOCAL_PORT_RANGE is set to it, and a socket connected to a loopback port where nobody
 * listens: EADDRNOTAVAIL means blocked (tests/kernel_facts/one_port_oracle.c). The connection is refused at
 * once and leaves no TIME_WAIT. Only ports that hold a socket are asked for, so that no bind() of a server
 * finds one taken by us. It takes some 20 us a port.
 *
 * @asking:	NULL: all of them
 * Return: 0 all were asked; -ETIME at the limit; or a negative errno: -ENOPROTOOPT before Linux 6.3
 */
int port_space_ask(struct port_space *space, struct port_asking *asking);

#endif
