// SPDX-License-Identifier: Apache-2.0
/* shown - as Java and Erlang do: bind(ip, 0), getsockname(), connect(), to each port in turn until a call
 * fails
 *
 * shown [-n] [-t THREADS] [-c COUNT] [-w WAY] SOURCE IP PORT [PORT]...
 *   -n  non-blocking connect(), waited for with poll()
 *   -w  what else is done before connect(): a line of ways[]
 * Prints for each port how many were opened, the call that failed and how many had another port than the one
 * that was shown, then "held", and keeps all open until stdin ends. It is an error if an option or the source
 * changes.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool non_blocking;
static unsigned threads = 1, limit = 1000000;
static union address source;
static atomic_uint opened, lied, unshown;
static atomic_int failed_errno;
static _Atomic(const char *) failed_call;
static atomic_uint signals;

static void set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		err(2, "setsockopt");
}

static int get(int fd, int level, int name)
{
	int value = 0;
	socklen_t length = sizeof(value);

	if (getsockopt(fd, level, name, &value, &length))
		err(2, "getsockopt");
	return value;
}

static void as_it_is(int fd)
{
	(void)fd;
}

static void usual_options(int fd)
{
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, SOL_SOCKET, SO_SNDBUF, 40000);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
}

static void segment_size(int fd)
{
	set(fd, IPPROTO_TCP, TCP_MAXSEG, 700);
}

static void window(int fd)
{
	set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000);
}

static void quick_ack(int fd)
{
	set(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
}

static void peek_offset(int fd)
{
	set(fd, SOL_SOCKET, SO_PEEK_OFF, 3);
}

static void reused_address(int fd)
{
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

static void with_signals(int fd)
{
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
}

static void doubled(int fd)
{
	if (dup(fd) < 0)
		err(2, "dup");
}

static void in_epoll(int fd)
{
	static int set = -1;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };

	if (set < 0)
		set = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event))
		err(2, "epoll_ctl");
}

static void forked(int fd)
{
	pid_t child = fork();

	(void)fd;
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
}

static void failed_before(int fd)
{
	union address nowhere = source;

	nowhere.v4.sin_port = htons(9);
	if (!connect(fd, &nowhere.any, sizeof(nowhere.v4)) || errno != ECONNREFUSED)
		err(2, "a connect() to be refused");
}

/* The option is to keep its value. */
static const struct way {
	const char *name;
	void (*first)(int fd), (*then)(int fd); /* after socket(); after getsockname() */
	int level, option;
} ways[] = {
	{ "plain", as_it_is, as_it_is, 0, 0 },
	{ "options", usual_options, as_it_is, IPPROTO_TCP, TCP_USER_TIMEOUT },
	{ "options-later", as_it_is, usual_options, SOL_SOCKET, SO_SNDBUF },
	{ "maxseg", segment_size, as_it_is, IPPROTO_TCP, TCP_MAXSEG },
	{ "window", as_it_is, window, IPPROTO_TCP, TCP_WINDOW_CLAMP },
	{ "quickack", quick_ack, as_it_is, 0, 0 },
	{ "peek-offset", peek_offset, as_it_is, SOL_SOCKET, SO_PEEK_OFF },
	{ "reuseaddr", reused_address, as_it_is, SOL_SOCKET, SO_REUSEADDR },
	{ "async", as_it_is, with_signals, 0, 0 },
	{ "dup", as_it_is, doubled, 0, 0 },
	{ "epoll", in_epoll, as_it_is, 0, 0 },
	{ "fork", as_it_is, forked, 0, 0 },
	{ "refused", as_it_is, failed_before, 0, 0 },
};
static const struct way *way = ways;

static void on_signal(int number)
{
	(void)number;
	signals++;
}

static socklen_t length_of(const union address *a)
{
	return a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

static union address parse(const char *ip, const char *port)
{
	union address a = { 0 };

	if (inet_pton(AF_INET, ip, &a.v4.sin_addr) == 1) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons((uint16_t)atoi(port));
	} else if (inet_pton(AF_INET6, ip, &a.v6.sin6_addr) == 1) {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons((uint16_t)atoi(port));
	} else {
		errx(2, "%s: not an address", ip);
	}
	return a;
}

