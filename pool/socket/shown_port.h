// SPDX-License-Identifier: Apache-2.0
/* shown_port - connect() of a socket whose port the program was shown right after bind(ip, 0).
 *
 * Theory of operation
 *
 * Java, Erlang and others call getsockname() after bind(ip, 0) and before connect(). So the port is made real
 * (deferral.h), and a port that bind() gave is taken from connect() on every source to every destination of
 * the namespace, for as long as the connection lasts. The program wants the number, not that. So at connect()
 * the socket gives its port back and takes the same one as connect() takes ports, for this destination alone:
 *
 *   setsockopt(IP_LOCAL_PORT_RANGE), port to port
 *   listen(), connect(AF_UNSPEC)
 *   the program's connect()
 *
 * The kernel forgets the port, and keeps the source (tcp_disconnect(), net/ipv4/tcp.c;
 * tests/kernel_facts/shown_port.c). What could be seen of that?
 *
 * For a microsecond the socket listens. What arrives meanwhile is dropped by its TTL (IP_MINTTL), so nobody
 * is answered, but for who sends with a TTL of 255 from a neighbouring link.
 *
 * A listener that becomes none wakes who waits on it, and listen() and AF_UNSPEC reset a few options. So it
 * is done only if nothing but the usual was done to the socket since socket(), see shown_port_keeps(), and
 * not where another fd, process or epoll set has it, or where SIGIO was asked for. A seccomp filter from
 * before the start may not know listen() in a client: then it is not done.
 *
 * Between the two connect() another connection may take the very port. Where bind() can still have it, bind()
 * takes it again, as plain Linux has it. Else the connection gets another port, and getsockname() shows that
 * one from then on: it is one of the exceptions of docs/users/shim.md.
 *
 * While the socket listens all signals are held off, and the shim's lock is held, so that nobody closes the
 * fd and gets another socket under its number. None of these calls can block.
 *
 * Where it is not done, or the kernel has no IP_LOCAL_PORT_RANGE, the port stays as bind() gave it. */
#ifndef HEADROOM_POOL_SOCKET_SHOWN_PORT_H
#define HEADROOM_POOL_SOCKET_SHOWN_PORT_H

#include "pool/socket/tracked.h"

enum shown_stage {
	SHOWN_NOT,         /* nothing to do */
	SHOWN_KEPT,        /* the port stays as bind() gave it */
	SHOWN_MAY,         /* it may be exchanged */
	SHOWN_RELEASED,    /* given back; connect() is to take it */
	SHOWN_BOUND_AGAIN, /* connect() could not: bound as before */
	SHOWN_LOST,        /* taken by another: any port will do */
	SHOWN_OTHER,       /* bound to any port */
};

struct shown_port {
	uint16_t port;
	uint8_t stage; /* enum shown_stage */
};

/**
 * shown_port_keeps() - is an option one that exchanging the port does not take away, nor makes doubtful?
 * @level, @name: of setsockopt(2)
 */
bool shown_port_keeps(int level, int name);

/**
 * shown_port_note() - the port was made real for getsockname(); the lock is held
 */
void shown_port_note(struct sockets *sockets, struct tracked *tracked);

/**
 * shown_port_may() - may the port of a socket that is to be connected be exchanged? The lock is held
 */
bool shown_port_may(struct sockets *sockets, const struct tracked *tracked);

/**
 * shown_port_release() - give the port back, so that the program's connect() can take it; without the lock
 * @shown:	SHOWN_MAY; then SHOWN_RELEASED, and shown_port_end() is to follow, or SHOWN_KEPT
 */
void shown_port_release(struct sockets *sockets, const struct held *held, int fd, struct shown_port *shown);

/**
 * shown_port_again() - connect() has said EADDRNOTAVAIL: make another try possible; without the lock
 * Return: false if there is none: the program is to get EADDRNOTAVAIL
 */
bool shown_port_again(struct sockets *sockets, const struct held *held, int fd, struct shown_port *shown);

/**
 * shown_port_restore() - the program's connect() was not made after all: its socket is to have the port
 */
void shown_port_restore(struct sockets *sockets, const struct held *held, int fd, struct shown_port *shown);

/**
 * shown_port_end() - the program's connect() is over
 */
void shown_port_end(int fd, const struct shown_port *shown);

/**
 * shown_port_is_shared() - was the port taken for this destination alone?
 */
static inline bool shown_port_is_shared(const struct shown_port *shown)
{
	return shown->stage == SHOWN_RELEASED || shown->stage == SHOWN_LOST;
}

/**
 * shown_port_say_kept() - log, once, that a port was not exchanged; without the lock
 */
void shown_port_say_kept(struct sockets *sockets);

#endif
