// SPDX-License-Identifier: Apache-2.0
/* sink - a server as cheap as can be: takes connections from one listener in several processes
 *
 * sink [-p PROCESSES] [-k MOST] [-w] PORT: listens on 0.0.0.0. Without -k each connection is closed as it is
 * accepted; with it each process keeps up to MOST, and then takes no more. -w: it says a word before, as one
 * that serves does. Says "ready" on standard output, and ends when its standard input does. */
#include <err.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void take(int listener, unsigned most, bool speaks)
{
	unsigned kept = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!most || kept < most) {
		int fd = accept(listener, NULL, NULL);
		if (fd >= 0 && speaks)
			send(fd, "ok\n", 3, MSG_NOSIGNAL);
		if (fd >= 0 && most)
			kept++;
		else if (fd >= 0)
			close(fd);
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	unsigned processes = 1, most = 0;
	struct rlimit files;
	bool speaks = false;
	char byte;
	int c;

	while ((c = getopt(argc, argv, "p:k:w")) != -1) {
		if (c == 'p')
			processes = (unsigned)atoi(optarg);
		else if (c == 'k')
			most = (unsigned)atoi(optarg);
		else if (c == 'w')
			speaks = true;
		else
			exit(2);
	}
	if (optind + 1 != argc)
		errx(2, "usage: sink [-p PROCESSES] [-k MOST] [-w] PORT");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[optind])) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (const struct sockaddr *)&any, sizeof(any)) || listen(listener, 65535))
		err(1, "port %s", argv[optind]);
	for (unsigned i = 0; i < processes; i++)
		if (!fork())
			take(listener, most, speaks);
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
