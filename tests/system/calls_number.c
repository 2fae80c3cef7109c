// SPDX-License-Identifier: Apache-2.0
/* calls_number - the cases about fd numbers that change their meaning in uncommon ways, or do not, and about
 * calls that connect or bind under another name */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int opened(void)
{
	int fd = tcp(AF_INET, 0);

	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	return fd;
}

static void turn(int from, int to)
{
	char byte = 'x';

	if (to >= 0 && write(to, &byte, 1) != 1)
		perror("write");
	if (from >= 0 && read(from, &byte, 1) != 1)
		perror("read");
}

/* From here on a number of this thread is not that number of the others. */
static int to_thread[2], from_thread[2];
static int how_to_part;    /* 0, or flags of close_range() */
static unsigned part_from; /* what is closed, or not, meanwhile */

static void *with_numbers_of_its_own(void *argument)
{
	(void)argument;
	if (how_to_part)
		CALL(close_range(part_from, part_from + 10, how_to_part));
	else
		CALL(unshare(CLONE_FILES));
	turn(to_thread[0], from_thread[1]);
	int fd = tcp(AF_INET, 0);
	CALL(fd);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(close(fd));
	turn(to_thread[0], from_thread[1]);
	return NULL;
}

static void numbers_apart(void)
{
	pthread_t thread;
	int before = tcp(AF_INET, 0);

	server();
	CALL(bind(before, ipv4("127.0.0.1", 0), V4_SIZE));
	if (pipe(to_thread) || pipe(from_thread))
		perror("pipe");
	int kept = dup2(opened(), 65);
	pthread_create(&thread, NULL, with_numbers_of_its_own, NULL);
	turn(from_thread[0], -1);
	int fd = tcp(AF_INET, 0);
	CALL(fd);
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	turn(from_thread[0], to_thread[1]);
	show_name(fd, true);
	printf("the kernel agrees: %d, %d\n", kernel_port(fd) != 0, kernel_port(before) != 0);
	CALL(write(kept, "x", 1));
	turn(-1, to_thread[1]);
	pthread_join(thread, NULL);
	CALL(close(kept));
}

static void apart_by_unshare(void)
{
	numbers_apart();
}

static void apart_by_close_range(void)
{
	how_to_part = CLOSE_RANGE_UNSHARE;
	part_from = 60;
	numbers_apart();
}

static void apart_and_nothing_closed(void)
{
	how_to_part = CLOSE_RANGE_UNSHARE;
	part_from = 900;
	numbers_apart();
}

static void apart_and_marked(void)
{
	how_to_part = CLOSE_RANGE_UNSHARE | (1 << 2) /* CLOSE_RANGE_CLOEXEC */;
	part_from = 60;
	numbers_apart();
}

static void unshared_alone(void)
{
	server();
	CALL(unshare(CLONE_FILES));
	int fd = tcp(AF_INET, 0);
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	show_name(fd, true);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(close_range((unsigned)fd, (unsigned)fd, CLOSE_RANGE_UNSHARE));
	CALL(close(fd));
}

static void refused_replacement(void)
{
	struct rlimit files;

	server();
	int fd = opened(), other = tcp(AF_INET, 0), bound = dup2(tcp(AF_INET, 0), 50);
	CALL(bind(bound, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(dup3(other, fd, 0x7ff));
	CALL(dup3(other, fd, O_CLOEXEC | O_NONBLOCK));
	CALL(dup3(fd, fd, 0));
	CALL(dup2(-1, fd));
	CALL(dup2(99, fd));
	CALL(close_range((unsigned)fd, (unsigned)fd, 8));
	CALL(close_range((unsigned)fd + 1, (unsigned)fd, 0));
	CALL(syscall(SYS_close_range, fd, fd, 8));
	CALL(syscall(SYS_dup3, other, fd, 0x7ff));
	getrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ .rlim_cur = 20, .rlim_max = files.rlim_max });
	CALL(dup2(other, bound));
	setrlimit(RLIMIT_NOFILE, &files);
	show_name(bound, true);
	printf("the kernel agrees: %d\n", kernel_port(bound) != 0);
	CALL(write(fd, "x", 1));
	CALL(close(fd));
}

