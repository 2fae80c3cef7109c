// SPDX-License-Identifier: Apache-2.0
/* endure - a client that connects and closes for a long time, and says how much memory it has
 *
 * endure CONNECTS DESTINATIONS: connects to port 5000 of so many addresses of 127.0.0.0/8 in turn, each
 * connection closed by RST at once, by four threads that end and are replaced after 500 connections each.
 * Says the resident set in KiB at each tenth of the way, and "done". */
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS = 4, EACH = 500, PORT = 5000, STEPS = 10 };

static unsigned long wanted, destinations;
static atomic_ulong next, failed;

static void connect_once(unsigned long number)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct linger linger = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number % destinations) * 2);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) && atomic_fetch_add(&failed, 1) == 0)
		warn("connect %lu", number);
	close(fd);
}

static void *work(void *ignored)
{
	for (int i = 0; i < EACH; i++) {
		unsigned long number = atomic_fetch_add(&next, 1);
		if (number >= wanted)
			break;
		connect_once(number);
	}
	return ignored;
}

/* Private pages: what this process alone costs. */
static long resident_kib(void)
{
	long whole = 0, resident = 0, shared = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%ld %ld %ld", &whole, &resident, &shared) != 3)
		err(1, "/proc/self/statm");
	fclose(file);
	return (resident - shared) * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	unsigned long step = 1;

	if (argc != 3)
		errx(2, "usage: endure CONNECTS DESTINATIONS");
	wanted = strtoul(argv[1], NULL, 10);
	destinations = strtoul(argv[2], NULL, 10);
	while (atomic_load(&next) < wanted) {
		for (int i = 0; i < THREADS; i++)
			if (pthread_create(&threads[i], NULL, work, NULL))
				errx(1, "pthread_create");
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		for (; step <= STEPS && atomic_load(&next) >= wanted / STEPS * step; step++)
			printf("%lu%% %ld\n", step * 100 / STEPS, resident_kib());
	}
	printf("done, %lu failed\n", atomic_load(&failed));
	return 0;
}
