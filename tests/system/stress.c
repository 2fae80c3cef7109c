// SPDX-License-Identifier: Apache-2.0
/* stress - many threads that connect, duplicate, close and fork at random
 *
 * stress SEED SECONDS [filter|childless]: 32 threads towards 127.0.0.1 and fd00:1::1, port 5000, where
 * hold(1) answers requests and closes when we have closed. Says "held ..." when it has done, with some
 * connections open, and ends at SIGTERM. With "filter" all of them get under a seccomp filter meanwhile, one
 * after the other; with "childless" none forks.
 *
 * Each fd number has one owner at a time, as in a correct program: a thread takes numbers out of the slots
 * and puts them back. But several numbers may stand for one socket, and be used by several threads at once.
 * What a close() will come to is known before it: an answer is waited for, so that no data is on its way
 * then. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	THREADS = 32,
	SLOTS = 256,
	PORT = 5000,
	CLOSED_PORT = 5999,
	TIME_WAITS_MAX = 12000, /* far from net.ipv4.tcp_max_tw_buckets, past which the kernel keeps none */
	TIME_WAITS_FOR_S = 30,  /* made at the end only: the first must still be there when all are counted */
};

/* An fd number + 1, or 0. */
static atomic_int slots[SLOTS];
static atomic_bool stop, filters;
static bool childless;
static atomic_int time_waits = TIME_WAITS_MAX;
static atomic_ulong connects, failed, duplicates, closes, forks;
static time_t time_waits_from;

static unsigned below(unsigned *seed, unsigned limit)
{
	return (unsigned)rand_r(seed) % limit;
}

static int try_connect(int fd, bool v6, unsigned port)
{
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	inet_pton(AF_INET6, "fd00:1::1", &to6.sin6_addr);
	int rc = v6 ? connect(fd, (struct sockaddr *)&to6, sizeof(to6))
		    : connect(fd, (struct sockaddr *)&to4, sizeof(to4));
	return rc ? errno : 0;
}

static void wait_until_connected(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };

	while (poll(&ready, 1, -1) < 0)
		;
}

/* The end of a connect() that was left to the kernel, in one of the ways programs have. */
static int finish(int fd, bool v6, unsigned port, unsigned *seed)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (below(seed, 3) == 0) {
		error = try_connect(fd, v6, port);
		return error == EISCONN ? 0 : error;
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return error;
}

/* The port of a bind() to port 0 is deferred, and made real at a look, or at a fork by another thread. */
static void bind_source(int fd, bool v6, bool look)
{
	struct sockaddr_in at4 = { .sin_family = AF_INET };
	struct sockaddr_in6 at6 = { .sin6_family = AF_INET6 };
	struct sockaddr_storage seen;
	socklen_t size = sizeof(seen);

	at4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	inet_pton(AF_INET6, "fd00:1::1", &at6.sin6_addr);
	if (v6 ? bind(fd, (struct sockaddr *)&at6, sizeof(at6))
	       : bind(fd, (struct sockaddr *)&at4, sizeof(at4)))
		warn("bind");
	if (look)
		getsockname(fd, (struct sockaddr *)&seen, &size);
}

/* Return: a connected fd, or -1. */
static int opened(unsigned *seed)
{
	bool v6 = below(seed, 3) == 0, waits = below(seed, 2), refused = below(seed, 64) == 0;
	unsigned port = refused ? CLOSED_PORT : PORT;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | (waits ? 0 : SOCK_NONBLOCK), 0);

	if (fd < 0)
		return -1;
	if (below(seed, 8) == 0)
		bind_source(fd, v6, below(seed, 4) == 0);
	int error = try_connect(fd, v6, port);
	/* Some never ask what came of it. Before it is connected nobody knows what a close() will come to. */
	if (error == EINPROGRESS) {
		wait_until_connected(fd);
		error = !refused && below(seed, 8) == 0 ? 0 : finish(fd, v6, port, seed);
	}
	atomic_fetch_add(error ? &failed : &connects, 1);
	if (!error)
		return fd;
	if (!refused && error != EADDRNOTAVAIL)
		warnx("connect: %s", strerrorname_np(error));
	close(fd);
	return -1;
}