static void reopened_stream(void)
{
	server();
	int fd = opened();
	FILE *stream = fdopen(fd, "w");
	fputs("abc", stream);
	CALL(freopen("/dev/null", "w", stream) == stream);
	CALL(fileno(stream) == fd);
	CALL(getpeername(fd, (struct sockaddr *)&(struct sockaddr_storage){ 0 }, &(socklen_t){ 16 }));
	stream = fdopen(opened(), "w");
	CALL(freopen("/nonexistent/file", "w", stream) == NULL);
	stream = fdopen(opened(), "r+");
	CALL(freopen64("/dev/null", "w", stream) == stream);
	int bound = tcp(AF_INET, 0);
	CALL(bind(bound, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(freopen("/dev/null", "w", fdopen(bound, "w")) != NULL);
	CALL(getsockname(bound, (struct sockaddr *)&(struct sockaddr_storage){ 0 }, &(socklen_t){ 16 }));
}

static void unspecified_family(void)
{
	union {
		struct sockaddr_in v4;
		struct sockaddr any;
	} name = { .v4 = { .sin_family = AF_UNSPEC, .sin_port = htons(40055) } };
	int fd = tcp(AF_INET, 0);

	server();
	CALL(bind(fd, &name.any, V4_SIZE));
	printf("port %u\n", show_name(fd, true));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	printf("port %u\n", show_name(fd, false));
	fd = tcp(AF_INET, 0);
	name.v4.sin_port = 0;
	CALL(bind(fd, &name.any, V4_SIZE));
	unsigned port = show_name(fd, true);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	printf("kept by connect(): %d\n", show_name(fd, false) == port);
	fd = tcp(AF_INET, 0);
	name.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CALL(bind(fd, &name.any, V4_SIZE));
	fd = tcp(AF_INET, 0);
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	name.v4.sin_addr.s_addr = 0;
	CALL(bind(fd, &name.any, V4_SIZE));
	show_name(fd, true);
	CALL(bind(tcp(AF_INET6, 0), &name.any, V4_SIZE));
}

static int v6only(int fd)
{
	int on = -1;

	CALL(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, &(socklen_t){ sizeof(on) }));
	printf("  IPV6_V6ONLY %d\n", on);
	return on;
}

static int dual_server(void)
{
	int fd = tcp(AF_INET6, 0);

	bind(fd, ipv6("fd00::1", OPEN_PORT), V6_SIZE);
	listen(fd, 100);
	return fd;
}

static void keeps_v6only(void)
{
	int on = 1, client;

	server();
	dual_server();
	int fd = tcp(AF_INET6, 0);
	v6only(fd);
	CALL(connect(fd, ipv6("fd00::1", OPEN_PORT), V6_SIZE));
	v6only(fd);
	CALL(connect(fd, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr)));
	v6only(fd);
	CALL(connect(fd, ipv6("::ffff:127.0.0.1", OPEN_PORT), V6_SIZE));
	/* Refused, and then to IPv4, or to be a server of both. */
	fd = tcp(AF_INET6, 0);
	CALL(connect(fd, ipv6("fd00::1", CLOSED_PORT), V6_SIZE));
	v6only(fd);
	CALL(connect(fd, ipv6("::ffff:127.0.0.1", OPEN_PORT), V6_SIZE));
	fd = tcp(AF_INET6, 0);
	CALL(connect(fd, ipv6("fd00::1", CLOSED_PORT), V6_SIZE));
	CALL(bind(fd, ipv6("::", 5077), V6_SIZE));
	CALL(listen(fd, 5));
	client = tcp(AF_INET, 0);
	CALL(connect(client, ipv4("127.0.0.1", 5077), V4_SIZE));
	/* What the program set, or its own bind() did. */
	fd = tcp(AF_INET6, 0);
	CALL(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
	CALL(connect(fd, ipv6("fd00::1", CLOSED_PORT), V6_SIZE));
	v6only(fd);
	CALL(connect(fd, ipv6("::ffff:127.0.0.1", OPEN_PORT), V6_SIZE));
	fd = tcp(AF_INET6, 0);
	CALL(bind(fd, ipv6("fd00::2", 0), V6_SIZE));
	v6only(fd);
	CALL(connect(fd, ipv6("fd00::1", OPEN_PORT), V6_SIZE));
	v6only(fd);
	fd = tcp(AF_INET6, 0);
	CALL(bind(fd, ipv6("::", 0), V6_SIZE));
	v6only(fd);
	CALL(connect(fd, ipv6("fd00::1", OPEN_PORT), V6_SIZE));
	v6only(fd);
}

static void fast_open(void)
{
	char bytes[8] = "";
	int on = 1, listener = server(), accepted;
	struct iovec pieces[2] = { { (char[]){ "ab" }, 2 }, { (char[]){ "cd" }, 2 } };
	struct mmsghdr messages[2] = {
		{ .msg_hdr = { .msg_iov = &pieces[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &pieces[1], .msg_iovlen = 1 } },
	};
	struct sockaddr_in to = *(const struct sockaddr_in *)(const void *)ipv4("127.0.0.1", OPEN_PORT);

	messages[0].msg_hdr.msg_name = &to;
	messages[0].msg_hdr.msg_namelen = sizeof(to);
	setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &on, sizeof(on));
	for (int i = 0; i < 3; i++) {
		int fd = tcp(AF_INET, 0);
		CALL(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)));
		CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
		CALL(send(fd, "ef", 2, 0));
		accepted = accept(listener, NULL, NULL);
		CALL(recv(accepted, bytes, 2, MSG_WAITALL));
		CALL(close(fd));
		close(accepted);
		fd = tcp(AF_INET, 0);
		CALL(sendmmsg(fd, messages, 2, MSG_FASTOPEN));
		accepted = accept(listener, NULL, NULL);
		CALL(recv(accepted, bytes, 4, MSG_WAITALL));
		printf("  %.4s\n", bytes);
		CALL(close(fd));
		close(accepted);
	}
	to.sin_port = htons(CLOSED_PORT);
	CALL(sendmmsg(tcp(AF_INET, 0), messages, 2, MSG_FASTOPEN));
	CALL(sendmmsg(tcp(AF_INET, 0), (struct mmsghdr *)16, 2, MSG_FASTOPEN));
	CALL(sendmmsg(tcp(AF_INET, 0), messages, 0, MSG_FASTOPEN));
	CALL(sendmmsg(-1, messages, 2, MSG_FASTOPEN));
}

