// SPDX-License-Identifier: Apache-2.0
/* faults - a client for runs in which system calls of the shim fail
 *
 * faults HOST [MODE]: waits for SIGUSR1, so that a tracer may attach. From there on it makes itself none of
 * the calls that are made to fail, or makes them so that the case can tell which are its own, and says all
 * results at the end with one writev(). MODE:
 *   all		connects, uses, duplicates, closes, forks
 *   keeps		closes nothing, and says of an fd only that there is one
 *   threads		4 threads connect and close
 *   exchanges		asks a server of tag.c, one connection after the other
 *   watched		the same, each connection registered with epoll before connect()
 *   crowds		the same server, several connections at a time, which do not block and are closed by
 *			close_range(): of close() it makes none
 *   renewed		asks a server of its own, which closes a connection between the client's next
 *			connect() and what it sends */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	OPEN_PORT = 5000,
	OWN_PORT = 5001,
	CLOSED_PORT = 5999,
	THREADS = 4,
	ROUNDS = 20,
	EXCHANGES = 8,
	CROWD = 3,
	CROWDS = 4,
	RENEWALS = 4,
	QUIET_MS =
		25, /* of a server that nothing is known of, before a connection is handed out: conduct.h */
};

static const char *host;
static bool says_numbers = true;
static char said[8192];
static size_t length;

static void say(const char *what, long result)
{
	int error = errno;

	length += (size_t)snprintf(said + length, sizeof(said) - length, "%s %ld %s\n", what, result,
				   result < 0 ? strerrorname_np(error) : "");
}

static int connect_to(int fd, unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	inet_pton(AF_INET, host, &to.sin_addr);
	return connect(fd, (const struct sockaddr *)&to, sizeof(to));
}

static int connected(unsigned port)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	say("socket", says_numbers ? fd : fd >= 0);
	errno = 0;
	say("connect", connect_to(fd, port));
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

static void do_all(void)
{
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
}

static void keep_all(void)
{
	says_numbers = false;
	for (int i = 0; i < 12; i++) {
		int fd = connected(i == 4 ? CLOSED_PORT : OPEN_PORT);
		if (i % 4 == 1)
			use(fd);
	}
}

static atomic_int started, opened, closed, ended;

static void *connect_and_close(void *unused)
{
	(void)unused;
	/* All at once. Nobody waits here by futex(2), which may be what fails. */
	started++;
	while (started < THREADS)
		sched_yield();
	for (int i = 0; i < ROUNDS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		opened += connect_to(fd, OPEN_PORT) == 0;
		closed += close(fd) == 0;
	}
	ended++;
	while (pause())
		;
	return NULL;
}

static void race(void)
{
	pthread_t thread;

	for (int i = 0; i < THREADS; i++)
		say("pthread_create", pthread_create(&thread, NULL, connect_and_close, NULL));
	while (ended < THREADS)
		sched_yield();
	say("opened", opened);
	say("closed", closed);
}

/* If this is the call that was made to fail, as the shim has made none since the last one that was, the next
 * is not. */
static int watch(int epoll, int fd, struct epoll_event *event)
{
	int rc = epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event);

	return rc ? epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event) : rc;
}

static void exchange(int number, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)number };
	char text[64], reply[64] = "";
	struct iovec part = { .iov_base = text, .iov_len = (size_t)sprintf(text, "raw ok/%d.\n", number) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	say("socket", fd);
	if (epoll >= 0)
		say("epoll_ctl", watch(epoll, fd, &event));
	say("connect", connect_to(fd, OPEN_PORT));
	say("sendmsg", sendmsg(fd, &message, MSG_NOSIGNAL));
	if (epoll >= 0) {
		say("epoll_wait", epoll_wait(epoll, &event, 1, -1));
		say("data", event.data.u32);
	}
	part = (struct iovec){ .iov_base = reply, .iov_len = sizeof(reply) - 1 };
	ssize_t size = recvmsg(fd, &message, 0);
	/* What follows is the server's number of the connection. */
	say("its own reply",
	    size > 0 && !strncmp(reply + 1, text + 7, (size_t)(strchr(text, '.') - text - 6)));
	say("close", close(fd));
}

/* Several at once: more than are parked, so some are retired. */
static void crowd(int round)
{
	struct pollfd waits[CROWD];
	char text[64], reply[64];

	for (int i = 0; i < CROWD; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		waits[i] = (struct pollfd){ .fd = fd, .events = POLLOUT };
		say("socket", says_numbers ? fd : fd >= 0);
		errno = 0;
		say("connect", connect_to(fd, OPEN_PORT));
		say("errno", errno);
		say("poll", poll(&waits[i], 1, -1));
		say("writable", waits[i].revents == POLLOUT);
	}
	for (int i = 0; i < CROWD; i++) {
		struct iovec part = { .iov_base = text,
				      .iov_len = (size_t)sprintf(text, "raw ok/%d.\n", round * CROWD + i) };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
		say("sendmsg", sendmsg(waits[i].fd, &message, MSG_NOSIGNAL));
		waits[i].events = POLLIN;
		say("poll", poll(&waits[i], 1, -1));
		part = (struct iovec){ .iov_base = reply, .iov_len = sizeof(reply) };
		ssize_t size = recvmsg(waits[i].fd, &message, 0);
		say("its own reply", size > 0 && !strncmp(reply + 1, text + 7, strcspn(text + 7, ".")));
	}
	for (int i = 0; i < CROWD; i++)
		say("close_range", close_range((unsigned)waits[i].fd, (unsigned)waits[i].fd, 0));
}

