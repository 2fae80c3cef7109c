// SPDX-License-Identifier: Apache-2.0
/* tcp_info_state - what TCP_INFO says just before close() tells who will hold the TIME_WAIT
 *
 * ESTABLISHED: we close first. CLOSE_WAIT: the peer did. The trap: after shutdown(SHUT_WR) and the peer's
 * close the socket of a still open fd is already TCP_CLOSE, for tcp_time_wait() has replaced it.
 */
#include "netns.h"
#include "probe.h"
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned state_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = offsetof(struct tcp_info, tcpi_ca_state);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
		give_up("TCP_INFO");
	return info.tcpi_state;
}

int main(void)
{
	int pair[2];
	unsigned state;

	netns_enter();

	connected_pair("127.0.0.1", 5001, pair);
	expect_count("open on both sides: TCP_INFO state", state_of(pair[0]), TCP_ESTABLISHED);
	close(pair[0]);
	close(pair[1]);
	expect_count("closed: TIME_WAIT here", time_waits_left(0, 5001), 1);

	connected_pair("127.0.0.1", 5002, pair);
	close(pair[1]);
	await_events(pair[0], POLLRDHUP);
	expect_count("peer closed: state", state_of(pair[0]), TCP_CLOSE_WAIT);
	close(pair[0]);
	expect_count("closed: TIME_WAIT here", time_waits_left(0, 5002), 0);

	connected_pair("127.0.0.1", 5003, pair);
	shutdown(pair[0], SHUT_WR);
	await_events(pair[1], POLLIN);
	/* The peer may delay its ACK of our FIN, so either of the two. */
	state = state_of(pair[0]);
	expect("shutdown(SHUT_WR): state 4 or 5", state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2);
	close(pair[1]);
	await_events(pair[0], POLLHUP);
	expect_count("then the peer closed: state", state_of(pair[0]), TCP_CLOSE);
	expect_count("fd still open: TIME_WAIT here", time_waits_left(0, 5003), 1);
	close(pair[0]);
	expect_count("closed: TIME_WAIT here", time_waits_left(0, 5003), 1);
	return verdict();
}
