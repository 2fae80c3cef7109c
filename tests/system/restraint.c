// SPDX-License-Identifier: Apache-2.0
/* restraint - a client that may do little: what is left after it was forbidden the rest, and at its last fds
 *
 * restraint port WAY CALL...: bind(10.9.0.1, 0), then forbid the CALLs by WAY, then say what the port is
 * restraint connect WAY CALL...: connect, forbid the CALLs by WAY, connect to another port and close all
 * restraint after WAY CALL...: forbid, then run "restraint connect none" in this process
 * restraint threaded WAY CALL...: the same with "connect none" in a program of two threads
 * restraint let WAY PROGRAM [ARGUMENT...]: run that under a filter that lets all pass
 * restraint fds THREADS LOW: how many open() of THREADS threads fail that have one fd each to open, while
 *	another connects with its own; LOW: the free numbers are low ones
 *
 * WAY: prctl, seccomp, libc (by the prctl() of libc.so.6 itself), raw (by no function at all), landlock,
 * chroot, none. CALL: a name of calls[]; whoever makes it is killed.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	int number;
} calls[] = {
	{ "bind", SYS_bind },
	{ "setsockopt", SYS_setsockopt },
	{ "getsockopt", SYS_getsockopt },
	{ "getsockname", SYS_getsockname },
	{ "recvfrom", SYS_recvfrom },
	{ "ioctl", SYS_ioctl },
	{ "fcntl", SYS_fcntl },
	{ "openat", SYS_openat },
	{ "mkdirat", SYS_mkdirat },
	{ "ftruncate", SYS_ftruncate },
	{ "fallocate", SYS_fallocate },
	{ "mmap", SYS_mmap },
	{ "munmap", SYS_munmap },
	{ "madvise", SYS_madvise },
	{ "fstat", SYS_fstat },
	{ "newfstatat", SYS_newfstatat },
	{ "ppoll", SYS_ppoll },
	{ "prctl", SYS_prctl },
	{ "prlimit64", SYS_prlimit64 },
	{ "getpid", SYS_getpid },
	{ "sendto", SYS_sendto },
};

static struct sock_filter code[128];
static unsigned used;

static void add(struct sock_filter instruction)
{
	code[used++] = instruction;
}

/* "netlink" is a socket() of that family. */
static void forbid_one(const char *name)
{
	bool netlink = !strcmp(name, "netlink");
	int number = netlink ? SYS_socket : -1;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(calls[i].name, name))
			number = calls[i].number;
	if (number < 0)
		errx(2, "%s: not known", name);
	add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, netlink ? 3 : 1));
	if (netlink) {
		add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, args)));
		add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1));
	}
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
}

#if defined(__x86_64__)
static long raw_prctl(long option, long a, long b)
{
	long result;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"((long)SYS_prctl), "D"(option), "S"(a), "d"(b), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}
#endif

static long install(const char *way, struct sock_fprog *program)
{
	if (!strcmp(way, "seccomp"))
		return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program);
	if (!strcmp(way, "libc")) {
		int (*of_libc)(int, ...) = (int (*)(int, ...))dlsym(dlopen("libc.so.6", RTLD_NOW), "prctl");
		return of_libc(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0);
	}
#if defined(__x86_64__)
	if (!strcmp(way, "raw"))
		return raw_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)program);
#endif
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0);
}

/* From its fourth version on landlock(7) may forbid bind(): here to every port. */
static void landlock(void)
{
	uint64_t rules[2] = { 0, 1 /* LANDLOCK_ACCESS_NET_BIND_TCP */ };
	long fd = syscall(SYS_landlock_create_ruleset, rules, sizeof(rules), 0);

	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0))
		err(77, "landlock");
	close((int)fd);
}

static void forbid(const char *way, char **names)
{
	struct sock_fprog program = { .filter = code };

	if (!strcmp(way, "none"))
		return;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err(1, "prctl");
	if (!strcmp(way, "landlock")) {
		landlock();
	} else if (!strcmp(way, "chroot")) {
		if (chroot("/proc/self/fdinfo"))
			err(1, "chroot");
	} else {
		for (; *names; names++)
			forbid_one(*names);
		add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
		program.len = (unsigned short)used;
		if (install(way, &program))
			err(1, "%s", way);
	}
}

