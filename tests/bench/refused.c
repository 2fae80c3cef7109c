// SPDX-License-Identifier: Apache-2.0
/* refused - what a connect() costs that finds no port
 *
 * refused IP PORT MS: opens connections until connect() fails, then goes on asking for MS milliseconds, with
 * a wait of 1 ms after each as a program that retries makes. Prints "opened N refused N us_each US
 * kernel_us_each US". */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stopwatch.h"

static struct sockaddr_in server = { .sin_family = AF_INET };

static int ask(double *took_ns)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		err(1, "socket");
	double start = now_ns();
	int rc = connect(fd, (const struct sockaddr *)&server, sizeof(server));
	*took_ns = now_ns() - start;
	if (rc && errno != EADDRNOTAVAIL)
		err(1, "connect");
	if (rc)
		close(fd);
	return rc;
}

int main(int argc, char **argv)
{
	unsigned opened = 0, refused = 0;
	double spent = 0, took, until;
	struct rlimit files;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
		errx(2, "usage: refused IP PORT MS");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	server.sin_port = htons((uint16_t)atoi(argv[2]));
	while (!ask(&took))
		opened++;
	double kernel = kernel_ns();
	for (until = now_ns() + atof(argv[3]) * 1e6; now_ns() < until;) {
		if (ask(&took)) {
			refused++;
			spent += took;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	if (!refused)
		errx(1, "nothing was refused");
	printf("opened %u refused %u us_each %.2f kernel_us_each %.2f\n", opened, refused,
	       spent / refused / 1e3, (kernel_ns() - kernel) / refused / 1e3);
	return 0;
}