/* Return: the port; the address is to be the one that was bound. */
static unsigned local_port(int fd, bool connected)
{
	static const union address unset;
	union address a = { 0 };
	socklen_t length = sizeof(a);

	if (getsockname(fd, &a.any, &length))
		err(2, "getsockname");
	bool v4 = a.any.sa_family == AF_INET;
	const void *got = v4 ? (void *)&a.v4.sin_addr : &a.v6.sin6_addr;
	const void *want = v4 ? (void *)&source.v4.sin_addr : &source.v6.sin6_addr;
	size_t size = v4 ? sizeof(a.v4.sin_addr) : sizeof(a.v6.sin6_addr);
	if (memcmp(got, want, size) && !(connected && !memcmp(want, &unset.v6.sin6_addr, size)))
		errx(2, "the source has changed");
	return ntohs(v4 ? a.v4.sin_port : a.v6.sin6_port);
}

static const char *wait_for(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLOUT };

	if (errno != EINPROGRESS || !non_blocking)
		return "connect";
	if (poll(&one, 1, 60000) != 1) {
		errno = ETIMEDOUT;
		return "poll";
	}
	errno = get(fd, SOL_SOCKET, SO_ERROR);
	return errno ? "SO_ERROR" : NULL;
}

static const char *open_one(const union address *to)
{
	int fd = socket(to->any.sa_family, SOCK_STREAM | (non_blocking ? SOCK_NONBLOCK : 0), 0);
	const char *failed = NULL;

	if (fd < 0)
		return "socket";
	way->first(fd);
	if (bind(fd, &source.any, length_of(&source))) {
		close(fd);
		return "bind";
	}
	unsigned shown = local_port(fd, false);
	way->then(fd);
	int value = way->option ? get(fd, way->level, way->option) : 0;
	if (connect(fd, &to->any, length_of(to)) && (failed = wait_for(fd))) {
		int why = errno;
		close(fd);
		errno = why;
		return failed;
	}
	if (way->option && way->option != TCP_MAXSEG && get(fd, way->level, way->option) != value)
		errx(2, "an option has changed from %d to %d", value, get(fd, way->level, way->option));
	if (way->option == TCP_MAXSEG && get(fd, way->level, way->option) > 700)
		errx(2, "TCP_MAXSEG is forgotten");
	uint32_t range = 0;
	socklen_t length = sizeof(range);
	if (!getsockopt(fd, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, &range, &length) && range)
		errx(2, "the range is %#x", range);
	if (!shown)
		unshown++;
	else if (local_port(fd, true) != shown)
		lied++;
	return NULL;
}

static void *fill(void *to)
{
	const char *failed = NULL;

	while (atomic_load(&opened) < limit && !(failed = open_one(to)))
		opened++;
	if (failed) {
		failed_errno = errno;
		failed_call = failed;
	}
	return NULL;
}

static void fill_with_threads(union address *to)
{
	pthread_t ids[64];

	opened = lied = unshown = 0;
	failed_call = NULL;
	for (unsigned i = 1; i < threads; i++)
		if (pthread_create(&ids[i], NULL, fill, to))
			err(2, "pthread_create");
	fill(to);
	for (unsigned i = 1; i < threads; i++)
		pthread_join(ids[i], NULL);
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "nt:c:w:")) != -1) {
		if (c == 'n')
			non_blocking = true;
		else if (c == 't')
			threads = (unsigned)atoi(optarg);
		else if (c == 'c')
			limit = (unsigned)atoi(optarg);
		else if (c != 'w')
			exit(2);
		for (unsigned i = 0; c == 'w' && i < sizeof(ways) / sizeof(*ways); i++)
			if (!strcmp(ways[i].name, optarg))
				way = &ways[i];
		if (c == 'w' && strcmp(way->name, optarg))
			errx(2, "%s: no such way", optarg);
	}
	if (argc - optind < 3 || !threads || threads > 64)
		errx(2, "usage: shown [-n] [-t THREADS] [-c COUNT] [-w WAY] SOURCE IP PORT...");
}

int main(int argc, char **argv)
{
	struct rlimit files;

	options(argc, argv);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGIO, on_signal);
	source = parse(argv[optind], "0");
	for (int i = optind + 2; i < argc; i++) {
		union address to = parse(argv[optind + 1], argv[i]);
		fill_with_threads(&to);
		const char *call = failed_call;
		printf("%s opened %u, %s %s, other ports %u, not shown %u\n", argv[i], opened,
		       call ? call : "limit", call ? strerrorname_np(failed_errno) : "0", lied, unshown);
	}
	printf("held, %u signals\n", signals);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