static void say(const char *text)
{
	ssize_t ignored = write(1, text, strlen(text));
	(void)ignored;
}

/* Not a loopback address: `auto` looks for others of its interface. */
static struct sockaddr_in at(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	to.sin_addr.s_addr = inet_addr("10.9.0.1");
	return to;
}

static int opened(unsigned port)
{
	struct sockaddr_in to = at(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	say(connect(fd, (struct sockaddr *)&to, sizeof(to)) ? "refused\n" : "connected\n");
	return fd;
}

static void port(char **arguments)
{
	struct sockaddr_in local = at(0);
	socklen_t length = sizeof(local);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&local, sizeof(local)))
		err(1, "bind");
	forbid(arguments[0], arguments + 1);
	if (getsockname(fd, (struct sockaddr *)&local, &length))
		err(1, "getsockname");
	say(local.sin_port ? "a port\n" : "port 0\n");
}

static void connect_all(char **arguments)
{
	int first = opened(5000);

	forbid(arguments[0], arguments + 1);
	for (int i = 0; i < 10; i++) {
		int fd = opened(i % 2 ? 5000 : 5001);
		close(fd);
	}
	close(first);
	say("done\n");
}

static char *own_path;

static void after(char **arguments, const char *what)
{
	forbid(arguments[0], arguments + 1);
	execl(own_path, own_path, what, "none", NULL);
	err(1, "%s", own_path);
}

static void *wait_for_end(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

static void connect_beside(char **arguments)
{
	pthread_t other;

	if (pthread_create(&other, NULL, wait_for_end, NULL))
		errx(1, "no thread");
	connect_all(arguments);
}

static void let(char **arguments)
{
	char *none = NULL;

	forbid(arguments[0], &none);
	execv(arguments[1], arguments + 1);
	err(1, "%s", arguments[1]);
}

static atomic_bool over;
static atomic_long failed, tried;

static void *open_and_close(void *unused)
{
	(void)unused;
	while (!over) {
		int fd = open("/dev/null", O_RDONLY);
		tried++;
		if (fd < 0)
			failed++;
		else
			close(fd);
	}
	return NULL;
}

static void fds(char **arguments)
{
	struct rlimit limit = { 128, 128 };
	int threads = atoi(arguments[0]), low = atoi(arguments[1]), fd, last = 0;
	pthread_t thread[64];

	setrlimit(RLIMIT_NOFILE, &limit);
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		last = fd;
	for (int i = 0; i < threads + 1; i++)
		close(low ? 3 + i : last - i);
	for (int i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, open_and_close, NULL);
	while (threads && !tried)
		sched_yield();
	for (unsigned i = 0; i < 2000; i++) {
		struct sockaddr_in to = at(100 + i);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0)
			failed++;
		else if (!connect(fd, (struct sockaddr *)&to, sizeof(to)))
			errx(1, "somebody listens on %u", 100 + i);
		close(fd);
	}
	over = true;
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("%ld failed%s\n", failed, tried ? "" : ", none tried");
}

int main(int count, char **arguments)
{
	own_path = arguments[0];
	if (count > 2 && !strcmp(arguments[1], "port"))
		port(arguments + 2);
	else if (count > 2 && !strcmp(arguments[1], "connect"))
		connect_all(arguments + 2);
	else if (count > 2 && !strcmp(arguments[1], "after"))
		after(arguments + 2, "connect");
	else if (count > 2 && !strcmp(arguments[1], "threaded"))
		after(arguments + 2, "second");
	else if (count > 2 && !strcmp(arguments[1], "second"))
		connect_beside(arguments + 2);
	else if (count > 3 && !strcmp(arguments[1], "let"))
		let(arguments + 2);
	else if (count > 3 && !strcmp(arguments[1], "fds"))
		fds(arguments + 2);
	else
		return 2;
	return 0;
}