/* The server's end, which it closes and waits until the client has been told, or knew. */
static void end(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	shutdown(fd, SHUT_WR);
	do
		getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	while (info.tcpi_state != TCP_CLOSE && info.tcpi_state != TCP_FIN_WAIT2 &&
	       info.tcpi_state != TCP_TIME_WAIT);
	close(fd);
}

/* Return: the next connection that is used. */
static int serve_next(int listener)
{
	char request[64];

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (recv(fd, request, sizeof(request), 0) > 0) {
			send(fd, request, 10, MSG_NOSIGNAL);
			return fd;
		}
		close(fd);
	}
}

/* In a process that nothing is injected into. Its orders are to close the connection it has. */
static void serve(int orders)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(OWN_PORT) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	char byte = 0;

	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 8))
		_exit(1);
	send(orders, &byte, 1, MSG_NOSIGNAL);
	for (int fd = serve_next(listener); recv(orders, &byte, 1, 0) == 1; fd = serve_next(listener)) {
		end(fd);
		send(orders, &byte, 1, MSG_NOSIGNAL);
	}
	_exit(0);
}

/* The server listens, not the client: what connects to itself is never parked. Return: by what the server
 * gets its orders. */
static int start_server(void)
{
	int orders[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, orders))
		_exit(1);
	if (!fork()) {
		close(orders[0]);
		serve(orders[1]);
	}
	close(orders[1]);
	if (recv(orders[0], &byte, 1, 0) != 1)
		_exit(1);
	return orders[0];
}

static void renew(int round, int orders)
{
	char text[16], reply[64];
	struct iovec part = { .iov_base = text, .iov_len = (size_t)sprintf(text, "request %d\n", round) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	say("socket", fd >= 0);
	say("connect", connect_to(fd, OWN_PORT));
	if (round) {
		struct iovec order = { .iov_base = reply, .iov_len = 1 };
		say("order", writev(orders, &order, 1));
		say("done", readv(orders, &order, 1));
	}
	say("sendmsg", sendmsg(fd, &message, MSG_NOSIGNAL));
	part = (struct iovec){ .iov_base = reply, .iov_len = sizeof(reply) };
	say("recvmsg", recvmsg(fd, &message, 0));
	say("its own reply", !memcmp(reply, text, 10));
	say("close_range", close_range((unsigned)fd, (unsigned)fd, 0));
}

/* Until what was parked may be handed out. */
static void be_quiet(void)
{
	const struct timespec time = { .tv_nsec = QUIET_MS * 1000000 };

	nanosleep(&time, NULL);
}

static void exchange_all(bool watched)
{
	int epoll = watched ? epoll_create1(EPOLL_CLOEXEC) : -1;

	for (int i = 0; i < EXCHANGES; i++) {
		exchange(i, epoll);
		be_quiet();
	}
}

static void crowd_all(void)
{
	/* What the shim cannot close may be in the way of the program's numbers. */
	says_numbers = false;
	for (int round = 0; round < CROWDS; round++) {
		crowd(round);
		be_quiet();
		if (round != CROWDS / 2)
			continue;
		/* What is parked is the child's too. */
		int status = 0;
		pid_t pid = fork();
		if (!pid)
			_exit(3);
		say("waitpid", waitpid(pid, &status, 0) == pid);
		say("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "all";
	sigset_t begin;
	int number, orders = -1;

	host = argc > 1 ? argv[1] : "127.0.0.1";
	sigemptyset(&begin);
	sigaddset(&begin, SIGUSR1);
	sigprocmask(SIG_BLOCK, &begin, NULL);
	if (!strcmp(mode, "renewed"))
		orders = start_server();
	struct iovec out = { .iov_base = "ready\n", .iov_len = 6 };
	ssize_t ignored = writev(1, &out, 1);
	while (sigwait(&begin, &number))
		;
	if (!strcmp(mode, "keeps"))
		keep_all();
	else if (!strcmp(mode, "threads"))
		race();
	else if (!strcmp(mode, "crowds"))
		crowd_all();
	else if (orders >= 0)
		for (int round = 0; round < RENEWALS; round++) {
			renew(round, orders);
			be_quiet();
		}
	else if (!strcmp(mode, "exchanges") || !strcmp(mode, "watched"))
		exchange_all(mode[0] == 'w');
	else
		do_all();
	out = (struct iovec){ .iov_base = said, .iov_len = length };
	ignored = writev(1, &out, 1);
	(void)ignored;
	return 7;
}
