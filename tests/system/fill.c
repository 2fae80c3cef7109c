// SPDX-License-Identifier: Apache-2.0
/* fill - opens TCP connections to each destination in turn until a call fails, and says how many and which
 * call
 *
 * fill [-n] [-m] [-r] [-t THREADS] [-c COUNT] [-a | -e] [-b IP | -s IP] IP PORT [IP PORT]...
 *   -n  non-blocking connect(), waited for with poll()
 *   -m  an AF_INET6 socket to the IPv4-mapped address
 *   -r  IP_LOCAL_PORT_RANGE set to 1..65535: the whole range, every port once
 *   -a  closes all before the next destination, aborting (RST);  -e  the same ending in good order (FIN)
 *   -b  bind(IP, 0) first, the old way;  -s  the same with IP_BIND_ADDRESS_NO_PORT
 * Prints "IP PORT opened N, CALL ERRNO" per destination, then "held", and keeps all open until stdin ends.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct target {
	union address to;
	atomic_uint opened;
	const char *failed_call;
	int failed_errno;
};

static bool non_blocking, mapped, whole_range, no_port, close_between, abort_close;
static const char *bind_ip;
static unsigned threads = 1, limit = 1000000;
static int open_fds[65536];
static atomic_uint open_count;
static pthread_mutex_t result_lock = PTHREAD_MUTEX_INITIALIZER; /* guards failed_call and failed_errno */

static socklen_t parse(union address *a, const char *ip, unsigned port)
{
	char text[64];

	memset(a, 0, sizeof(*a));
	if (!mapped && inet_pton(AF_INET, ip, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons((uint16_t)port);
		return sizeof(a->v4);
	}
	snprintf(text, sizeof(text), "%s%s", mapped ? "::ffff:" : "", ip);
	if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) != 1)
		errx(2, "%s: not an address", ip);
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = htons((uint16_t)port);
	return sizeof(a->v6);
}

static socklen_t length_of(const union address *a)
{
	return a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

static const char *finish_connect(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(errno);
	int result = 0;

	if (errno != EINPROGRESS || !non_blocking)
		return "connect";
	if (poll(&wait, 1, 60000) != 1) {
		errno = ETIMEDOUT;
		return "poll";
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size);
	errno = result;
	return result ? "SO_ERROR" : NULL;
}

/* Return: NULL when connected, else the name of the call that failed, with errno. */
static const char *open_one(const union address *to)
{
	int fd = socket(to->any.sa_family, SOCK_STREAM | (non_blocking ? SOCK_NONBLOCK : 0), 0), on = 1;
	union address from;

	if (fd < 0)
		return "socket";
	if (whole_range) {
		uint32_t range = 1 | 65535u << 16;
		setsockopt(fd, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, &range, sizeof(range));
	}
	if (no_port)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	const char *failed = NULL;
	if (bind_ip && bind(fd, &from.any, parse(&from, bind_ip, 0)))
		failed = "bind";
	else if (connect(fd, &to->any, length_of(to)))
		failed = finish_connect(fd);
	if (failed) {
		int why = errno;
		close(fd);
		errno = why;
		return failed;
	}
	open_fds[atomic_fetch_add(&open_count, 1) % 65536] = fd;
	return NULL;
}

static void close_all(void)
{
	struct linger at_once = { .l_onoff = 1 };

	while (open_count) {
		int fd = open_fds[--open_count];
		if (abort_close)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
	}
}

static void *fill(void *argument)
{
	struct target *target = argument;
	const char *failed;

	while (atomic_load(&target->opened) < limit && !(failed = open_one(&target->to)))
		atomic_fetch_add(&target->opened, 1);
	if (atomic_load(&target->opened) < limit) {
		pthread_mutex_lock(&result_lock);
		target->failed_errno = errno;
		target->failed_call = failed;
		pthread_mutex_unlock(&result_lock);
	}
	return NULL;
}

static void fill_with_threads(struct target *target)
{
	pthread_t ids[64];

	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, fill, target))
			err(2, "pthread_create");
	for (unsigned i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "nmraet:c:b:s:")) != -1) {
		switch (c) {
		case 'n':
			non_blocking = true;
			break;
		case 'm':
			mapped = true;
			break;
		case 'r':
			whole_range = true;
			break;
		case 'a':
			close_between = abort_close = true;
			break;
		case 'e':
			close_between = true;
			break;
		case 't':
			threads = (unsigned)atoi(optarg);
			break;
		case 'c':
			limit = (unsigned)atoi(optarg);
			break;
		case 's':
			no_port = true;
			bind_ip = optarg;
			break;
		case 'b':
			bind_ip = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (optind + 1 >= argc || threads < 1 || threads > 64)
		errx(2, "usage: fill [-nmrae] [-t THREADS] [-c COUNT] [-b IP | -s IP] IP PORT...");
}

int main(int argc, char **argv)
{
	struct rlimit files;
	char byte;

	options(argc, argv);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (int i = optind; i + 1 < argc; i += 2) {
		struct target target = { .failed_call = "none" };
		if (close_between)
			close_all();
		parse(&target.to, argv[i], (unsigned)atoi(argv[i + 1]));
		fill_with_threads(&target);
		printf("%s %s opened %u, %s %s\n", argv[i], argv[i + 1], atomic_load(&target.opened),
		       target.failed_call, target.failed_errno ? strerrorname_np(target.failed_errno) : "-");
	}
	puts("held");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
