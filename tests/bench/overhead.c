// SPDX-License-Identifier: Apache-2.0
/* overhead - what the shim adds to connect() + close() at low use, and what its system calls alone would
 *
 * Run under the shim. Every round makes the calls three ways, in random order, so that all meet the same
 * machine: straight from libc; straight from libc with the shim's system calls made by hand; hooked. Without
 * the shim the third is as the first. The listener's queue is emptied between batches and not meanwhile: a
 * server at work on the other core costs more, and less evenly, than what is to be seen. Makes its own
 * network namespace.
 *
 * overhead [ROUNDS [rst|time-wait|refused [none|look|bind]]] (4000 rst look): how it ends (refused: nobody
 * listens), and what is made by hand: nothing; recv(MSG_PEEK) before an ordinary close; or with it
 * IP_BIND_ADDRESS_NO_PORT and bind() to one of 127.0.0.1 to .8 before connect(), and both taken back after
 * one that is refused. Prints "plain_us US hand_us US shim_us US added_us US", medians; the last of what the
 * shim added in a round, so that what slows the machine for longer than that is on both sides. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stopwatch.h"

enum { BATCH = 500, SOURCES = 8, ROUNDS_MAX = 100000 };
enum way { PLAIN, HAND, SHIM, WAYS };

struct calls {
	int (*socket)(int, int, int);
	int (*bind)(int, const struct sockaddr *, socklen_t);
	int (*setsockopt)(int, int, int, const void *, socklen_t);
	int (*connect)(int, const struct sockaddr *, socklen_t);
	ssize_t (*recv)(int, void *, size_t, int);
	int (*close)(int);
};

static struct calls libc, hooked;
static struct sockaddr_in to;
static bool time_wait, refused, look_by_hand = true, bind_by_hand;

static void load(struct calls *calls, void *library)
{
	static const char *const names[] = { "socket", "bind", "setsockopt", "connect", "recv", "close" };
	void *found[sizeof(names) / sizeof(names[0])];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!(found[i] = dlsym(library, names[i])))
			errx(1, "%s: %s", names[i], dlerror());
	memcpy(calls, found, sizeof(*calls));
}

static void own_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		err(77, "unshare");
	fd = libc.socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo))
		err(1, "lo");
	libc.close(fd);
	fd = open("/proc/sys/net/core/somaxconn", O_WRONLY);
	if (fd < 0 || write(fd, "4096", 4) != 4)
		err(1, "somaxconn");
	libc.close(fd);
}

static int listener(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = libc.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t length = sizeof(to);

	if (libc.bind(fd, (const struct sockaddr *)&any, sizeof(any)) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&to, &length))
		err(1, "listen");
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd;
}

/* What the shim with sources asks of the kernel before a connect(). */
static void choose_source(int fd)
{
	static unsigned turn;
	const struct sockaddr_in from = { .sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % SOURCES) };
	const int on = 1;

	libc.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (libc.bind(fd, (const struct sockaddr *)&from, sizeof(from)))
		err(1, "bind");
}

/* And after one that failed: the program gets its socket as it was. */
static void take_back(int fd)
{
	const struct sockaddr_in nothing = { .sin_family = AF_INET };
	const int off = 0;

	if (libc.bind(fd, (const struct sockaddr *)&nothing, sizeof(nothing)))
		err(1, "bind");
	libc.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &off, sizeof(off));
}

static void connect_by(const struct calls *c, int fd)
{
	int failed = c->connect(fd, (const struct sockaddr *)&to, sizeof(to));

	if (refused ? !failed || errno != ECONNREFUSED : failed)
		err(1, "connect");
}

static double cycle(enum way way)
{
	const struct calls *c = way == SHIM ? &hooked : &libc;
	struct linger abort_close = { .l_onoff = 1 };
	int fd = c->socket(AF_INET, SOCK_STREAM, 0);
	char byte;

	double start = now_ns();
	if (way == HAND && bind_by_hand)
		choose_source(fd);
	connect_by(c, fd);
	if (way == HAND && bind_by_hand && refused)
		take_back(fd);
	double connected = now_ns();
	if (!time_wait && !refused)
		c->setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_close, sizeof(abort_close));
	double closing = now_ns();
	if (way == HAND && look_by_hand && time_wait)
		libc.recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	c->close(fd);
	return now_ns() - closing + connected - start;
}

static void drain(int fd)
{
	int accepted;
	while ((accepted = accept(fd, NULL, NULL)) >= 0)
		libc.close(accepted);
}

/* In no rhythm that the kernel's own batches could fall in with. */
static void shuffle(enum way *order)
{
	for (int i = WAYS - 1; i > 0; i--) {
		int other = (rand() >> 7) % (i + 1);
		enum way kept = order[i];
		order[i] = order[other];
		order[other] = kept;
	}
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 4000;
	enum way order[WAYS] = { PLAIN, HAND, SHIM };
	static double times[WAYS][ROUNDS_MAX], added[ROUNDS_MAX];

	time_wait = argc > 2 && !strcmp(argv[2], "time-wait");
	refused = argc > 2 && !strcmp(argv[2], "refused");
	look_by_hand = argc < 4 || strcmp(argv[3], "none");
	bind_by_hand = argc > 3 && !strcmp(argv[3], "bind");
	if (rounds < 1 || rounds > ROUNDS_MAX || argc > 4)
		errx(2, "usage: overhead [ROUNDS [rst|time-wait|refused [none|look|bind]]]");
	load(&libc, dlopen("libc.so.6", RTLD_NOW));
	load(&hooked, RTLD_DEFAULT);
	own_namespace();
	int fd = listener();
	if (refused)
		shutdown(fd, SHUT_RD); /* it keeps its port, and listens no more */
	for (int i = -BATCH; i < rounds; i++) {
		shuffle(order);
		for (int k = 0; k < WAYS; k++) {
			double took = cycle(order[k]);
			if (i >= 0)
				times[order[k]][i] = took;
		}
		if (i % BATCH == 0)
			drain(fd);
	}
	for (int i = 0; i < rounds; i++)
		added[i] = times[SHIM][i] - times[PLAIN][i];
	printf("plain_us %.3f hand_us %.3f shim_us %.3f added_us %.3f\n",
	       quantile(times[PLAIN], (size_t)rounds, .5) / 1e3,
	       quantile(times[HAND], (size_t)rounds, .5) / 1e3,
	       quantile(times[SHIM], (size_t)rounds, .5) / 1e3, quantile(added, (size_t)rounds, .5) / 1e3);
	return 0;
}
