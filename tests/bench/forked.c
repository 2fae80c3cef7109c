// SPDX-License-Identifier: Apache-2.0
/* forked - a process for each connection: what one costs of the processor's time, from fork() to its end
 *
 * forked [-x] [-w WARM] COUNT: children one after the other, each of which connects to 127.0.0.1, closes, and
 * ends by exit(); with -x each is this program, started anew. Nobody accepts, so that no other process is
 * measured. The first WARM (20) are not counted. Prints "cpu_us US faults N" for each: of both processes, in
 * the kernel too. */
#include <arpa/inet.h>
#include <err.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stopwatch.h"

extern char **environ;

static struct sockaddr_in server = { .sin_family = AF_INET };

static int connect_once(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (const struct sockaddr *)&server, sizeof(server)))
		return 1;
	close(fd);
	return 0;
}

static double spent_us(long *faults)
{
	double us = 0;
	const int whose[] = { RUSAGE_SELF, RUSAGE_CHILDREN };

	*faults = 0;
	for (int i = 0; i < 2; i++) {
		struct rusage use;
		getrusage(whose[i], &use);
		us += 1e6 * (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		      (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
		*faults += use.ru_minflt;
	}
	return us;
}

static void one_child(char **again)
{
	pid_t pid;
	int status;

	if (again) {
		if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, again, environ))
			errx(1, "posix_spawn");
	} else if (!(pid = fork())) {
		exit(connect_once());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		errx(1, "a child failed");
}

int main(int argc, char **argv)
{
	socklen_t length = sizeof(server);
	char port[8];
	char *again[] = { argv[0], "-1", port, NULL };
	bool anew = false;
	int warm = 20, c;
	long before, after;

	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (argc == 3 && !strcmp(argv[1], "-1")) {
		server.sin_port = htons((unsigned short)atoi(argv[2]));
		return connect_once();
	}
	while ((c = getopt(argc, argv, "xw:")) != -1) {
		if (c == 'x')
			anew = true;
		else if (c == 'w')
			warm = atoi(optarg);
		else
			return 2;
	}
	int count = optind + 1 == argc ? atoi(argv[optind]) : 0;
	if (count < 1 || warm < 0 || warm + count > 4000)
		errx(2, "usage: forked [-x] [-w WARM] COUNT");
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (const struct sockaddr *)&server, sizeof(server)) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&server, &length))
		err(1, "listen");
	snprintf(port, sizeof(port), "%d", ntohs(server.sin_port));
	for (int i = 0; i < warm; i++)
		one_child(anew ? again : NULL);
	double start = spent_us(&before);
	for (int i = 0; i < count; i++)
		one_child(anew ? again : NULL);
	double us = spent_us(&after) - start;
	printf("cpu_us %.3f faults %.2f\n", us / count, (double)(after - before) / count);
	return 0;
}
