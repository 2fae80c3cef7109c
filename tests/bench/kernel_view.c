// SPDX-License-Identifier: Apache-2.0
/* kernel_view - how long one pass over the kernel's TCP sockets takes, beside `ss -tan` and `headroom check
 * --all`.
 *
 * Makes its own network namespace and opens that many sockets in it, both ends of connections over loopback,
 * in processes of 18,000. Then takes turns. usage: kernel_view [SOCKETS [ROUNDS [HEADROOM]]] (180000, 5,
 * headroom) */
#include "kernel_view.h"

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PER_PROCESS = 9000, PROCESSES_MAX = 200 };

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || dprintf(fd, "%s\n", text) < 0)
		err(2, "%s", path);
	close(fd);
}

static void enter_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (unshare(CLONE_NEWNET))
		err(77, "unshare (run as root, or under unshare -rn)");
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(any, SIOCSIFFLAGS, &lo))
		err(2, "lo");
	close(any);
	put("/proc/sys/net/ipv4/ip_local_port_range", "10000 65535");
	put("/proc/sys/net/core/somaxconn", "65535");
}

/* A source and a destination of its own; connections are accepted one by one, so none is lost. */
static void hold(unsigned index, unsigned connections, int ready)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(5000),
				  .sin_addr.s_addr = htonl(0x7f000001 + (index << 8)) };
	struct rlimit files;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&to, sizeof(to)) || listen(listener, 16))
		err(2, "listen");
	while (connections--) {
		uint32_t whole = 1 | 65535u << 16;
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(fd, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, &whole, sizeof(whole));
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) || accept(listener, NULL, NULL) < 0)
			err(2, "connect");
	}
	if (write(ready, ".", 1) != 1)
		err(2, "pipe");
	pause();
}

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void count(const struct socket_seen *seen, void *context)
{
	unsigned *by_state = context;
	by_state[seen->state % SOCKET_STATES]++;
}

static void one_pass(void)
{
	unsigned by_state[SOCKET_STATES] = { 0 };
	struct kernel_view view;
	double start = now_ms();
	int rc = kernel_view_read(&view, NULL, count, by_state);

	if (rc)
		errx(2, "kernel_view_read: %d", rc);
	printf("%8.0f ms  one pass: %llu sockets, %u established\n", now_ms() - start,
	       (unsigned long long)view.sockets, by_state[STATE_ESTABLISHED]);
}

static void program(const char *name, const char *const *command)
{
	double start = now_ms();
	struct rusage use;
	int status;

	pid_t pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, 1);
		execvp(*command, (char *const *)command);
		err(2, "%s", *command);
	}
	wait4(pid, &status, 0, &use);
	printf("%8.0f ms  %s, %ld KiB of memory%s\n", now_ms() - start, name, use.ru_maxrss,
	       WIFEXITED(status) && WEXITSTATUS(status) < 2 ? "" : ", FAILED");
}

int main(int argc, char **argv)
{
	unsigned connections = (unsigned)(argc > 1 ? atoi(argv[1]) : 180000) / 2;
	int rounds = argc > 2 ? atoi(argv[2]) : 5;
	const char *headroom = argc > 3 ? argv[3] : "headroom";
	pid_t pids[PROCESSES_MAX];
	unsigned processes = 0;
	int ready[2];
	char byte;

	enter_namespace();
	if (pipe2(ready, O_CLOEXEC))
		err(2, "pipe");
	for (unsigned left = connections; left && processes < PROCESSES_MAX; processes++) {
		unsigned some = left < PER_PROCESS ? left : PER_PROCESS;
		left -= some;
		if (!(pids[processes] = fork()))
			hold(processes, some, ready[1]);
		if (pids[processes] < 0)
			err(2, "fork");
	}
	close(ready[1]);
	for (unsigned i = 0; i < processes; i++)
		if (read(ready[0], &byte, 1) != 1)
			err(2, "pipe");
	for (int i = 0; i < rounds; i++) {
		one_pass();
		program("ss -tan", (const char *const[]){ "ss", "-tan", NULL });
		program("headroom check --all",
			(const char *const[]){ headroom, "check", "--all", "--sample", "0", NULL });
		program("headroom check one",
			(const char *const[]){ headroom, "check", "--sample", "0", "127.0.0.1:5000", NULL });
	}
	for (unsigned i = 0; i < processes; i++)
		kill(pids[i], SIGKILL);
	for (unsigned i = 0; i < processes; i++)
		waitpid(pids[i], NULL, 0);
	return 0;
}
