// SPDX-License-Identifier: Apache-2.0
/* guest - the client of tests/twin/reuse: a program that knows nothing of the shim, and connects for each
 * exchange.
 *
 * usage: twin-guest ADDRESS PORT PROTOCOL [NAME=VALUE]...
 *
 * NAMES: those of struct habits, and seed; count (exchanges of a thread); threads; loops (threads that have
 * `wide` connections at once in an epoll set); forks (processes with as many threads); children (after one in
 * so many exchanges a child makes one, and is waited for; every fourth is another program). At the end it
 * writes `done N good N left N ...` by the names of outcomes, of all its processes. */
#include "guest.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS_MOST = 64, WIDE_MOST = 64, TOLD_MOST = 20, BAD = 64 };

struct habits habits = { .styles = "b" };

static const char *const names[OUTCOMES] = { "good",  "left",    "lost_get", "lost", "later_get",
					     "later", "refused", "full",     "cut",  "hung",
					     "mixed", "damaged", "died" };
static struct {
	atomic_ulong done, told, outcomes[OUTCOMES];
} * sums; /* of all processes */
static unsigned long count = 100;
static bool alone;
static unsigned seed, threads = 1, loops, wide = 8, forks, children;
static char **command;
static int words;
extern char **environ;

static void enter(const struct exchange *x)
{
	atomic_fetch_add(&sums->done, 1);
	atomic_fetch_add(&sums->outcomes[x->outcome], 1);
	if (x->outcome <= LEFT || atomic_fetch_add(&sums->told, 1) >= TOLD_MOST)
		return;
	char shown[96];
	snprintf(shown, sizeof(shown), "%.*s", x->size < 90 ? (int)x->size : 90, x->reply);
	for (char *at = shown; *at; at++)
		*at = *at < ' ' ? '.' : *at;
	fprintf(stderr, "%s: %.12s %s, style %c, request %u: %s, got %zu `%s`\n", names[x->outcome], x->text,
		x->tag, x->style, x->asked, strerror(x->error), x->size, shown);
}

static struct exchange *make_exchange(unsigned number)
{
	struct exchange *x = calloc(1, sizeof(*x));

	x->seed = seed * 7919 + number * 104729;
	x->fd = x->epoll = -1;
	return x;
}

/* A child that asks, while its parent waits: with the parent's code, or as a program of its own. */
static void let_child_ask(struct exchange *x, unsigned long number)
{
	char *argv[64], last[32], name[48];
	int i = 0, status;
	pid_t pid;

	if (draw(x, 4)) {
		pid = fork();
		if (!pid) {
			snprintf(name, sizeof(name), "c%d", (int)getpid());
			exchange_begin(x, name, number);
			x->epoll = x->style == 'e' ? epoll_create1(EPOLL_CLOEXEC) : -1;
			exchange_run(x);
			enter(x);
			_exit(0);
		}
	} else {
		for (; i < words && i < 60; i++)
			argv[i] = command[i];
		/* The last of a name counts. */
		snprintf(last, sizeof(last), "seed=%u", draw(x, 1 << 20));
		argv[i++] = last;
		argv[i++] = (char[]){ "alone=1" };
		argv[i] = NULL;
		if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ))
			return;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	enum outcome bad = WIFEXITED(status) ? (enum outcome)(WEXITSTATUS(status) - BAD) : OUTCOMES;
	if (status && bad < OUTCOMES) {
		atomic_fetch_add(&sums->outcomes[bad], 1);
	} else if (status) {
		fprintf(stderr, "a child ended with %x\n", (unsigned)status);
		atomic_fetch_add(&sums->outcomes[DIED], 1);
	}
}

static void *work(void *argument)
{
	unsigned number = (unsigned)(uintptr_t)argument;
	struct exchange *x = make_exchange(number);
	int set = epoll_create1(EPOLL_CLOEXEC);
	char name[32];

	snprintf(name, sizeof(name), "%d.%u", (int)getpid(), number);
	for (unsigned long i = 0; i < count; i++) {
		exchange_begin(x, name, i);
		x->epoll = x->style == 'e' ? set : -1;
		exchange_run(x);
		enter(x);
		if (children && !draw(x, children))
			let_child_ask(x, i);
		if (habits.pause_us)
			usleep(draw(x, habits.pause_us));
	}
	close(set);
	free(x);
	return NULL;
}

/* Many connections at once in one thread. */
static void *loop(void *argument)
{
	unsigned number = (unsigned)(uintptr_t)argument, open = 0;
	struct exchange *all[WIDE_MOST];
	struct epoll_event events[WIDE_MOST];
	int set = epoll_create1(EPOLL_CLOEXEC);
	unsigned long begun = 0, most = count * wide;
	char name[32];

	snprintf(name, sizeof(name), "%d.%u", (int)getpid(), number);
	for (unsigned i = 0; i < wide; i++) {
		all[i] = make_exchange(number * WIDE_MOST + i);
		all[i]->stage = OPENS;
	}
	do {
		int rc = open ? epoll_wait(set, events, WIDE_MOST, 1) : 0;
		(void)rc;
		for (unsigned i = 0; i < wide; i++) {
			struct exchange *x = all[i];
			if (x->fd < 0) {
				if (begun == most || (habits.pause_us && draw(x, 4)))
					continue;
				exchange_begin(x, name, begun++);
				x->style = 'l';
				x->epoll = set;
				open++;
			}
			/* Edges are not relied on: each that is open is tried, once connect() has come to an
			 * end. */
			struct pollfd p = { .fd = x->fd, .events = POLLOUT };
			if (x->stage == CONNECTS && poll(&p, 1, 0) == 0 && now_ns() < x->deadline_ns)
				continue;
			if (exchange_step(x) == DONE) {
				enter(x);
				open--;
			}
		}
		if (habits.pause_us)
			usleep(draw(all[0], habits.pause_us));
	} while (open || begun < most);
	for (unsigned i = 0; i < wide; i++)
		free(all[i]);
	close(set);
	return NULL;
}

