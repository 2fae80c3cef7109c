// SPDX-License-Identifier: Apache-2.0
/* stack - how many bytes of stack each kind of call takes, at most, below its caller
 *
 * stack HOST: a line "NAME BYTES" for each. Every one is made in a process and a thread of its own, whose
 * stack is painted first; the parent looks, so that the last call of a process is measured as well. A server
 * on ports 5000 and 5001 of HOST answers what comes with "+OK\r\n".
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 256 * 1024, PAINT = 0xa5 };

static unsigned char *stack;
static struct sockaddr_in server = { .sin_family = AF_INET };
static int fds[64];
static char bytes[256];

struct shared {
	unsigned char *from; /* painted below */
	long used;           /* of what came back */
};
static struct shared *shared;

static int fresh(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static void to(int fd, unsigned port)
{
	server.sin_port = htons((uint16_t)port);
	connect(fd, (struct sockaddr *)&server, sizeof(server));
}

static void local(int fd)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr = server.sin_addr };
	bind(fd, (struct sockaddr *)&any, sizeof(any));
}

/* Made before the stack is painted. */
static void one_socket(void)
{
	fds[0] = fresh();
}

static void one_connected(void)
{
	one_socket();
	to(fds[0], 5000);
}

static void one_bound(void)
{
	one_socket();
	local(fds[0]);
}

static void one_shown(void)
{
	struct sockaddr_in own;
	socklen_t length = sizeof(own);

	one_bound();
	getsockname(fds[0], (struct sockaddr *)&own, &length);
}

static void one_answered(void)
{
	one_connected();
	send(fds[0], "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, 0);
	recv(fds[0], bytes, sizeof(bytes), 0);
}

static void one_parked(void)
{
	one_answered();
	close(fds[0]);
	one_socket();
}

static void one_parked_connected(void)
{
	one_parked();
	to(fds[0], 5000);
}

/* The server closes what port 5002 has accepted when somebody connects to 5003, and says so. */
static void one_dead(void)
{
	int control = fresh();

	to(fds[0] = fresh(), 5002);
	send(fds[0], "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, 0);
	recv(fds[0], bytes, sizeof(bytes), 0);
	close(fds[0]);
	one_socket();
	to(fds[0], 5002);
	to(control, 5003);
	recv(control, bytes, sizeof(bytes), 0);
}

/* More than are kept at hand. */
static void many_destinations(void)
{
	one_socket();
	for (unsigned port = 1; port < 3000; port++) {
		int fd = fresh();
		to(fd, port);
		close(fd);
	}
}

static void many_connected(void)
{
	for (int i = 0; i < 7; i++)
		to(fds[i] = fresh(), 5000);
}

static void nothing(void) {}

/* What is measured. */
static void do_socket(void)
{
	fds[0] = fresh();
}

static void do_connect(void)
{
	to(fds[0], 5000);
}

static void do_connect_refused(void)
{
	to(fds[0], 4999);
}

static void do_connect_first_place(void)
{
	to(fds[0], 1);
}

static void do_connect_until_full(void)
{
	for (int i = 0; i < 450; i++)
		to(fresh(), 5001);
}

static void do_bind(void)
{
	local(fds[0]);
}

static void do_getsockname(void)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);
	getsockname(fds[0], (struct sockaddr *)&sa, &length);
}

static void do_getsockopt(void)
{
	int value;
	socklen_t length = sizeof(value);
	getsockopt(fds[0], SOL_SOCKET, SO_ERROR, &value, &length);
	length = sizeof(value);
	getsockopt(fds[0], IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &value, &length);
}

