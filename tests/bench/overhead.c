// SPDX-License-Identifier: Apache-2.0
/* overhead - what the shim adds to connect() + close(), and to close() of what is no socket.
 *
 * Run under the shim. Every round makes the calls twice, hooked and straight from libc, in random order, so
 * that both meet the same machine; without the shim the ratio is 1. The listener's queue is emptied between batches and not meanwhile: a server at
 * work on the other core costs more, and less evenly, than what is to be seen. Makes its own network
 * namespace. usage: overhead [ROUNDS [time-wait]]; with time-wait closes are ordinary ones, else RST. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 500, NON_SOCKET_ROUNDS = 2000 };

struct calls {
	int (*socket)(int, int, int);
	int (*connect)(int, const struct sockaddr *, socklen_t);
	int (*close)(int);
};

static struct calls libc, hooked;
static const struct sockaddr_in server = { .sin_family = AF_INET };
static struct sockaddr_in to;

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;
	return (d > 0) - (d < 0);
}

static void *find(void *library, const char *name)
{
	void *found = dlsym(library, name);
	if (!found) {
		fprintf(stderr, "overhead: %s: %s\n", name, dlerror());
		exit(1);
	}
	return found;
}

static void load(struct calls *calls, void *library)
{
	void *found[] = { find(library, "socket"), find(library, "connect"), find(library, "close") };
	memcpy(&calls->socket, &found[0], sizeof(void *));
	memcpy(&calls->connect, &found[1], sizeof(void *));
	memcpy(&calls->close, &found[2], sizeof(void *));
}

static void own_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		perror("overhead: unshare");
		exit(77);
	}
	fd = libc.socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo))
		perror("overhead: lo");
	libc.close(fd);
	fd = open("/proc/sys/net/core/somaxconn", O_WRONLY);
	if (fd < 0 || write(fd, "4096", 4) != 4)
		perror("overhead: somaxconn");
	libc.close(fd);
}

static int listener(void)
{
	int fd = libc.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t length = sizeof(to);

	if (bind(fd, (const struct sockaddr *)&server, sizeof(server)) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&to, &length)) {
		perror("overhead: listen");
		exit(1);
	}
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd;
}

static double cycle(const struct calls *c, bool time_wait)
{
	struct linger abort_close = { .l_onoff = 1 };
	int fd = c->socket(AF_INET, SOCK_STREAM, 0);
	double start = now_ns();

	if (c->connect(fd, (const struct sockaddr *)&to, sizeof(to))) {
		perror("overhead: connect");
		exit(1);
	}
	double connected = now_ns();
	if (!time_wait)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_close, sizeof(abort_close));
	double closing = now_ns();
	c->close(fd);
	return now_ns() - closing + connected - start;
}

static void drain(int fd)
{
	int accepted;
	while ((accepted = accept(fd, NULL, NULL)) >= 0)
		libc.close(accepted);
}

/* Time of one close() of a number that stands for /dev/null, least of a few. */
static double close_non_socket(const struct calls *c, int null)
{
	double least = 1e9;

	for (int round = 0; round < NON_SOCKET_ROUNDS; round++) {
		int fds[BATCH];
		for (int i = 0; i < BATCH; i++)
			fds[i] = dup(null);
		double start = now_ns();
		for (int i = 0; i < BATCH; i++)
			c->close(fds[i]);
		double each = (now_ns() - start) / BATCH;
		least = each < least ? each : least;
	}
	return least;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 20000;
	bool time_wait = argc > 2;
	double *times[2] = { malloc((size_t)rounds * sizeof(double)),
			     malloc((size_t)rounds * sizeof(double)) };

	load(&libc, dlopen("libc.so.6", RTLD_NOW));
	load(&hooked, RTLD_DEFAULT);
	own_namespace();
	int fd = listener();
	for (int i = -BATCH; i < rounds; i++) {
		int first = rand() >> 7 & 1; /* in no rhythm that the kernel's own batches could fall in with */
		double took[2];
		took[first] = cycle(first ? &hooked : &libc, time_wait);
		took[!first] = cycle(first ? &libc : &hooked, time_wait);
		if (i >= 0)
			times[0][i] = took[0], times[1][i] = took[1];
		if (i % BATCH == 0)
			drain(fd);
	}
	for (int k = 0; k < 2; k++)
		qsort(times[k], (size_t)rounds, sizeof(double), by_value);
	double plain = times[0][rounds / 2], shim = times[1][rounds / 2];
	printf("connect+close p50_us plain %.2f shim %.2f ratio %.3f\n", plain / 1e3, shim / 1e3,
	       shim / plain);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	double direct = close_non_socket(&libc, null), through = close_non_socket(&hooked, null);
	printf("close() of a non-socket ns plain %.1f shim %.1f more %.1f\n", direct, through,
	       through - direct);
	return 0;
}
