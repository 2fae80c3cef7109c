// SPDX-License-Identifier: Apache-2.0
/* socket_seen - one TCP socket as the kernel lists it. */
#ifndef HEADROOM_POOL_PORTS_SOCKET_SEEN_H
#define HEADROOM_POOL_PORTS_SOCKET_SEEN_H

#include "pool/base/address.h"

/* include/net/tcp_states.h. Bound-only (has a port, neither listens nor is connected) is listed from
 * Linux 6.8 on. */
enum socket_state {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT,
	STATE_SYN_RECV,
	STATE_FIN_WAIT1,
	STATE_FIN_WAIT2,
	STATE_TIME_WAIT,
	STATE_CLOSE,
	STATE_CLOSE_WAIT,
	STATE_LAST_ACK,
	STATE_LISTEN,
	STATE_CLOSING,
	STATE_NEW_SYN_RECV,
	STATE_BOUND_ONLY,
	SOCKET_STATES,
};

enum { SOCKET_QUIET_UNKNOWN = 0xffffffffu };

/* IPv4-mapped addresses are IPv4 (struct address). */
struct socket_seen {
	struct endpoint source, destination;
	uint32_t interface;  /* index of the interface the socket is bound to, else 0 */
	uint32_t uid;        /* of its owner; 0 for TIME_WAIT */
	uint32_t inode;      /* 0 when no process holds it: TIME_WAIT, not yet accepted, closed */
	uint32_t expires_ms; /* until its timer ends: of a TIME_WAIT, until it goes; 0 without a timer */
	uint32_t receive_queue, send_queue; /* bytes; of a listener its queue and the limit of it */
	uint32_t quiet_ms; /* since the peer was heard last; SOCKET_QUIET_UNKNOWN unless asked for */
	uint8_t state;     /* enum socket_state */
	uint8_t retransmits;
	uint8_t family; /* the socket's, AF_INET or AF_INET6 */
};

/* Its SYN was sent again: nothing, not even a refusal, came back. */
static inline bool socket_is_unanswered(const struct socket_seen *seen)
{
	return seen->state == STATE_SYN_SENT && seen->retransmits;
}

typedef void socket_visitor(const struct socket_seen *seen, void *context);

/**
 * socket_state_name() - "ESTABLISHED", "TIME_WAIT", ...
 */
const char *socket_state_name(unsigned state);

#endif
