// SPDX-License-Identifier: Apache-2.0
/* calls_fd - the cases about file descriptors: duplicates, closing in every way, fork, vfork, exec, passing
 */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int connected(void)
{
	int fd = tcp(AF_INET, 0);

	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	return fd;
}

static int bound(void)
{
	int fd = tcp(AF_INET, 0);

	CALL(bind(fd, ipv4("127.0.0.9", 0), V4_SIZE));
	return fd;
}

static void lowest_numbers(void)
{
	server();
	int fd = connected();
	printf("fd %d\n", fd);
	CALL(close(0));
	CALL(socket(AF_INET, SOCK_STREAM, 0));
	CALL(connect(0, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(close(0));
	CALL(dup(fd));
	CALL(fcntl(fd, F_DUPFD, 0));
	CALL(fcntl(fd, F_DUPFD_CLOEXEC, 100));
	CALL(dup2(fd, 50));
	CALL(dup3(fd, 51, O_CLOEXEC));
	CALL(fcntl(51, F_GETFD));
	CALL(fcntl(50, F_GETFD));
}

static void duplicates(void)
{
	server();
	int fd = bound(), copy = dup(fd);
	unsigned port = show_name(copy, true);
	printf("the same: %d\n", show_name(fd, true) == port);
	fd = bound();
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 20);
	CALL(connect(copy, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(close(fd));
	port = show_name(copy, true);
	printf("the kernel agrees: %d\n", kernel_port(copy) == port);
	CALL(send(copy, "x", 1, 0));
	fd = connected();
	copy = dup2(fd, 30);
	CALL(close(fd));
	CALL(send(copy, "x", 1, 0));
	CALL(connect(copy, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(dup2(copy, copy));
	CALL(dup3(copy, copy, 0));
	CALL(dup2(-1, copy));
	CALL(dup2(copy, -1));
	CALL(dup(-1));
	CALL(dup3(copy, 31, 0x12345));
	CALL(fcntl(-1, F_DUPFD, 0));
	CALL(fcntl(copy, F_DUPFD, -1));
	CALL(fcntl(copy, 9999));
}

/* What a bind() wrote down for a number must not stick to the next file of that number. */
static void replaced(void)
{
	server();
	int fd = bound(), fresh = tcp(AF_INET, 0);
	CALL(dup2(fresh, fd));
	show_name(fd, true);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	fd = bound();
	CALL(dup2(open("/dev/null", O_RDWR), fd));
	CALL(getsockname(fd, (struct sockaddr *)&(struct sockaddr_storage){ 0 }, &(socklen_t){ 128 }));
	CALL(listen(fd, 1));
	fd = bound();
	FILE *stream = fdopen(fd, "r+");
	CALL(fclose(stream));
	printf("the number again: %d\n", tcp(AF_INET, 0) == fd);
	show_name(fd, true);
	CALL(bind(fd, ipv4("127.0.0.8", 0), V4_SIZE));
	show_name(fd, true);
}

static void closing(void)
{
	char buffer[16];

	server();
	CALL(close(-1));
	CALL(close(9999));
	int fd = connected();
	FILE *stream = fdopen(fd, "w");
	CALL(fprintf(stream, "text"));
	CALL(fclose(stream));
	CALL(close(fd));
	stream = fmemopen(buffer, sizeof(buffer), "w");
	CALL(fprintf(stream, "text"));
	CALL(fclose(stream));
	fd = connected();
	CALL(shutdown(fd, SHUT_WR));
	CALL(send(fd, "x", 1, MSG_NOSIGNAL));
	CALL(shutdown(fd, SHUT_RD));
	CALL(shutdown(fd, 77));
	CALL(shutdown(tcp(AF_INET, 0), SHUT_RDWR));
	CALL(shutdown(-1, SHUT_RDWR));
	fd = connected();
	CALL(close_range((unsigned)fd, (unsigned)fd, 0));
	CALL(close(fd));
	CALL(close_range(5, 4, 0));
	CALL(close_range(200, ~0u, 0));
	fd = connected();
	CALL(close_range((unsigned)fd, (unsigned)fd, 4 /* CLOSE_RANGE_CLOEXEC */));
	CALL(fcntl(fd, F_GETFD));
	closefrom(3);
	CALL(send(fd, "x", 1, MSG_NOSIGNAL));
	printf("the lowest number after closefrom(3): %d\n", tcp(AF_INET, 0));
	server();
	connected();
}

static void loop_closing(void)
{
	server();
	connected();
	for (int fd = 3; fd < 20000; fd++)
		close(fd);
	server();
	int fd = connected();
	printf("fd %d\n", fd);
	show_name(fd, false);
}

static void no_more_files(void)
{
	struct rlimit few = { .rlim_cur = 6, .rlim_max = 6 };

	server();
	int fd = tcp(AF_INET, 0), other = tcp(AF_INET, 0);
	CALL(setrlimit(RLIMIT_NOFILE, &few));
	CALL(socket(AF_INET, SOCK_STREAM, 0));
	CALL(socket(AF_INET, SOCK_STREAM, 0));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(dup(fd));
	CALL(bind(other, ipv4("127.0.0.9", 0), V4_SIZE));
	show_name(other, true);
}

static void show_child(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	printf("child: exited %d, %d\n", WIFEXITED(status), WEXITSTATUS(status));
}

static void forking(void)
{
	server();
	int fd = connected();
	pid_t pid = fork();
	if (!pid) {
		CALL(send(fd, "x", 1, 0));
		connected();
		for (int i = 3; i < 64; i++)
			close(i);
		_exit(3);
	}
	show_child(pid);
	CALL(send(fd, "x", 1, 0));
	connected();
}

static void vforking(void)
{
	server();
	int fd = bound();
	pid_t pid = vfork();
	if (!pid) {
		for (int i = 3; i < 64; i++)
			close(i);
		execl("/bin/true", "true", (char *)NULL);
		_exit(9);
	}
	show_child(pid);
	/* The child closed its own copies only: what we know of ours still holds. */
	show_name(fd, true);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	show_name(fd, true);
	connected();
}

/* After fork() both processes have the socket: the port must be the kernel's by then. */
static void fork_after_bind(void)
{
	server();
	int fd = bound();
	pid_t pid = fork();
	if (!pid) {
		printf("child: %s port by the kernel\n", kernel_port(fd) ? "a" : "no");
		_exit(0);
	}
	show_child(pid);
	printf("parent: %s port by the kernel\n", kernel_port(fd) ? "a" : "no");
	show_name(fd, true);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
}

/* The child runs `calls fd-inherited` with the socket as standard input, past our own table. */
static void exec_after_bind(void)
{
	int fd = bound();
	char *arguments[] = { "calls", "fd-inherited", NULL };
	pid_t pid;

	CALL(dup2(fd, 0));
	int result = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ);
	show_child(pid);
	printf("posix_spawn %d\n", result);
	fd = bound();
	CALL(dup2(fd, 0));
	execv("/proc/self/exe", arguments);
}

static void inherited(void)
{
	printf("inherited: %s port by the kernel\n", kernel_port(0) ? "a" : "no");
}

static void send_fd(int over, int fd)
{
	char byte = 'x', control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec part = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	CALL(sendmsg(over, &message, 0));
}

static int receive_fd(int over)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	int fd = -1;

	CALL(recvmsg(over, &message, 0));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* The receiver, forked before the bind(), sees the socket only by what the kernel knows. */
static void passing(void)
{
	int pair[2], go[2];

	server();
	CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CALL(pipe(go));
	pid_t pid = fork();
	if (!pid) {
		char byte;
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		int fd = receive_fd(pair[1]);
		printf("receiver: %s port by the kernel\n", kernel_port(fd) ? "a" : "no");
		CALL(listen(fd, 1));
		show_name(fd, true);
		_exit(0);
	}
	int fd = bound();
	send_fd(pair[0], fd);
	if (write(go[1], "x", 1) != 1) /* not printed: the receiver prints now */
		_exit(1);
	show_child(pid);
	show_name(fd, true);
}

const struct call_case fd_cases[] = {
	{ "fd-lowest-numbers", lowest_numbers },
	{ "fd-duplicates", duplicates },
	{ "fd-replaced", replaced },
	{ "fd-closing", closing },
	{ "fd-loop-closing", loop_closing },
	{ "fd-no-more-files", no_more_files },
	{ "fd-fork", forking },
	{ "fd-vfork", vforking },
	{ "fd-fork-after-bind", fork_after_bind },
	{ "fd-exec-after-bind", exec_after_bind },
	{ "fd-inherited", inherited },
	{ "fd-passing", passing },
	{ NULL, NULL },
};