static void do_setsockopt(void)
{
	int on = 1;
	setsockopt(fds[0], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fds[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void do_listen(void)
{
	listen(fds[0], 5);
}

static void do_send(void)
{
	send(fds[0], "GET / HTTP/1.1\r\nHost: a\r\nCookie: b\r\n\r\n", 38, 0);
}

static void do_recv(void)
{
	struct pollfd ready = { .fd = fds[0], .events = POLLIN };
	do_send();
	poll(&ready, 1, 1000);
	recv(fds[0], bytes, sizeof(bytes), 0);
}

static void do_shutdown(void)
{
	shutdown(fds[0], SHUT_WR);
}

static void do_close(void)
{
	close(fds[0]);
}

static void do_close_range(void)
{
	close_range(3, 60, 0);
}

static void do_dup2(void)
{
	dup2(0, fds[0]);
}

static void do_fcntl(void)
{
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	fcntl(fds[0], F_DUPFD_CLOEXEC, 20);
}

static void do_fork(void)
{
	pid_t pid = fork();
	if (!pid)
		syscall(SYS_exit_group, 0);
	waitpid(pid, NULL, 0);
}

static void do_chroot(void)
{
	int ignored = chroot("/proc/self/fdinfo");
	(void)ignored;
}

static void do_seccomp(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { .len = 1, .filter = &all };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void do_exit(void)
{
	_exit(0);
}

static const struct {
	const char *name;
	void (*before)(void), (*call)(void);
} cases[] = {
	{ "socket", nothing, do_socket },
	{ "connect, the first", one_socket, do_connect },
	{ "connect, the second", one_parked, do_connect },
	{ "connect, refused", one_socket, do_connect_refused },
	{ "connect, until full", nothing, do_connect_until_full },
	{ "bind", one_socket, do_bind },
	{ "getsockname, deferred", one_bound, do_getsockname },
	{ "getsockopt", one_connected, do_getsockopt },
	{ "setsockopt, deferred", one_bound, do_setsockopt },
	{ "listen, deferred", one_bound, do_listen },
	{ "connect, deferred", one_bound, do_connect },
	{ "connect, from a port that was shown", one_shown, do_connect },
	{ "send", one_connected, do_send },
	{ "send, the first on a parked one", one_parked_connected, do_send },
	{ "send, on a dead one", one_dead, do_send },
	{ "connect, to one more place", many_destinations, do_connect },
	{ "connect, to an old place again", many_destinations, do_connect_first_place },
	{ "recv", one_connected, do_recv },
	{ "shutdown", one_connected, do_shutdown },
	{ "close", one_connected, do_close },
	{ "close, parked", one_answered, do_close },
	{ "close_range", many_connected, do_close_range },
	{ "dup2", one_answered, do_dup2 },
	{ "fcntl", one_connected, do_fcntl },
	{ "fork", one_bound, do_fork },
	{ "chroot", one_bound, do_chroot },
	{ "prctl(PR_SET_SECCOMP)", one_bound, do_seccomp },
	{ "_exit", many_connected, do_exit },
};

static void *run(void *argument)
{
	size_t i = (size_t)argument;
	unsigned char *here;

	cases[i].before();
#if defined(__x86_64__)
	__asm__("movq %%rsp, %0" : "=r"(here));
#elif defined(__aarch64__)
	__asm__("mov %0, sp" : "=r"(here));
#endif
	shared->from = here;
	/* Byte by byte: memset() would paint over its own return address. */
	for (volatile unsigned char *at = stack; at < here; at++)
		*at = PAINT;
	cases[i].call();
	volatile unsigned char *lowest = stack;
	while (lowest < here && *lowest == PAINT)
		lowest++;
	shared->used = here - lowest;
	/* By hand: the hook of _exit() is a case of its own. */
	syscall(SYS_exit_group, 0);
	return NULL;
}

static long measure(size_t i)
{
	pthread_attr_t how;
	pthread_t thread;
	int status;

	shared->used = 0;
	pid_t pid = fork();
	if (!pid) {
		/* A child that it forks must not write on the same stack; what does not come back is looked
		 * at from here. */
		if (cases[i].call != do_exit)
			mmap(stack, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			     -1, 0);
		pthread_attr_init(&how);
		pthread_attr_setstack(&how, stack, STACK);
		pthread_create(&thread, &how, run, (void *)i);
		pthread_join(thread, NULL);
		syscall(SYS_exit_group, 1);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "%s: status %x", cases[i].name, (unsigned)status);
	if (shared->used)
		return shared->used;
	unsigned char *lowest = stack;
	while (lowest < shared->from && *lowest == PAINT)
		lowest++;
	return shared->from - lowest;
}

int main(int count, char **arguments)
{
	if (count != 2 || !inet_aton(arguments[1], &server.sin_addr))
		return 2;
	stack = mmap(NULL, STACK + sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	shared = (struct shared *)(void *)(stack + STACK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		printf("%ld %s\n", measure(i), cases[i].name);
	return 0;
}
