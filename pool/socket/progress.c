// SPDX-License-Identifier: Apache-2.0
/* progress - how far a connection has come; the socket is as it was. */
#include "pool/socket/progress.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>

/* Not in <linux/tcp.h>; <netinet/tcp.h> has them but another struct tcp_info (net/tcp_states.h). */
enum { ESTABLISHED = 1, SYN_SENT = 2, SYN_RECV = 3, FIN_WAIT1 = 4, FIN_WAIT2 = 5, CLOSE = 7, LISTEN = 10 };

/* A connection that ends later was not turned away: the peer had other reasons. */
enum { AT_ONCE_MS = 2000 };

static bool info_of(int fd, struct tcp_info *info)
{
	socklen_t length = sizeof(*info);

	return !kernel.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &length) &&
	       length >= offsetof(struct tcp_info, tcpi_data_segs_out);
}

COLD void socket_look(int fd, struct socket_progress *out)
{
	struct tcp_info info = { 0 };

	*out = (struct socket_progress){ 0 };
	if (!info_of(fd, &info))
		return;
	/* The state is read first, without the socket's lock (tcp_get_info()): a connect() of another thread
	 * may have come between. */
	if (info.tcpi_state == CLOSE && info.tcpi_segs_out && !info_of(fd, &info))
		return;
	switch (info.tcpi_state) {
	case 0:
	case LISTEN:
		return;
	case SYN_SENT:
	case SYN_RECV:
		out->so_far = PROGRESS_UNDER_WAY;
		break;
	case ESTABLISHED:
	case FIN_WAIT1:
	case FIN_WAIT2:
		out->so_far = PROGRESS_UP;
		break;
	case CLOSE:
		/* Without a SYN its connect() is still to come: another thread is about to call it. */
		out->so_far = info.tcpi_segs_out ? PROGRESS_OVER : PROGRESS_UNDER_WAY;
		break;
	default:
		out->so_far = PROGRESS_OVER;
	}
	out->data_came = info.tcpi_data_segs_in;
	out->round_trip_us = info.tcpi_rtt;
	out->silent_ms = info.tcpi_last_data_recv;
}

COLD bool socket_sent_more(int fd, uint64_t than)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	return !kernel.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) &&
	       length >= offsetof(struct tcp_info, tcpi_dsack_dups) &&
	       info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes > than;
}

COLD bool socket_turned_away(int fd, bool *asked)
{
	struct socket_progress progress;

	socket_look(fd, &progress);
	*asked = progress.so_far != PROGRESS_NONE;
	return progress.so_far == PROGRESS_OVER && !progress.data_came && progress.silent_ms < AT_ONCE_MS;
}
