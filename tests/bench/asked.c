// SPDX-License-Identifier: Apache-2.0
/* asked - what each system call costs that the shim may add to a connect() or a close()
 *
 * Each is made on 500 sockets in a row, as the shim makes it, without the shim; the least of ROUNDS (200)
 * rounds counts. asked IP PORT [ROUNDS]: a server that takes connections. Prints "CALL NS" lines. */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stopwatch.h"

enum { BATCH = 500 };
/* The range comes after connect(), whose search it would change: most connections are made without. */
enum step { NO_PORT, BIND, CONNECT, RANGE, PEEK, CLOSE, STEPS };

static const char *const names[STEPS] = { [NO_PORT] = "setsockopt(IP_BIND_ADDRESS_NO_PORT)",
					  [BIND] = "bind()",
					  [RANGE] = "setsockopt(IP_LOCAL_PORT_RANGE)",
					  [CONNECT] = "connect()",
					  [PEEK] = "recv(MSG_PEEK)",
					  [CLOSE] = "close()" };
static struct sockaddr_in server = { .sin_family = AF_INET };

static void make(enum step step, int fd)
{
	const struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct linger at_once = { .l_onoff = 1 };
	const uint32_t whole = 1 | 65535u << 16;
	const int on = 1;
	char byte;

	if (step == NO_PORT)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	else if (step == BIND && bind(fd, (const struct sockaddr *)&from, sizeof(from)))
		err(1, "bind");
	else if (step == RANGE)
		setsockopt(fd, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, &whole, sizeof(whole));
	else if (step == CONNECT && connect(fd, (const struct sockaddr *)&server, sizeof(server)))
		err(1, "connect");
	else if (step == CONNECT)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	else if (step == PEEK)
		recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	else if (step == CLOSE)
		close(fd);
}

int main(int argc, char **argv)
{
	int rounds = argc > 3 ? atoi(argv[3]) : 200;
	double least[STEPS];
	int fds[BATCH];

	if (argc < 3 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
		errx(2, "usage: asked IP PORT [ROUNDS]");
	server.sin_port = htons((uint16_t)atoi(argv[2]));
	for (int i = 0; i < STEPS; i++)
		least[i] = 1e9;
	while (rounds-- > 0) {
		for (int i = 0; i < BATCH; i++)
			if ((fds[i] = socket(AF_INET, SOCK_STREAM, 0)) < 0)
				err(1, "socket");
		for (enum step step = 0; step < STEPS; step++) {
			double start = now_ns();
			for (int i = 0; i < BATCH; i++)
				make(step, fds[i]);
			double each = (now_ns() - start) / BATCH;
			least[step] = each < least[step] ? each : least[step];
		}
	}
	for (enum step step = 0; step < STEPS; step++)
		printf("%s %.0f\n", names[step], least[step]);
	return 0;
}
