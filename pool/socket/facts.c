// SPDX-License-Identifier: Apache-2.0
/* facts - what the kernel says of a socket.
 *
 * Theory of operation
 *
 * How a connection ends
 *
 * recv() and SO_ERROR take away the error that others who hold the socket are to be told. So where a
 * thread, a child made since the start or whoever got it by SCM_RIGHTS may hold it, socket_ending() makes
 * one ppoll(), and asks TCP_INFO and SIOCINQ if that is not silent (ending_among_others()). Where nobody
 * can, it makes one recv(MSG_PEEK | MSG_DONTWAIT), which takes 0.14 us less, for a connection that was not
 * shut down:
 *
 *   before the close                                  the end                          port
 *
 *   SO_LINGER {1, 0}, open (nothing is asked)         reset                            free
 *   recv() > 0: unread data, close() sends RST        reset                            free
 *     (tcp_close(), net/ipv4/tcp.c; RFC 2525, 2.17)
 *   recv() = 0: the peer closed first                 by the peer                      free
 *   EAGAIN, open both ways: we close first            TIME_WAIT                        taken for 60 s
 *   ECONNRESET, EPIPE                                 reset                            free
 *   another error                                     the attempt failed, or reset     free
 *                                                     if it was open
 *   EBADF, ENOTSOCK: the number is something else     unseen                           free
 *   after shutdown(), or still spreading, TCP_INFO decides:
 *     SYN_SENT, SYN_RECV                              given up                         free
 *     CLOSE_WAIT, LAST_ACK                            by the peer                      free
 *     CLOSE                                           TIME_WAIT if our FIN went first, else reset
 *     any other                                       TIME_WAIT, unless SO_LINGER {1, 0}
 *
 * Whose FIN was first hook_shutdown() remembers (RFC 9293, 3.6), as TCP_INFO says CLOSE afterwards
 * although there is a TIME_WAIT (tests/kernel_facts/tcp_info_state.c). */
#include "pool/socket/facts.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/restraint.h"
#include "pool/routes/network.h"
#include "pool/routes/options.h"
#include "pool/socket/progress.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

/* A second time where the kernel does not say that this is no socket: what is not known to be ours is never
 * closed, and its server would wait for ever. */
uint64_t socket_cookie(int fd)
{
	uint64_t cookie = 0;
	long rc = -EINTR;

	for (int tries = 0; tries < 2 && rc && rc != -EBADF && rc != -ENOTSOCK; tries++) {
		socklen_t length = sizeof(cookie);
		rc = kernel.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length);
	}
	return rc ? 0 : cookie;
}

unsigned socket_tcp_state(int fd)
{
	uint8_t state = 0; /* tcpi_state is the first byte of struct tcp_info; a short buffer is allowed */
	socklen_t length = sizeof(state);
	return kernel.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &length) ? 0 : state;
}

COLD bool socket_local(int fd, struct endpoint *out)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);

	return !kernel.getsockname(fd, &sa, &length) && endpoint_from_sockaddr(&sa, length, out);
}

COLD uint16_t socket_port(int fd)
{
	struct endpoint local;

	return socket_local(fd, &local) ? local.port : 0;
}

static int number_option(int fd, int level, int name)
{
	int value = 0;
	socklen_t length = sizeof(value);
	return kernel.getsockopt(fd, level, name, &value, &length) ? 0 : value;
}

uint32_t socket_class(int fd, int family, uint8_t *class)
{
	uint8_t v4 = traffic_class(fd, AF_INET), v6 = family == AF_INET6 ? traffic_class(fd, AF_INET6) : 0;

	*class = v4 | v6;
	return !*class ? 0 : v4 && v6 && v4 != v6 ? HAS_CLASS | PINNED : HAS_CLASS;
}

COLD bool socket_waits_not(int fd)
{
	return number_option(fd, IPPROTO_TCP, TCP_LINGER2) < 0;
}

