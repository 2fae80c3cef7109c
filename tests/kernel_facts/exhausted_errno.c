// SPDX-License-Identifier: Apache-2.0
/* exhausted_errno - which call fails, and how, when a source is not local or a tuple space is full
 *
 * EADDRNOTAVAIL has two meanings; the call that returns it tells them apart.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

static int try_bind(const char *ip, bool no_port)
{
	int fd = new_socket(&(struct attempt){ .to = ip });
	int error = bind_to(fd, ip, 0, no_port);

	close(fd);
	return error;
}

static int try_connect(bool blocking, bool fast_open)
{
	int fd = new_socket(&(struct attempt){ .to = "127.0.0.1", .blocking = blocking });
	int on = fast_open, error;

	if (fast_open && setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)))
		skip("no TCP_FASTOPEN_CONNECT before Linux 4.11");
	error = connect_to(fd, "127.0.0.1", 5000);
	close(fd);
	return error;
}

static int try_fast_open(uint16_t port, bool blocking)
{
	int fd = new_socket(&(struct attempt){ .to = "127.0.0.1", .blocking = blocking });
	union endpoint to = endpoint("127.0.0.1", port);
	int error =
		sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, &to.any, endpoint_size(&to)) < 0 ? errno : 0;

	abort_close(fd);
	return error == EINPROGRESS ? 0 : error;
}

/* Two sockets, both bound to one explicit port with SO_REUSEADDR, to one destination. */
static int duplicate_tuple(void)
{
	int fds[2], on = 1, error = 0;

	for (unsigned i = 0; i < 2; i++) {
		fds[i] = new_socket(&(struct attempt){ .to = "127.0.0.1", .blocking = true });
		setsockopt(fds[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind_to(fds[i], "127.0.0.1", 41000, false))
			give_up("bind");
	}
	if (connect_to(fds[0], "127.0.0.1", 5001))
		give_up("connect");
	error = connect_to(fds[1], "127.0.0.1", 5001);
	abort_close(fds[0]);
	abort_close(fds[1]);
	return error;
}

int main(void)
{
	struct attempt a = { .to = "127.0.0.1", .port = 5000 };

	netns_enter();
	listener("0.0.0.0", 5000);
	listener("0.0.0.0", 5001);

	expect_error("source not local: bind()", try_bind("192.0.2.1", false), EADDRNOTAVAIL);
	expect_error("with NO_PORT", try_bind("192.0.2.1", true), EADDRNOTAVAIL);
	if (have_ipv6())
		expect_error("IPv6 with NO_PORT", try_bind("2001:db8::1", true), EADDRNOTAVAIL);

	expect_error("room left: MSG_FASTOPEN", try_fast_open(5000, true), 0);
	expect_filled("connections", fill(a), 100);
	expect_error("full: blocking connect()", try_connect(true, false), EADDRNOTAVAIL);
	expect_error("non-blocking connect()", try_connect(false, false), EADDRNOTAVAIL);
	expect_error("blocking MSG_FASTOPEN", try_fast_open(5000, true), EADDRNOTAVAIL);
	expect_error("non-blocking MSG_FASTOPEN", try_fast_open(5000, false), EADDRNOTAVAIL);
	expect_error("TCP_FASTOPEN_CONNECT", try_connect(true, true), EADDRNOTAVAIL);
	expect_error("explicit port, same four values twice", duplicate_tuple(), EADDRNOTAVAIL);
	return verdict();
}
