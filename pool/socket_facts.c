// SPDX-License-Identifier: Apache-2.0
/* socket_facts - what the kernel says of a socket. */
#include "socket_facts.h"

#include "hot.h"
#include "kernel.h"
#include "restraint.h"
#include "socket_progress.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

uint64_t socket_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);
	return kernel.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) ? 0 : cookie;
}

unsigned socket_tcp_state(int fd)
{
	uint8_t state = 0; /* tcpi_state is the first byte of struct tcp_info; a short buffer is allowed */
	socklen_t length = sizeof(state);
	return kernel.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &length) ? 0 : state;
}

static int number_option(int fd, int level, int name)
{
	int value = 0;
	socklen_t length = sizeof(value);
	return kernel.getsockopt(fd, level, name, &value, &length) ? 0 : value;
}

static bool pinned(int fd)
{
	char device[IFNAMSIZ] = "";
	socklen_t length = sizeof(device);

	if (number_option(fd, IPPROTO_IP, IP_TRANSPARENT))
		return true;
	return kernel.getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &length) == 0 && length > 0 &&
	       *device;
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
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)
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
	if (pinned(fd))
		out->flags |= PINNED;
	return true;
}

/* A socket whose state recv() leaves open: still connecting, shut down, or in error. */
COLD static struct ending_facts ending_by_state(int fd, uint32_t flags)
{
	struct ending_facts facts = { .how = ENDED_BY_RESET };

	switch (socket_tcp_state(fd)) {
	case TCP_SYN_SENT:
	case TCP_SYN_RECV:
		facts.gave_up = true;
		break;
	case TCP_CLOSE_WAIT:
	case TCP_LAST_ACK:
		facts.how = ENDED_BY_PEER;
		break;
	case TCP_CLOSE:
		/* Over already. After both FINs, the kernel has a TIME_WAIT of its own if ours was first. */
		facts.error = number_option(fd, SOL_SOCKET, SO_ERROR);
		if (flags & FIN_SENT_FIRST && !facts.error)
			facts.how = ENDED_TIME_WAIT;
		break;
	default:
		if (!(flags & ABORTS_ON_CLOSE))
			facts.how = ENDED_TIME_WAIT;
	}
	return facts;
}

HOT static inline struct ending_facts ending_of(int fd, uint8_t state, uint32_t flags)
{
	struct ending_facts facts = { .how = ENDED_BY_RESET };
	bool open_both_ways = state == SOCKET_OPEN && !(flags & WAS_SHUT);
	char byte;

	if (open_both_ways && flags & ABORTS_ON_CLOSE)
		return facts;
	long rc = kernel.recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
	if (likely(rc == -EAGAIN && open_both_ways)) {
		facts.how = ENDED_TIME_WAIT;
	} else if (rc == -EBADF || rc == -ENOTSOCK || restraint_shut_in()) {
		facts.stranger = true;
	} else if (rc > 0 && flags & FIN_SENT_FIRST && socket_tcp_state(fd) == TCP_CLOSE) {
		/* Both FINs have gone: the TIME_WAIT is there, whatever was left unread (tcp_fin(),
		 * net/ipv4/tcp_input.c). */
		facts = ending_by_state(fd, flags);
	} else if (rc > 0) {
		/* Unread data makes close() send RST (tcp_close(), net/ipv4/tcp.c; RFC 2525 section 2.17). */
		facts.how = ENDED_BY_RESET;
	} else if (rc == 0 && !(flags & WAS_SHUT)) {
		facts.how = ENDED_BY_PEER;
	} else if (rc == -ECONNRESET || rc == -EPIPE) {
		facts.how = ENDED_BY_RESET;
	} else if (rc < 0 && rc != -EAGAIN && rc != -ENOTCONN) {
		facts.error = (int)-rc; /* recv() took it out of SO_ERROR */
	} else {
		facts = ending_by_state(fd, flags);
	}
	return facts;
}

HOT struct ending_facts socket_ending(int fd, uint8_t state, uint32_t flags)
{
	struct ending_facts facts = ending_of(fd, state, flags);

	if (unlikely(flags & TELL_TURNED_AWAY) && !facts.error &&
	    (facts.how == ENDED_BY_PEER || facts.how == ENDED_BY_RESET) && !facts.stranger && !facts.gave_up)
		facts.turned_away = socket_turned_away(fd, &facts.asked);
	return facts;
}
