// SPDX-License-Identifier: Apache-2.0
/* socket_cookie - SO_COOKIE is one number per socket: the same through dup() and connect(), never twice
 *
 * So an fd number that came back as another socket is found out (sock_gen_cookie()).
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size)) {
		if (errno == ENOPROTOOPT)
			skip("no SO_COOKIE before Linux 4.12");
		give_up("SO_COOKIE");
	}
	return cookie;
}

int main(void)
{
	struct attempt a = { .to = "127.0.0.1", .port = 5000, .blocking = true };
	int fd, copy, other, again;
	uint64_t cookie;

	netns_enter();
	listener("127.0.0.1", 5000);
	fd = new_socket(&a);
	other = new_socket(&a);
	cookie = cookie_of(fd);
	copy = dup(fd);
	expect("same through dup()", cookie_of(copy) == cookie);
	expect("differs between sockets", cookie_of(other) != cookie);
	expect("asked twice the same", cookie_of(fd) == cookie);
	if (connect_to(fd, a.to, a.port))
		give_up("connect");
	expect("same after connect()", cookie_of(fd) == cookie && cookie_of(copy) == cookie);
	if (dup2(other, copy) < 0)
		give_up("dup2");
	expect("dup2() brings that of the other socket", cookie_of(copy) == cookie_of(other));
	close(fd);
	again = new_socket(&a);
	expect("fd number reused", again == fd);
	expect("another cookie", cookie_of(again) != cookie);
	errno = 0;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	expect_error("not a socket:",
		     getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &(socklen_t){ sizeof(cookie) }) ? errno
												    : 0,
		     ENOTSOCK);
	return verdict();
}