COLD bool socket_inquire(int fd, struct tracked *out)
{
	enum { WHOLE_RANGE_BY_US = (int)0xffff0001u };
	int protocol = number_option(fd, SOL_SOCKET, SO_PROTOCOL);
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);
	struct endpoint local;
	struct linger linger = { 0 };
	socklen_t linger_length = sizeof(linger);

	*out = (struct tracked){ 0 };
	/* A raw socket may be of TCP's packets (raw(7)). */
	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP) ||
	    number_option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return false;
	if (kernel.getsockname(fd, &sa, &length) || !endpoint_from_sockaddr(&sa, length, &local))
		return false;
	out->family = (uint8_t)sa.ss_family;
	if (local.port)
		out->flags |= HAS_PORT;
	if (!address_is_unset(&local.ip)) {
		out->flags |= HAS_SOURCE;
		out->bound = local.ip;
	}
	if (number_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT))
		out->flags |= OWN_NO_PORT;
	int range = number_option(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE);
	if (range)
		out->flags |= range == WHOLE_RANGE_BY_US ? RANGE_BY_US : OWN_RANGE;
	if (number_option(fd, SOL_SOCKET, SO_REUSEPORT))
		out->flags |= REUSES_PORT;
	if (!kernel.getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &linger_length) && linger.l_onoff &&
	    !linger.l_linger)
		out->flags |= ABORTS_ON_CLOSE;
	if (socket_waits_not(fd))
		out->flags |= NO_TIME_WAIT;
	out->flags |= socket_class(fd, out->family, &out->traffic_class);
	if (routing_options_of(fd))
		out->flags |= PINNED;
	return true;
}

COLD bool socket_inquire_at_home(int fd, struct tracked *out)
{
	return socket_inquire(fd, out) && network_is_home(fd);
}

/* Bytes that came and were not read; an urgent one apart is not counted (tcp_inq(), include/net/tcp.h). */
static int unread(int fd)
{
	int bytes = 0;
	return kernel.ioctl(fd, SIOCINQ, &bytes) ? 0 : bytes;
}

/* Data, an end, an error, as poll(2) has it: 0 if it is quiet, -1 if that is not known. */
static int what_is_there(int fd)
{
	static const struct timespec at_once = { 0 };
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDHUP };
	long rc = kernel.ppoll(&p, 1, &at_once);

	return likely(rc == 0) ? 0 : rc < 0 ? -1 : p.revents;
}

bool socket_is_quiet(int fd)
{
	int there = what_is_there(fd);
	return there == 0 || (there < 0 && socket_tcp_state(fd) == TCP_ESTABLISHED && !unread(fd));
}

/* The SYN is counted as a byte acknowledged (tcp_clean_rtx_queue(), net/ipv4/tcp_input.c). */
static bool was_connected(int fd)
{
	/* struct tcp_info of <linux/tcp.h>, which <netinet/tcp.h> does not go with. */
	enum { BYTES_ACKED_AT = 120 };
	uint8_t info[BYTES_ACKED_AT + sizeof(uint64_t)] = { 0 };
	socklen_t length = sizeof(info);
	uint64_t acked;

	if (kernel.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &length) || length < sizeof(info))
		return true;
	memcpy(&acked, info + BYTES_ACKED_AT, sizeof(acked));
	return acked;
}

struct look {
	int fd;
	uint8_t state;
	uint32_t flags;
	bool alone;
	bool error;    /* it has one, if which is not known */
	bool peer_end; /* the peer's FIN has come, or we shut it for reading */
	enum { MAYBE_UNREAD, ALL_READ, UNREAD } data;
};

static bool has_unread(const struct look *l)
{
	return l->data == MAYBE_UNREAD ? unread(l->fd) : l->data == UNREAD;
}

/* Over already. After both FINs the kernel has a TIME_WAIT of its own if ours was first, whatever was left
 * unread (tcp_fin(), net/ipv4/tcp_input.c). */
COLD static struct ending_facts ending_closed(const struct look *l)
{
	struct ending_facts facts = { .how = ENDED_BY_RESET };

	if (l->alone)
		facts.error = number_option(l->fd, SOL_SOCKET, SO_ERROR);
	if (l->flags & FIN_SENT_FIRST && !facts.error && !l->error)
		facts.how = ENDED_TIME_WAIT;
	else if (l->state == SOCKET_CONNECTING && !facts.error)
		facts.gave_up = !was_connected(l->fd);
	return facts;
}

/* The peer's FIN is told to poll(2) before the state is changed (tcp_fin(), net/ipv4/tcp_input.c), and
 * TCP_INFO reads the state before it takes the lock (tcp_get_info(), net/ipv4/tcp.c): while another processor
 * takes the FIN in, the first answer may be the state before it. A second is not: the first has waited for
 * the lock. */
static unsigned state_of(const struct look *l)
{
	unsigned state = socket_tcp_state(l->fd);

	if (unlikely(l->peer_end && l->flags & FIN_SENT_FIRST &&
		     (state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2)))
		state = socket_tcp_state(l->fd);
	return state;
}

