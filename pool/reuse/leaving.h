// SPDX-License-Identifier: Apache-2.0
/* leaving - end a connection as a guest does: by FIN, as any client, and without a TIME_WAIT.
 *
 * Theory of operation
 *
 * A close() sends a FIN and leaves a TIME_WAIT, which takes a port for a minute. A reset takes none, but a
 * server that reads at that moment gets an error which no client would have given it: some log it, some die
 * of it. So the FIN goes first (shutdown()), and the reset only once the server has closed, too, when nobody
 * there looks at the connection any more. But when its FIN arrives the kernel makes the TIME_WAIT at once. So
 * a socket filter drops that FIN, and the socket's count of drops tells that it came (tcp_v4_rcv() and
 * tcp_filter(), net/ipv4/tcp_ipv4.c; SO_ATTACH_FILTER, socket(7); SO_MEMINFO, net/core/sock.c:
 * SK_MEMINFO_DROPS). The server's kernel waits for the acknowledgement, and the reset is that (RFC
 * 9293, 3.10.7.4, LAST-ACK). A FIN that has data with it is let in: that the server had more to say counts
 * for more than a TIME_WAIT.
 *
 * At exit, and when fds or the pool are wanted at once, it is close(), as the program would have closed
 * it. */
#ifndef HEADROOM_POOL_REUSE_LEAVING_H
#define HEADROOM_POOL_REUSE_LEAVING_H

#include <stdbool.h>
#include <stdint.h>

/* How long it may take: afterwards it is closed as any other. */
enum { LEAVING_MOST_MS = 200, LEAVING_LOOK_MS = 1, LEAVING_MOST = 64 };

/**
 * leaving_begins() - send the FIN, and have that of the server dropped
 * Return: false if it is to be closed in the ordinary way
 */
bool leaving_begins(int fd);

/**
 * leaving_given_up() - it is to be closed in the ordinary way after all
 */
void leaving_given_up(int fd);

/**
 * leaving_is_over() - has the server closed it, too?
 */
bool leaving_is_over(int fd);

#endif
