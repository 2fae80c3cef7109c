// SPDX-License-Identifier: Apache-2.0
/* attach_client - connects as told on standard input, and keeps what it has; no libc function but of sockets
 * and files.
 *
 * attach_client ADDRESS PORT [THREADS]: for each line with a number so many connect(), in THREADS threads,
 * from blocking sockets of the address's family. Prints "NUMBER connected, NUMBER failed, errno N" after each
 * line, N that of the last failure or 0. Ends with its input. Built against glibc, against musl, and
 * statically. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS_MAX = 16 };

static union {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
} to;
static socklen_t to_length;

struct work {
	int asked, resets, connected, failed, error;
};

static void *connect_all(void *argument)
{
	struct work *work = argument;

	for (int i = 0; i < work->asked; i++) {
		int fd = socket(to.any.sa_family, SOCK_STREAM, 0);
		if (fd >= 0 && !connect(fd, &to.any, to_length)) {
			work->connected++;
			if (work->resets) {
				struct linger now = { .l_onoff = 1 };
				setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
				close(fd);
			}
			continue;
		}
		work->error = errno;
		work->failed++;
		close(fd);
	}
	return NULL;
}

static int parse(const char *address, const char *port)
{
	uint16_t port_be = htons((uint16_t)atoi(port));

	if (inet_pton(AF_INET, address, &to.v4.sin_addr) == 1) {
		to.v4.sin_family = AF_INET;
		to.v4.sin_port = port_be;
		to_length = sizeof(to.v4);
		return 1;
	}
	to.v6.sin6_family = AF_INET6;
	to.v6.sin6_port = port_be;
	to_length = sizeof(to.v6);
	return inet_pton(AF_INET6, address, &to.v6.sin6_addr) == 1;
}

int main(int argc, char **argv)
{
	int threads = argc > 3 ? atoi(argv[3]) : 1;
	char line[32];

	if (argc < 3 || !parse(argv[1], argv[2]) || threads < 1 || threads > THREADS_MAX)
		return 2;
	while (fgets(line, sizeof(line), stdin)) {
		struct work work[THREADS_MAX] = { 0 }, sum = { 0 };
		pthread_t ids[THREADS_MAX];
		for (int i = 0; i < threads; i++) {
			work[i].resets = *line == '-';
			work[i].asked = abs(atoi(line)) / threads;
			if (pthread_create(&ids[i], NULL, connect_all, &work[i]))
				return 2;
		}
		for (int i = 0; i < threads; i++) {
			pthread_join(ids[i], NULL);
			sum.connected += work[i].connected;
			sum.failed += work[i].failed;
			sum.error = work[i].error ? work[i].error : sum.error;
		}
		printf("%d connected, %d failed, errno %d\n", sum.connected, sum.failed, sum.error);
		fflush(stdout);
	}
	return 0;
}