/* A socket whose TCP state tells: still spreading, shut down, in error, or held by others besides. */
COLD static struct ending_facts ending_by_state(const struct look *l)
{
	struct ending_facts facts = { .how = ENDED_BY_RESET };

	switch (state_of(l)) {
	case 0:
		facts.stranger = true;
		break;
	case TCP_SYN_SENT:
	case TCP_SYN_RECV:
		facts.gave_up = true;
		break;
	case TCP_CLOSE:
		return ending_closed(l);
	case TCP_CLOSE_WAIT:
	case TCP_LAST_ACK:
		/* Unread data makes close() send RST (tcp_close(), net/ipv4/tcp.c; RFC 2525 section 2.17). */
		if (!has_unread(l))
			facts.how = ENDED_BY_PEER;
		break;
	default:
		if (!(l->flags & (ABORTS_ON_CLOSE | NO_TIME_WAIT)) && !has_unread(l))
			facts.how = ENDED_TIME_WAIT;
	}
	return facts;
}

static inline bool open_both_ways(uint8_t state, uint32_t flags)
{
	return state == SOCKET_OPEN && !(flags & (WAS_SHUT | LOOK_CLOSELY | NO_TIME_WAIT));
}

/* recv() and SO_ERROR take the error away that others who hold the socket are to be told (sock_error(),
 * include/net/sock.h); to poll, and to ask for the state, changes nothing. */
static struct ending_facts ending_among_others(int fd, uint8_t state, uint32_t flags)
{
	int there = what_is_there(fd);

	if (likely(there == 0 && open_both_ways(state, flags)))
		return (struct ending_facts){ .how = ENDED_TIME_WAIT };
	return ending_by_state(&(struct look){ .fd = fd,
					       .state = state,
					       .flags = flags,
					       .error = there > 0 && there & POLLERR,
					       .peer_end = there > 0 && there & POLLRDHUP });
}

/* recv() is one system call less, and a cheaper one. */
HOT static struct ending_facts ending_alone(int fd, uint8_t state, uint32_t flags)
{
	struct ending_facts facts = { .how = ENDED_BY_RESET };
	char byte;

	long rc = kernel.recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
	if (likely(rc == -EAGAIN && open_both_ways(state, flags)))
		facts.how = ENDED_TIME_WAIT;
	else if (rc == -EBADF || rc == -ENOTSOCK || restraint_shut_in())
		facts.stranger = true;
	else if (rc == 0 && !(flags & WAS_SHUT))
		facts.how = ENDED_BY_PEER;
	else if (rc == -ECONNRESET || rc == -EPIPE)
		facts.how = ENDED_BY_RESET;
	else if (rc < 0 && rc != -EAGAIN && rc != -ENOTCONN)
		facts.error = (int)-rc; /* recv() took it out of SO_ERROR */
	else if (rc <= 0 || flags & FIN_SENT_FIRST)
		facts = ending_by_state(&(struct look){ .fd = fd,
							.state = state,
							.flags = flags,
							.alone = true,
							.data = rc > 0 ? UNREAD : ALL_READ });
	return facts;
}

HOT static inline struct ending_facts ending_of(int fd, uint8_t state, uint32_t flags, bool alone)
{
	if (open_both_ways(state, flags) && flags & ABORTS_ON_CLOSE)
		return (struct ending_facts){ .how = ENDED_BY_RESET };
	return likely(alone) ? ending_alone(fd, state, flags) : ending_among_others(fd, state, flags);
}

HOT struct ending_facts socket_ending(int fd, uint8_t state, uint32_t flags, bool alone)
{
	struct ending_facts facts = ending_of(fd, state, flags, alone);

	if (unlikely(flags & TELL_TURNED_AWAY) && !facts.error &&
	    (facts.how == ENDED_BY_PEER || facts.how == ENDED_BY_RESET) && !facts.stranger &&
	    !facts.gave_up) {
		/* Or recv() has told the program why it never came up, and none is left to be seen. */
		facts.gave_up = state == SOCKET_CONNECTING && !was_connected(fd);
		if (!facts.gave_up)
			facts.turned_away = socket_turned_away(fd, &facts.asked);
	}
	if (unlikely(flags & HAS_PORT) && facts.how == ENDED_TIME_WAIT)
		facts.port = socket_port(fd);
	return facts;
}
