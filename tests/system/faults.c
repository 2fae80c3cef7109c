// SPDX-License-Identifier: Apache-2.0
/* faults - a client for runs in which system calls of the shim fail
 *
 * faults [HOST]: waits for SIGUSR1, so that a tracer may attach. From there on it makes itself none of the
 * calls that are made to fail, or makes them so that the case can tell which are its own, and says all
 * results at the end with one writev(). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPEN_PORT = 5000, CLOSED_PORT = 5999 };

static const char *host = "127.0.0.1";
static char said[8192];
static size_t length;

static void say(const char *what, long result)
{
	int error = errno;

	length += (size_t)snprintf(said + length, sizeof(said) - length, "%s %ld %s\n", what, result,
				   result < 0 ? strerrorname_np(error) : "");
}

static int connected(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, host, &to.sin_addr);
	say("socket", fd);
	errno = 0;
	say("connect", connect(fd, (const struct sockaddr *)&to, sizeof(to)));
	say("errno", errno);
	return fd;
}

static void use(int fd)
{
	char byte = 'x';
	struct iovec part = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	say("sendmsg", sendmsg(fd, &message, MSG_NOSIGNAL));
	say("recvmsg", recvmsg(fd, &message, MSG_DONTWAIT));
}

static void have_child(bool shares_memory)
{
	int status = 0;
	pid_t pid = shares_memory ? vfork() : fork();

	if (!pid && shares_memory) {
		for (int fd = 3; fd < 16; fd++)
			close(fd);
		_exit(3);
	}
	if (!pid) {
		int fd = connected(OPEN_PORT);
		_exit(fd >= 0 && close(fd) == 0 ? 4 : 5);
	}
	say("waitpid", waitpid(pid, &status, 0) == pid);
	say("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

int main(int argc, char **argv)
{
	sigset_t begin;
	int number;

	if (argc > 1)
		host = argv[1];
	sigemptyset(&begin);
	sigaddset(&begin, SIGUSR1);
	sigprocmask(SIG_BLOCK, &begin, NULL);
	struct iovec out = { .iov_base = "ready\n", .iov_len = 6 };
	ssize_t ignored = writev(1, &out, 1);
	while (sigwait(&begin, &number))
		;
	int fds[12];
	for (int i = 0; i < 12; i++)
		fds[i] = connected(i == 4 ? CLOSED_PORT : OPEN_PORT);
	use(fds[0]);
	say("close", close(fds[0]));
	say("shutdown", shutdown(fds[1], SHUT_WR));
	say("close", close(fds[1]));
	say("dup2", dup2(fds[2], fds[3]));
	say("close", close(fds[2]));
	use(fds[3]);
	say("close", close(fds[4]));
	have_child(false);
	have_child(true);
	use(fds[5]);
	int again = connected(OPEN_PORT);
	use(again);
	out = (struct iovec){ .iov_base = said, .iov_len = length };
	ignored = writev(1, &out, 1);
	(void)ignored;
	return 7;
}
