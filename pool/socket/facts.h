// SPDX-License-Identifier: Apache-2.0
/* facts - what the kernel says of a socket. */
#ifndef HEADROOM_POOL_SOCKET_FACTS_H
#define HEADROOM_POOL_SOCKET_FACTS_H

#include "pool/ledger/ledger.h"
#include "pool/socket/tracked.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * socket_cookie() - SO_COOKIE, the same for every fd of a socket and never given twice (socket(7))
 * Return: 0 if @fd is no socket
 */
uint64_t socket_cookie(int fd);

/**
 * socket_tcp_state() - TCP_ESTABLISHED and so on of <netinet/tcp.h>
 * Return: 0 if @fd is no TCP socket
 */
unsigned socket_tcp_state(int fd);

/**
 * socket_local() - its address and port, by getsockname(2)
 * Return: false if it is no IP socket
 */
bool socket_local(int fd, struct endpoint *out);

/**
 * socket_port() - the local port
 * Return: 0 if there is none
 */
uint16_t socket_port(int fd);

/**
 * socket_is_quiet() - is the connection open both ways, with nothing of the peer's to be read?
 *
 * Changes nothing of the socket, for whoever holds it besides.
 */
bool socket_is_quiet(int fd);

/**
 * socket_waits_not() - is TCP_LINGER2 below 0? Closed by us first the socket leaves no TIME_WAIT then
 *
 * The kernel is asked, as what it takes for that depends on its version (do_tcp_setsockopt(),
 * net/ipv4/tcp.c).
 */
bool socket_waits_not(int fd);

/**
 * socket_inquire() - all that is known of a socket whose making was not seen
 * @out:	flags, family and bound source are filled in
 * Return: false if @fd is not a TCP (or MPTCP) socket over IPv4 or IPv6
 */
bool socket_inquire(int fd, struct tracked *out);

/**
 * socket_inquire_at_home() - the same; false as well for one of another network namespace (routes/network.h)
 */
bool socket_inquire_at_home(int fd, struct tracked *out);

/**
 * socket_class() - the traffic class that a socket has, whichever family it will be used for
 * @class:	0 when it has none
 * Return: HAS_CLASS of enum socket_flag if it has one; PINNED too if that of IPv4 is not that of IPv6
 */
uint32_t socket_class(int fd, int family, uint8_t *class);

/* What close() of a socket's last fd will mean. */
struct ending_facts {
	bool stranger;    /* the fd is another socket than the one that was tracked */
	bool gave_up;     /* it never was connected */
	bool asked;       /* whether the peer turned it away: */
	bool turned_away; /* ended it at once, without a byte */
	uint16_t port;    /* the program's own, where a TIME_WAIT is to come; else 0 */
	int error;        /* errno of an attempt that failed unseen, or 0 */
	enum ending how;  /* otherwise */
};

/**
 * socket_ending() - look at a socket just before its last fd is closed
 * @state:	enum socket_state, SOCKET_CONNECTING or SOCKET_OPEN
 * @flags:	HAS_PORT, ABORTS_ON_CLOSE, NO_TIME_WAIT, FIN_SENT_FIRST, WAS_SHUT, LOOK_CLOSELY, and
 * TELL_TURNED_AWAY to have an end by the peer looked into
 * @alone:	nobody else holds the socket, nor is in a call on it: the error it may have need not be left
 * in it
 *
 * One system call for a connection that is known to be open and was not shut down.
 */
struct ending_facts socket_ending(int fd, uint8_t state, uint32_t flags, bool alone);

#endif
