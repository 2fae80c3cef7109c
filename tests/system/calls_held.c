// SPDX-License-Identifier: Apache-2.0
/* calls_held - the cases about sockets that somebody else holds as well, another process or another thread:
 * whoever closes first must take nothing away from whoever looks later */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int opened(int listener, int *accepted)
{
	int fd = tcp(AF_INET, 0);

	if (connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE))
		perror("connect");
	*accepted = accept(listener, NULL, NULL);
	return fd;
}

/* The peer resets the connection, and that has come. */
static void reset(int accepted, int fd)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(accepted, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(accepted);
	poll(&(struct pollfd){ .fd = fd }, 1, -1); /* POLLERR and POLLHUP are always told of (poll(2)) */
}

static void read_on(int fd)
{
	char bytes[8];

	CALL(read(fd, bytes, sizeof(bytes)));
	CALL(read(fd, bytes, sizeof(bytes)));
}

static int peer = -1;

/* Forks by @fork_it; the parent does @before and closes @fd, then the child does @look. */
static void closed_by_parent(pid_t (*fork_it)(void), int fd, void (*look)(int fd), void (*before)(int fd))
{
	int ends[2];
	char byte;

	if (pipe(ends))
		perror("pipe");
	pid_t child = fork_it();
	if (!child) {
		close(ends[1]);
		close(peer);
		while (read(ends[0], &byte, 1) > 0)
			;
		look(fd);
		fflush(stdout);
		_exit(0);
	}
	close(ends[0]);
	before(fd);
	CALL(close(fd));
	close(ends[1]);
	waitpid(child, NULL, 0);
}

static void reset_by_peer(int fd)
{
	reset(peer, fd);
}

static pid_t by_syscall(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

/* As a program does that has no libc in between: no hook sees it. */
static pid_t unseen(void)
{
#if defined(__x86_64__)
	long rc = SYS_fork;
	__asm__ volatile("syscall" : "+a"(rc) : : "rcx", "r11", "memory");
	return (pid_t)rc;
#else
	return fork();
#endif
}

static void reset_and_closed(pid_t (*fork_it)(void))
{
	int fd = opened(server(), &peer);

	closed_by_parent(fork_it, fd, read_on, reset_by_peer);
}

static void by_fork(void)
{
	reset_and_closed(fork);
}

static void by_raw_fork(void)
{
	reset_and_closed(by_syscall);
}

static void *idle(void *argument)
{
	(void)argument;
	pause();
	return NULL;
}

static void beside_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, idle, NULL);
	reset_and_closed(unseen);
}

static void wait_for_error(int fd)
{
	poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
}

static void ask_error(int fd)
{
	so_error(fd);
	so_error(fd);
}

static void refused_and_closed(void)
{
	int fd = tcp(AF_INET, SOCK_NONBLOCK);

	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	closed_by_parent(fork, fd, ask_error, wait_for_error);
}

static void shut_then_reset(void)
{
	int fd = opened(server(), &peer);

	CALL(shutdown(fd, SHUT_WR));
	closed_by_parent(fork, fd, read_on, reset_by_peer);
}

static void unread_data_stays(void)
{
	int fd = opened(server(), &peer);

	CALL(write(peer, "abc", 3));
	poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1);
	closed_by_parent(fork, fd, read_on, reset_by_peer);
}

/* Passed over a socket and taken up again, as another process would. Return: its new number. */
static bool by_syscall_number;

static int pass_on(int fd)
{
	int pair[2], number;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	char byte = 'x';
	struct iovec piece = { &byte, 1 };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control.room) };

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	CALL(by_syscall_number ? syscall(SYS_sendmsg, pair[0], &message, 0) : sendmsg(pair[0], &message, 0));
	CALL(recvmsg(pair[1], &message, 0));
	memcpy(&number, CMSG_DATA(&control.header), sizeof(number));
	return number;
}

static void passed_on(void)
{
	int accepted, fd = opened(server(), &accepted);
	int number = pass_on(fd);

	reset(accepted, fd);
	CALL(close(fd));
	read_on(number);
}

static void passed_on_by_number(void)
{
	by_syscall_number = true;
	passed_on();
}

/* Bound when somebody else has the socket already, who then asks. */
static void bound_when_passed_on(void)
{
	int fd = tcp(AF_INET, 0);
	int number = pass_on(fd);

	CALL(bind(fd, ipv4("127.0.0.9", 0), V4_SIZE));
	printf("the kernel gave it %s port\n", kernel_port(number) ? "a" : "no");
}

static void ask_name(int fd)
{
	show_name(fd, true);
}

static void bind_it(int fd)
{
	CALL(bind(fd, ipv4("127.0.0.9", 0), V4_SIZE));
}

static void bound_after_fork(void)
{
	closed_by_parent(fork, tcp(AF_INET, 0), ask_name, bind_it);
}

static void doubled_then_closed(int (*duplicate)(int fd))
{
	int accepted, fd = opened(server(), &accepted);
	int copy = duplicate(fd);

	reset(accepted, fd);
	CALL(close(fd));
	read_on(copy);
	CALL(close(copy));
}

static int by_number(int fd)
{
	return (int)syscall(SYS_dup, fd);
}

static int by_fcntl_number(int fd)
{
	return (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

static void duplicated_then_closed(void)
{
	doubled_then_closed(dup);
	close_all();
	doubled_then_closed(by_number);
	close_all();
	doubled_then_closed(by_fcntl_number);
}

/* The other way to close: another file takes the number. */
static void reset_and_replaced(int fd)
{
	int other = tcp(AF_INET, 0);

	reset_by_peer(fd);
	CALL(dup2(other, fd) == fd);
}

static void replaced(void)
{
	int fd = opened(server(), &peer);

	closed_by_parent(fork, fd, read_on, reset_and_replaced);
}

const struct call_case held_cases[] = {
	{ "held-reset", by_fork },
	{ "held-reset-raw-fork", by_raw_fork },
	{ "held-reset-unseen-fork", beside_a_thread },
	{ "held-refused", refused_and_closed },
	{ "held-shut-reset", shut_then_reset },
	{ "held-unread", unread_data_stays },
	{ "held-passed-on", passed_on },
	{ "held-passed-on-by-number", passed_on_by_number },
	{ "held-duplicated", duplicated_then_closed },
	{ "held-replaced", replaced },
	{ "held-bound-when-passed-on", bound_when_passed_on },
	{ "held-bound-after-fork", bound_after_fork },
	{ NULL, NULL },
};
