// SPDX-License-Identifier: Apache-2.0
/* levels - p50 and p99 of connect() against how much of a tuple space is in use, with random closes between
 *
 * levels IP PORT CAPACITY SAMPLES PERCENT...: opens connections up to each percentage of CAPACITY in turn; at
 * each closes a random one by RST and times the connect() that takes its place, SAMPLES times. Prints
 * "p50@PERCENT us p99@PERCENT us" lines. */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stopwatch.h"

static struct sockaddr_in server = { .sin_family = AF_INET };

/* Return: the fd; *took_ns: how long connect() took. */
static int open_one(double *took_ns)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		err(1, "socket");
	double start = now_ns();
	if (connect(fd, (const struct sockaddr *)&server, sizeof(server)))
		err(1, "connect");
	*took_ns = now_ns() - start;
	return fd;
}

static void abort_close(int fd)
{
	struct linger at_once = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	double took;

	if (argc < 6 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
		errx(2, "usage: levels IP PORT CAPACITY SAMPLES PERCENT...");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	server.sin_port = htons((uint16_t)atoi(argv[2]));
	unsigned capacity = (unsigned)atoi(argv[3]), count = (unsigned)atoi(argv[4]), open_now = 0;
	int *fds = calloc(capacity, sizeof(*fds));
	double *samples = calloc(count, sizeof(*samples));
	for (int i = 5; i < argc; i++) {
		double most = atof(argv[i]) / 100 * capacity;
		while (open_now + 1 <= most)
			fds[open_now++] = open_one(&took);
		for (unsigned n = 0; n < count; n++) {
			unsigned victim = (unsigned)rand() % (open_now ? open_now : 1);
			if (open_now)
				abort_close(fds[victim]);
			fds[victim] = open_one(&samples[n]);
			if (!open_now)
				abort_close(fds[victim]);
		}
		double p99 = quantile(samples, count, .99);
		printf("p50@%s %.2f p99@%s %.2f\n", argv[i], quantile(samples, count, .5) / 1e3, argv[i],
		       p99 / 1e3);
	}
	return 0;
}
