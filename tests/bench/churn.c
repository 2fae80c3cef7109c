// SPDX-License-Identifier: Apache-2.0
/* churn - connects to one destination and closes again, for a while, in threads or processes
 *
 * churn [-t THREADS] [-p PROCESSES] [-m MS | -n COUNT] [-s SOURCES] [-x] IP PORT
 *   -m  for so long (1000);  -n  so many in each thread instead
 *   -s  binds to one of so many addresses from 127.0.0.1 on before, with IP_BIND_ADDRESS_NO_PORT: by hand
 * what the shim does -x  asks "PING" and reads the answer in between (Redis), and closes in good order; else
 * closes by RST Prints "connections N per_second N pair_p50_us US": connect() and close() of one connection,
 * without what is between. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stopwatch.h"

enum { WORKERS_MAX = 64, SAMPLES_MAX = 20000 };

struct worker {
	unsigned long connections;
	unsigned samples;
	double pair_ns[SAMPLES_MAX];
};

static struct sockaddr_in server = { .sin_family = AF_INET };
static struct worker *workers; /* shared with the child processes */
static double until_ns;
static unsigned long count;
static bool exchange;
static unsigned sources;

static void ping(int fd)
{
	char answer[64];

	if (send(fd, "PING\r\n", 6, 0) != 6 || recv(fd, answer, sizeof(answer), 0) != 7 ||
	    memcmp(answer, "+PONG\r\n", 7))
		err(1, "PING");
}

static void choose_source(int fd, unsigned long turn)
{
	const struct sockaddr_in from = { .sin_family = AF_INET,
					  .sin_addr.s_addr =
						  htonl(INADDR_LOOPBACK + (uint32_t)(turn % sources)) };
	const int on = 1;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&from, sizeof(from)))
		err(1, "bind");
}

static double one(unsigned long turn)
{
	struct linger at_once = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	double start = now_ns();

	if (sources)
		choose_source(fd, turn);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&server, sizeof(server)))
		err(1, "connect");
	double connected = now_ns();
	if (exchange)
		ping(fd);
	else
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	double closing = now_ns();
	close(fd);
	return now_ns() - closing + connected - start;
}

static void *work(void *argument)
{
	struct worker *w = argument;

	while (count ? w->connections < count : now_ns() < until_ns) {
		double took = one(w->connections);
		w->pair_ns[w->connections++ % SAMPLES_MAX] = took;
	}
	w->samples = w->connections < SAMPLES_MAX ? (unsigned)w->connections : SAMPLES_MAX;
	return NULL;
}

static void with_threads(unsigned threads)
{
	pthread_t ids[WORKERS_MAX];

	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, work, &workers[i]))
			err(1, "pthread_create");
	for (unsigned i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
}

static void with_processes(unsigned processes)
{
	int status;

	for (unsigned i = 0; i < processes; i++) {
		pid_t pid = fork();
		if (pid < 0)
			err(1, "fork");
		if (!pid) {
			work(&workers[i]);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		if (status)
			errx(1, "a process failed");
}

static void report(unsigned used, double seconds)
{
	double *all = calloc((size_t)used * SAMPLES_MAX, sizeof(*all));
	unsigned long connections = 0;
	size_t samples = 0;

	for (unsigned i = 0; i < used; i++) {
		connections += workers[i].connections;
		memcpy(all + samples, workers[i].pair_ns, workers[i].samples * sizeof(*all));
		samples += workers[i].samples;
	}
	if (!samples)
		errx(1, "no connection");
	printf("connections %lu per_second %.1f pair_p50_us %.3f\n", connections,
	       (double)connections / seconds, quantile(all, samples, .5) / 1e3);
}

int main(int argc, char **argv)
{
	unsigned threads = 1, processes = 0;
	double ms = 1000;
	int c;

	while ((c = getopt(argc, argv, "t:p:m:n:s:x")) != -1) {
		if (c == 't')
			threads = (unsigned)atoi(optarg);
		else if (c == 'p')
			processes = (unsigned)atoi(optarg);
		else if (c == 'm')
			ms = atof(optarg);
		else if (c == 'n')
			count = strtoul(optarg, NULL, 10);
		else if (c == 's')
			sources = (unsigned)atoi(optarg);
		else if (c == 'x')
			exchange = true;
		else
			exit(2);
	}
	unsigned used = processes ? processes : threads;
	if (optind + 2 != argc || !used || used > WORKERS_MAX ||
	    inet_pton(AF_INET, argv[optind], &server.sin_addr) != 1)
		errx(2,
		     "usage: churn [-t THREADS] [-p PROCESSES] [-m MS | -n COUNT] [-s SOURCES] [-x] IP PORT");
	server.sin_port = htons((uint16_t)atoi(argv[optind + 1]));
	workers = mmap(NULL, used * sizeof(*workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);
	if (workers == MAP_FAILED)
		err(1, "mmap");
	double start = now_ns();
	until_ns = start + ms * 1e6;
	if (processes)
		with_processes(processes);
	else if (threads == 1)
		work(workers);
	else
		with_threads(threads);
	report(used, (now_ns() - start) / 1e9);
	return 0;
}
