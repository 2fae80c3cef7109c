// SPDX-License-Identifier: Apache-2.0
/* turned_away - TCP_INFO tells of a connection that is over whether the peer ever sent a byte
 *
 * tcpi_data_segs_in counts segments with data, and no FIN; tcpi_bytes_received counts a FIN as a byte. A
 * reset that the program has read leaves no error behind, and recv() then says end of file. Until data came
 * tcpi_last_data_recv is the time since the connection was made. tcpi_segs_out tells a connect() that is
 * still to come from one that was refused: both are TCP_CLOSE. (Until the program is told that: then the
 * socket is as new, tcp_disconnect().)
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ESTABLISHED = 1, CLOSE = 7, CLOSE_WAIT = 8 }; /* net/tcp_states.h */

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
		give_up("TCP_INFO");
	expect("TCP_INFO reaches to tcpi_data_segs_in",
	       size > __builtin_offsetof(struct tcp_info, tcpi_data_segs_in));
	return info;
}

int main(void)
{
	struct linger linger = { 1, 0 };
	struct tcp_info info;
	int pair[2];
	char byte;

	netns_enter();

	struct sockaddr_in nobody = { .sin_family = AF_INET,
				      .sin_port = htons(5000),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	expect_count("before connect(): state", info_of(fd).tcpi_state, CLOSE);
	expect_count("before connect(): segments", info_of(fd).tcpi_segs_out, 0);
	expect("begun", connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)) && errno == EINPROGRESS);
	await_events(fd, POLLHUP);
	expect_count("refused: state", info_of(fd).tcpi_state, CLOSE);
	expect_count("refused: segments", info_of(fd).tcpi_segs_out, 1);
	expect("told", connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)) && errno == ECONNREFUSED);
	expect_count("told: segments, as of a new one", info_of(fd).tcpi_segs_out, 0);
	close(fd);

	connected_pair("127.0.0.1", 5001, pair);
	setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(pair[1]);
	await_events(pair[0], POLLHUP);
	expect("reset: the program reads ECONNRESET", recv(pair[0], &byte, 1, 0) < 0 && errno == ECONNRESET);
	expect("then end of file", recv(pair[0], &byte, 1, 0) == 0);
	info = info_of(pair[0]);
	expect_count("reset: state", info.tcpi_state, CLOSE);
	expect_count("reset: segments with data", info.tcpi_data_segs_in, 0);
	expect("reset: up for less than DEADLINE_MS", info.tcpi_last_data_recv < DEADLINE_MS);
	close(pair[0]);

	connected_pair("127.0.0.1", 5002, pair);
	close(pair[1]);
	await_events(pair[0], POLLRDHUP);
	info = info_of(pair[0]);
	expect_count("closed: state", info.tcpi_state, CLOSE_WAIT);
	expect_count("closed: segments with data", info.tcpi_data_segs_in, 0);
	expect("closed: a byte received, the FIN", info.tcpi_bytes_received == 1);
	close(pair[0]);

	connected_pair("127.0.0.1", 5003, pair);
	if (send(pair[1], "x", 1, 0) != 1)
		give_up("send");
	await_events(pair[0], POLLIN);
	expect_count("a byte came: state", info_of(pair[0]).tcpi_state, ESTABLISHED);
	close(pair[1]);
	await_events(pair[0], POLLRDHUP);
	expect("a byte came: segments with data", info_of(pair[0]).tcpi_data_segs_in >= 1);
	close(pair[0]);
	return verdict();
}
