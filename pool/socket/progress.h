// SPDX-License-Identifier: Apache-2.0
/* progress - how far a connection has come; the socket is as it was. */
#ifndef HEADROOM_POOL_SOCKET_PROGRESS_H
#define HEADROOM_POOL_SOCKET_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum progress {
	PROGRESS_NONE,      /* no TCP socket, or one that listens */
	PROGRESS_UNDER_WAY, /* no answer to its SYN yet, or none was sent */
	PROGRESS_UP,        /* the peer has answered, and not ended it */
	PROGRESS_OVER,      /* it failed, or the peer has ended it */
};

struct socket_progress {
	enum progress so_far;
	bool data_came; /* from the peer, besides FIN */
	uint32_t round_trip_us;
	uint32_t silent_ms; /* since data came last; where none did, since it came up */
};

/**
 * socket_look() - ask the kernel, by TCP_INFO (tests/kernel_facts/turned_away.c)
 */
void socket_look(int fd, struct socket_progress *out);

/**
 * socket_sent_more() - has the connection sent, or taken to be sent, more bytes @than that?
 * Return: false where the kernel does not tell (before Linux 4.19)
 */
bool socket_sent_more(int fd, uint64_t than);

/**
 * socket_turned_away() - has the peer ended a connection at once, without a byte of answer?
 * @asked:	filled in: false if the kernel does not tell
 */
bool socket_turned_away(int fd, bool *asked);

#endif