static void reset_on_close(int fd)
{
	struct linger linger = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* May a connection end without a reset now? */
static bool time_wait_allowed(void)
{
	return time(NULL) >= time_waits_from && atomic_fetch_sub(&time_waits, 1) > 0;
}

/* Asks, and reads the answer or leaves it unread: then close() resets (RFC 2525, section 2.17). */
static void ask(int fd, bool reads)
{
	static const char request[] = "GET / HTTP/1.1\r\n\r\n";
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	/* What hold.c answers: no more is read, as another thread may wait for its own. */
	char answer[sizeof("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nok\n") - 1];

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		return;
	poll(&ready, 1, -1);
	if (reads)
		recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
}

/* The other side closes when we have: what a close() under another number of this socket comes to would
 * depend on whether it has done so. */
static void end_in_order(int fd)
{
	struct pollfd ended = { .fd = fd, .events = POLLRDHUP };

	if (shutdown(fd, SHUT_WR) == 0)
		poll(&ended, 1, -1);
}

static void close_one(int fd, unsigned *seed)
{
	unsigned how = below(seed, 8);

	if (how > 1 || !time_wait_allowed())
		reset_on_close(fd);
	else if (how == 1)
		end_in_order(fd);
	if (how == 2)
		ask(fd, false);
	atomic_fetch_add(&closes, 1);
	close(fd);
}

static int duplicate(int fd, unsigned *seed)
{
	atomic_fetch_add(&duplicates, 1);
	switch (below(seed, 3)) {
	case 0:
		return dup(fd);
	case 1:
		return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	default: {
		/* Over another connection of ours, which that closes. */
		int other = opened(seed);
		if (other < 0)
			return dup(fd);
		reset_on_close(other);
		return dup3(fd, other, O_CLOEXEC);
	}
	}
}

/* The child has the parent's connections too, and opens some of its own: one stays open until it ends, and is
 * a TIME_WAIT then. Only calls that are safe in a child of a process with threads (fork(2)). */
static void have_child(unsigned *seed, bool shares_memory)
{
	unsigned child_seed = *seed ^ 0x5555u;
	int first = atomic_load(&slots[0]);
	pid_t pid = shares_memory ? vfork() : fork();

	if (!pid && shares_memory) {
		if (first)
			close(first - 1);
		_exit(0);
	}
	if (!pid) {
		for (int i = 0; i < 3; i++) {
			int fd = opened(&child_seed);
			if (fd >= 0 && (i || !time_wait_allowed())) {
				reset_on_close(fd);
				close(fd);
			}
		}
		_exit(0);
	}
	if (pid < 0)
		return;
	atomic_fetch_add(&forks, 1);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void put_away(int fd, unsigned *seed)
{
	int before = atomic_exchange(&slots[below(seed, SLOTS)], fd + 1);
	if (before)
		close_one(before - 1, seed);
}

static void filter(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { .len = 1, .filter = &all };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		err(1, "prctl");
}

static void *work(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;
	bool under_filter = false;

	while (!atomic_load(&stop)) {
		if (!under_filter && atomic_load(&filters)) {
			filter();
			under_filter = true;
		}
		unsigned what = below(&seed, 512);
		if (what < 2 && childless)
			continue;
		if (what < 2) {
			have_child(&seed, what == 1);
			continue;
		}
		int fd = what < 300 ? opened(&seed) : atomic_exchange(&slots[below(&seed, SLOTS)], 0) - 1;
		if (fd < 0)
			continue;
		if (what % 8 == 0)
			ask(fd, true);
		int copy = what % 8 == 1 ? duplicate(fd, &seed) : -1;
		if (copy >= 0)
			put_away(copy, &seed);
		if (what % 4 == 2)
			close_one(fd, &seed);
		else
			put_away(fd, &seed);
	}
	return NULL;
}

static void wait_for(unsigned seconds)
{
	while (seconds)
		seconds = sleep(seconds);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	sigset_t end;
	int number, held = 0;

	bool filtered = argc == 4 && !strcmp(argv[3], "filter");
	childless = argc == 4 && !strcmp(argv[3], "childless");
	if (argc != 3 && !filtered && !childless)
		errx(2, "usage: stress SEED SECONDS [filter|childless]");
	unsigned seed = (unsigned)atoi(argv[1]), seconds = (unsigned)atoi(argv[2]);
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	time_waits_from = time(NULL) + (seconds > TIME_WAITS_FOR_S ? seconds - TIME_WAITS_FOR_S : 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)(seed * 1000u + i)))
			errx(1, "pthread_create");
	wait_for(seconds / 2);
	atomic_store(&filters, filtered);
	wait_for(seconds - seconds / 2);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < SLOTS; i++)
		held += atomic_load(&slots[i]) != 0;
	printf("held %d: %lu connects, %lu failed, %lu duplicates, %lu closes, %lu forks\n", held,
	       atomic_load(&connects), atomic_load(&failed), atomic_load(&duplicates), atomic_load(&closes),
	       atomic_load(&forks));
	fflush(stdout);
	sigwait(&end, &number);
	return 0;
}