static void bad_messages(void)
{
	int fd = tcp(AF_INET, 0), bound = tcp(AF_INET, 0);
	struct msghdr message = { .msg_control = (void *)16, .msg_controllen = 64 };
	struct mmsghdr one = { .msg_hdr = message };

	server();
	CALL(bind(bound, ipv4("127.0.0.1", 0), V4_SIZE)); /* from here on fds in messages matter */
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(sendmsg(fd, (const struct msghdr *)16, 0));
	CALL(sendmsg(fd, NULL, 0));
	CALL(sendmsg(fd, &message, 0));
	CALL(sendmsg(-1, &message, 0));
	CALL(sendmmsg(fd, (struct mmsghdr *)16, 3, 0));
	CALL(sendmmsg(fd, &one, 1, 0));
	CALL(sendmmsg(fd, &one, 0, 0));
	CALL(recvmsg(fd, (struct msghdr *)16, 0));
	CALL(sendmsg(fd, (const struct msghdr *)16, MSG_FASTOPEN));
	CALL(sendto(tcp(AF_INET, 0), "a", 1, MSG_FASTOPEN, (const struct sockaddr *)16, 16));
}

static void *closes_cancelled(void *argument)
{
	int fd = *(int *)argument;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	CALL(close(fd));
	puts("closed all the same");
	return NULL;
}

