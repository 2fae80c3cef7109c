// SPDX-License-Identifier: Apache-2.0
/* tuple_space - the ports from one source to one destination: what holds each, how many are left. */
#ifndef HEADROOM_POOL_PORTS_TUPLE_SPACE_H
#define HEADROOM_POOL_PORTS_TUPLE_SPACE_H

#include "pool/ports/space.h"

/* A socket bound to an interface has a tuple space of its own, beside those of unbound ones with the same
 * addresses (inet_match(), include/net/inet_hashtables.h). A link-local destination binds to its scope by
 * itself. */
struct tuple_key {
	struct address source;
	struct endpoint destination;
	uint32_t interface;
	uint32_t reserved_zero;
};

struct tuple_port {
	uint32_t inode;
	uint8_t state;   /* enum socket_state; 0: nobody holds it here */
	bool unanswered; /* a SYN that was sent again */
};

struct tuple_space {
	struct tuple_key key;
	uint16_t low, high;
	uint32_t outside;         /* sockets of the four values with a port that is not in the range */
	struct tuple_port *ports; /* high - low + 1 of them */
};

/* Each port of the range counts once: reserved, else blocked, else in use, else headroom. */
struct tuple_count {
	uint32_t range, reserved, blocked[BLOCKED_WAYS], blocked_all;
	uint32_t capacity, by_state[SOCKET_STATES], in_use, headroom;
	uint32_t doubtful;   /* of the headroom: ports that may be blocked, for all that is known */
	uint32_t reusable;   /* of those in use: TIME_WAITs that tcp_tw_reuse lets connect() take over */
	uint32_t unanswered; /* of those in use: SYNs that were sent again, as no answer came */
	uint32_t knee;       /* ports in use, by plain connect() calls, when the first parity is used up */
	bool past_knee;      /* none of the first parity is left */
	uint32_t
		plain; /* headroom that is sure for sockets without IP_LOCAL_PORT_RANGE; less in odd ranges */
};

/**
 * tuple_space_start() - empty, for the range of a port space
 * Return: false when memory is short
 */
bool tuple_space_start(struct tuple_space *space, const struct tuple_key *key,
		       const struct port_space *ports);

/**
 * tuple_space_end() - give its memory back
 */
void tuple_space_end(struct tuple_space *space);

/**
 * tuple_key_of() - the tuple space in which a socket holds a port
 * Return: false if it is in none: it listens, or has no peer
 */
bool tuple_key_of(const struct socket_seen *seen, struct tuple_key *key);

/**
 * tuple_space_see() - enter a socket of this tuple space
 */
void tuple_space_see(struct tuple_space *space, const struct socket_seen *seen);

/**
 * tuple_space_count() - what is left, by what is known of the ports now
 */
void tuple_space_count(const struct tuple_space *space, const struct port_space *ports,
		       struct tuple_count *count);

/**
 * tuple_reusable() - may connect() take over a TIME_WAIT of this tuple space (tcp_twsk_unique(),
 * net/ipv4/tcp_ipv4.c)?
 */
bool tuple_reusable(const struct tuple_key *key, const struct port_space *ports);

#endif