static void run(void)
{
	pthread_t thread[THREADS_MOST];
	unsigned n = threads + loops;

	/* One thread is the program's only one. */
	if (n == 1) {
		(loops ? loop : work)((void *)(uintptr_t)1);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&thread[i], NULL, i < threads ? work : loop, (void *)(uintptr_t)(i + 1)))
			err(2, "pthread_create");
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

/* Each child begins while its parent's thread is at work. */
static void run_forked(void)
{
	pthread_t thread;
	pid_t pid;
	int status;

	if (pthread_create(&thread, NULL, work, (void *)(uintptr_t)63))
		err(2, "pthread_create");
	for (unsigned i = 0; i < forks; i++) {
		usleep(2000);
		pid = fork();
		if (!pid) {
			seed += i + 1;
			run();
			_exit(0);
		}
	}
	pthread_join(thread, NULL);
	while ((pid = wait(&status)) > 0) {
		if (!status)
			continue;
		fprintf(stderr, "forked process %d ended with %x\n", (int)pid, (unsigned)status);
		atomic_fetch_add(&sums->outcomes[DIED], 1);
	}
}

static void set(const char *name, const char *value)
{
	unsigned number = (unsigned)strtoul(value, NULL, 10);
	const struct {
		const char *name;
		unsigned *at;
	} numbers[] = {
		{ "seed", &seed },
		{ "threads", &threads },
		{ "loops", &loops },
		{ "wide", &wide },
		{ "forks", &forks },
		{ "children", &children },
		{ "pause_us", &habits.pause_us },
		{ "dwell_us", &habits.dwell_us },
		{ "others", &habits.others },
		{ "more", &habits.more },
		{ "leaves", &habits.leaves },
		{ "halves", &habits.halves },
		{ "bodies", &habits.bodies },
	};

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (!strcmp(name, numbers[i].name)) {
			*numbers[i].at = number;
			return;
		}
	}
	if (!strcmp(name, "styles")) {
		habits.styles = value;
	} else if (!strcmp(name, "count")) {
		count = number;
	} else if (!strcmp(name, "alone")) {
		threads = 1;
		count = 1;
		alone = true;
		loops = forks = children = 0;
	} else {
		errx(2, "no habit: %s", name);
	}
}

static void set_destination(const char *address, uint16_t port)
{
	struct sockaddr_in *to4 = (void *)&habits.to;
	struct sockaddr_in6 *to6 = (void *)&habits.to;
	bool v6 = strchr(address, ':');

	habits.to.ss_family = v6 ? AF_INET6 : AF_INET;
	habits.to_size = v6 ? sizeof(*to6) : sizeof(*to4);
	*(v6 ? &to6->sin6_port : &to4->sin_port) = htons(port);
	if (inet_pton(habits.to.ss_family, address, v6 ? (void *)&to6->sin6_addr : (void *)&to4->sin_addr) !=
	    1)
		errx(2, "%s is no address", address);
}

int main(int argc, char **argv)
{
	static const char *const protocols[] = { "http", "redis", "memcached", "raw" };

	if (argc < 4)
		errx(2, "usage: twin-guest ADDRESS PORT PROTOCOL [NAME=VALUE]...");
	command = argv;
	words = argc;
	set_destination(argv[1], (uint16_t)atoi(argv[2]));
	while (habits.protocol < RAW && strcmp(argv[3], protocols[habits.protocol]))
		habits.protocol++;
	for (int i = 4; i < argc; i++) {
		char name[32] = "";
		if (sscanf(argv[i], "%31[^=]=", name) != 1 || !strchr(argv[i], '='))
			errx(2, "NAME=VALUE: %s", argv[i]);
		set(name, strchr(argv[i], '=') + 1);
	}
	if (threads + loops > THREADS_MOST || wide > WIDE_MOST || !wide)
		errx(2, "too many at once");
	sums = mmap(NULL, sizeof(*sums), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sums == MAP_FAILED)
		err(2, "mmap");
	forks ? run_forked() : run();
	/* A child of another program is told of by its parent. */
	for (unsigned i = LEFT + 1; i < OUTCOMES && alone; i++)
		if (sums->outcomes[i])
			return (int)(BAD + i);
	printf("done %lu", sums->done);
	for (unsigned i = 0; i < OUTCOMES; i++)
		printf(" %s %lu", names[i], sums->outcomes[i]);
	printf("\n");
	return 0;
}