static void cancelled_close(void)
{
	void *result;
	pthread_t thread;

	server();
	int fds[] = { opened(), tcp(AF_INET, 0) };
	CALL(bind(fds[1], ipv4("127.0.0.1", 0), V4_SIZE));
	for (int i = 0; i < 2; i++) {
		pthread_create(&thread, NULL, closes_cancelled, &fds[i]);
		pthread_join(thread, &result);
		printf("cancelled: %d\n", result == PTHREAD_CANCELED);
		CALL(fcntl(fds[i], F_GETFD) >= 0);
	}
	show_name(fds[1], true);
	CALL(write(fds[0], "x", 1));
	CALL(close(fds[0]));
	CALL(close(fds[1]));
}

static void *connects_cancelled(void *argument)
{
	int fd = *(int *)argument;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	puts("connected all the same");
	return NULL;
}

static void cancelled_connect(void)
{
	void *result;
	pthread_t thread;
	int fd = tcp(AF_INET, 0);

	server();
	pthread_create(&thread, NULL, connects_cancelled, &fd);
	pthread_join(thread, &result);
	printf("cancelled: %d\n", result == PTHREAD_CANCELED);
	show_name(fd, true);
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(close(fd));
}

#if defined(__x86_64__) && defined(__GLIBC__)
extern __typeof__(posix_spawn) old_spawn, old_spawnp;
__asm__(".symver old_spawn, posix_spawn@GLIBC_2.2.5");
__asm__(".symver old_spawnp, posix_spawnp@GLIBC_2.2.5");

/* Programs of before glibc 2.15 have what has no `#!` run by a shell. */
static void old_versions(void)
{
	char path[64], *argv[] = { (char[]){ "script" }, NULL };
	int status = 0;
	pid_t pid;

	snprintf(path, sizeof(path), "/tmp/calls-script-%d", getpid());
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0755);
	write(fd, "exit 7\n", 7);
	close(fd);
	if (!CALL(old_spawn(&pid, path, NULL, NULL, argv, argv + 1)))
		waitpid(pid, &status, 0);
	printf("the script's status is %d\n", WEXITSTATUS(status));
	if (!CALL(old_spawnp(&pid, path, NULL, NULL, argv, argv + 1)))
		waitpid(pid, &status, 0);
	printf("the script's status is %d\n", WEXITSTATUS(status));
	printf("by the default version: %s\n",
	       strerrorname_np(posix_spawn(&pid, path, NULL, NULL, argv, argv + 1)));
	printf("by the default version: %s\n",
	       strerrorname_np(posix_spawnp(&pid, path, NULL, NULL, argv, argv + 1)));
	unlink(path);
}
#else
static void old_versions(void) {}
#endif

const struct call_case number_cases[] = {
	{ "number-apart", apart_by_unshare },
	{ "number-apart-close-range", apart_by_close_range },
	{ "number-apart-nothing-closed", apart_and_nothing_closed },
	{ "number-apart-marked", apart_and_marked },
	{ "number-unshared-alone", unshared_alone },
	{ "number-not-replaced", refused_replacement },
	{ "number-freopen", reopened_stream },
	{ "number-cancelled-close", cancelled_close },
	{ "number-cancelled-connect", cancelled_connect },
	{ "bind-unspecified-family", unspecified_family },
	{ "connect-v6only", keeps_v6only },
	{ "connect-fast-open", fast_open },
	{ "connect-bad-messages", bad_messages },
	{ "spawn-old-versions", old_versions },
	{ NULL, NULL },
};
