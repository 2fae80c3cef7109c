// SPDX-License-Identifier: Apache-2.0
/* process_number - fd numbers that are closed, or are not, in uncommon ways: what is counted afterwards is
 * what is open */
#include "process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void not_replacing(char **arguments)
{
	struct rlimit files;
	int fds[5];

	(void)arguments;
	open_some(fds, 5, MAIN_PORT);
	int high = dup2(fds[4], 50);
	close(fds[4]);
	/* Without O_CLOEXEC musl 1.2.3 makes it a dup2(). */
	say("dup3 %d", dup3(0, fds[0], 0x7ff | O_CLOEXEC));
	say("dup2 %d", dup2(99, fds[1]));
	say("close_range %d", close_range((unsigned)fds[2], (unsigned)fds[2], 8));
	getrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ .rlim_cur = 20, .rlim_max = files.rlim_max });
	int refused = dup2(0, high);
	setrlimit(RLIMIT_NOFILE, &files);
	say("beyond the limit %d", refused);
	close(fds[3]);
}

/* Flags that do not exist: libc decides whether the number is replaced. */
static void replacing_perhaps(char **arguments)
{
	int fds[3];

	(void)arguments;
	open_some(fds, 3, MAIN_PORT);
	say("dup3 %d", dup3(0, fds[0], 0x700));
	int made = dup3(99, fds[1], 0x700);
	say("dup3 of nothing %d, errno %d", made, errno);
	say("dup3 by number %ld", syscall(SYS_dup3, 0, fds[1], 0x700));
}

static void reopening(char **arguments)
{
	int fds[3];

	(void)arguments;
	open_some(fds, 3, MAIN_PORT);
	say("a file is there now: %d", freopen("/dev/null", "r", fdopen(fds[0], "r")) != NULL);
	say("nothing is there now: %d", freopen("/nonexistent", "r", fdopen(fds[1], "r")) != NULL);
	close(fds[0]);
}

static void *close_cancelled(void *argument)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	close(*(int *)argument);
	return NULL;
}

static void cancelling(char **arguments)
{
	pthread_t thread;
	void *result;
	int fds[4];

	(void)arguments;
	open_some(fds, 4, MAIN_PORT);
	for (int i = 0; i < 3; i++) {
		pthread_create(&thread, NULL, close_cancelled, &fds[i]);
		pthread_join(thread, &result);
		say("cancelled %d, still open %d", result == PTHREAD_CANCELED, fcntl(fds[i], F_GETFD) >= 0);
	}
	say("closed at last %d", close(fds[0]));
}

static void opening_fast(char **arguments)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(MAIN_PORT) };
	struct iovec piece = { (char[]){ "ab" }, 2 };
	struct mmsghdr messages[2] = { { .msg_hdr = { .msg_iov = &piece, .msg_iovlen = 1 } },
				       { .msg_hdr = { .msg_iov = &piece, .msg_iovlen = 1 } } };
	int on = 1, fd;

	(void)arguments;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	messages[0].msg_hdr.msg_name = &to;
	messages[0].msg_hdr.msg_namelen = sizeof(to);
	for (int i = 0; i < 3; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		say("sendmmsg %d", sendmmsg(fd, messages, 2, MSG_FASTOPEN));
		if (i)
			close(fd);
	}
	for (int i = 0; i < 3; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on));
		say("connect %d, errno %d", connect(fd, (const struct sockaddr *)&to, sizeof(to)), errno);
		if (i)
			close(fd);
	}
}

/* As what has no libc in between does: no hook sees it. */
static void close_unseen(int fd)
{
#if defined(__x86_64__)
	long rc = SYS_close;
	__asm__ volatile("syscall" : "+a"(rc) : "D"((long)fd) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long number __asm__("x8") = SYS_close;
	register long argument __asm__("x0") = fd;
	__asm__ volatile("svc #0" : "+r"(argument) : "r"(number) : "memory");
#else
	close(fd);
#endif
}

union room_for_fd {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static struct mmsghdr message_with(union room_for_fd *room, struct iovec *piece)
{
	return (struct mmsghdr){ .msg_hdr = { .msg_iov = piece,
					      .msg_iovlen = 1,
					      .msg_control = room,
					      .msg_controllen = sizeof(*room) } };
}

static void send_fd(int over, int fd)
{
	union room_for_fd room = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
					       .cmsg_level = SOL_SOCKET,
					       .cmsg_type = SCM_RIGHTS } };
	struct mmsghdr message = message_with(&room, &(struct iovec){ (char[]){ "a" }, 1 });

	memcpy(CMSG_DATA(&room.header), &fd, sizeof(fd));
	say("sent %d", sendmmsg(over, &message, 1, 0));
}

static int received_fd(int from)
{
	union room_for_fd room = { 0 };
	struct mmsghdr message = message_with(&room, &(struct iovec){ (char[2]){ 0 }, 1 });
	int fd = -1;

	if (recvmmsg(from, &message, 1, 0, NULL) == 1)
		memcpy(&fd, CMSG_DATA(&room.header), sizeof(fd));
	return fd;
}

static void taking_over(char **arguments)
{
	static const struct linger at_once = { .l_onoff = 1 };
	int fds[8], taken[2], pair[2];

	(void)arguments;
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	send_fd(pair[0], 0);
	open_some(fds, 8, MAIN_PORT);
	for (int i = 0; i < 7; i++) {
		/* No hook sees that either: the shim has to take it for one that leaves a TIME_WAIT. */
		syscall(SYS_setsockopt, fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close_unseen(fds[i]);
	}
	/* All before the first is said: to say something takes a number. */
	bool piped = !pipe(taken) && taken[0] == fds[0] && taken[1] == fds[1];
	bool paired = !socketpair(AF_UNIX, SOCK_STREAM, 0, taken) && taken[0] == fds[2];
	bool made = open("/dev/null", O_RDONLY) == fds[4];
	bool received = received_fd(pair[1]) == fds[5];
	bool doubled = dup(fds[7]) == fds[6];
	say("pipe %d, socketpair %d, open %d, recvmmsg %d, dup %d", piped, paired, made, received, doubled);
}

/* Closed first by us, and no TIME_WAIT: tcp(7), TCP_LINGER2. */
static void lingering(char **arguments)
{
	static const int none = -1, some = 20;
	int fds[4];

	(void)arguments;
	open_some(fds, 4, MAIN_PORT);
	say("none %d", setsockopt(fds[0], IPPROTO_TCP, TCP_LINGER2, &none, sizeof(none)));
	say("some %d", setsockopt(fds[1], IPPROTO_TCP, TCP_LINGER2, &some, sizeof(some)));
	say("none %d", setsockopt(fds[2], IPPROTO_TCP, TCP_LINGER2, &none, sizeof(none)));
	say("some %d", setsockopt(fds[2], IPPROTO_TCP, TCP_LINGER2, &some, sizeof(some)));
	/* The peer may be slow to answer a FIN; until it does the kernel has the connection. */
	shutdown(fds[0], SHUT_WR);
	for (struct tcp_info info = { 0 }; info.tcpi_state != TCP_FIN_WAIT2;)
		getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, &info, &(socklen_t){ sizeof(info) });
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

const struct process_case number_cases[] = {
	{ "not-replacing", not_replacing }, { "replacing-perhaps", replacing_perhaps },
	{ "reopening", reopening },         { "cancelling", cancelling },
	{ "opening-fast", opening_fast },   { "taking-over", taking_over },
	{ "lingering", lingering },         { NULL, NULL },
};
