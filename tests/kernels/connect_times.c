// SPDX-License-Identifier: Apache-2.0
/* connect_times - fill one tuple space, and say how long connect() took before the knee and past it
 *
 * connect_times IP PORT
 * Prints one JSON object: connections opened, errno of the call that failed, ports of each parity in the
 * first half, and the median time in microseconds of the connect() calls from 10 % to 40 % of the
 * connections opened, and from 60 % to 95 %.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { MOST = 60000 };

static uint64_t took_ns[MOST];
static uint16_t port_of[MOST];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint16_t own_port(int fd)
{
	struct sockaddr_in own = { 0 };
	socklen_t length = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &length))
		err(2, "getsockname");
	return ntohs(own.sin_port);
}

static unsigned fill(const struct sockaddr_in *to)
{
	for (unsigned i = 0; i < MOST; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0)
			err(2, "socket");
		uint64_t began_ns = now_ns();
		if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
			return i;
		took_ns[i] = now_ns() - began_ns;
		port_of[i] = own_port(fd);
	}
	errx(2, "no end after %d connections", MOST);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double median_us(unsigned first, unsigned last)
{
	qsort(took_ns + first, last - first, sizeof(took_ns[0]), by_value);
	return (double)took_ns[(first + last) / 2] / 1e3;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct rlimit files;
	unsigned parity[2] = { 0 };

	if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		errx(2, "usage: connect_times IP PORT");
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);

	unsigned opened = fill(&to);
	const char *error = strerrorname_np(errno);
	for (unsigned i = 0; i < opened / 2; i++)
		parity[port_of[i] % 2]++;
	printf("{\"opened\": %u, \"error\": \"%s\", \"even\": %u, \"odd\": %u, \"before_us\": %.0f, "
	       "\"past_us\": %.0f}\n",
	       opened, error, parity[0], parity[1], median_us(opened / 10, opened * 2 / 5),
	       median_us(opened * 3 / 5, opened * 19 / 20));
	return 0;
}
