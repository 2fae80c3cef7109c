// SPDX-License-Identifier: Apache-2.0
/* time_wait - who closes first keeps the tuple; a reset, sent or provoked, leaves none
 *
 * RFC 9293 section 3.6; close() with unread data sends RST (RFC 2525 section 2.17, tcp_close()).
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void expect_left(const char *what, uint16_t port, unsigned here, unsigned there)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: TIME_WAIT here", what);
	expect_count(text, time_waits_left(0, port), here);
	expect_count("there", time_waits_left(port, 0), there);
}

static void await_end(int fd)
{
	char byte;

	await_events(fd, POLLIN);
	if (recv(fd, &byte, 1, 0) != 0)
		give_up("recv: no end of file");
}

int main(void)
{
	int pair[2];
	char byte;

	netns_enter();

	connected_pair("127.0.0.1", 5001, pair);
	close(pair[0]);
	await_end(pair[1]);
	close(pair[1]);
	expect_left("we close first", 5001, 1, 0);

	connected_pair("127.0.0.1", 5002, pair);
	close(pair[1]);
	await_end(pair[0]);
	close(pair[0]);
	expect_left("peer closes first", 5002, 0, 1);

	connected_pair("127.0.0.1", 5003, pair);
	abort_close(pair[0]);
	await_events(pair[1], POLLHUP);
	close(pair[1]);
	expect_left("SO_LINGER {1, 0}", 5003, 0, 0);

	connected_pair("127.0.0.1", 5004, pair);
	if (send(pair[1], "x", 1, 0) != 1)
		give_up("send");
	await_events(pair[0], POLLIN);
	close(pair[0]);
	await_events(pair[1], POLLHUP);
	expect_error("close() with unread data: peer's recv()", recv(pair[1], &byte, 1, 0) < 0 ? errno : 0,
		     ECONNRESET);
	close(pair[1]);
	expect_left("and then", 5004, 0, 0);

	/* tcp_rcv_state_process(), net/ipv4/tcp_input.c: over as soon as the FIN is acknowledged, be it by
	 * the peer's. */
	connected_pair("127.0.0.1", 5005, pair);
	int none = -1;
	socklen_t size = sizeof(none);
	if (setsockopt(pair[0], IPPROTO_TCP, TCP_LINGER2, &none, size))
		give_up("TCP_LINGER2");
	expect("TCP_LINGER2 below 0 is read back",
	       !getsockopt(pair[0], IPPROTO_TCP, TCP_LINGER2, &none, &size) && none < 0);
	close(pair[0]);
	await_end(pair[1]);
	close(pair[1]);
	expect_left("TCP_LINGER2 below 0, we close first", 5005, 0, 0);
	return verdict();
}
