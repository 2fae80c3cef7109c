// SPDX-License-Identifier: Apache-2.0
/* short - a server that forks for each connection, one after the other.
 *
 * short [-k] [-u UID] PORT COUNT [DESTINATIONS]: each child connects to 127.0.0.1 (and so on), closes, and
 * ends by exit(); with -k every second one leaves its connection open and ends by _exit(); with -u each
 * becomes that user first. Prints `done`. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(int port, unsigned number, unsigned destinations, int keep)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((unsigned short)port),
				  .sin_addr.s_addr = htonl(0x7f000001 + number % destinations) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		exit(1);
	if (keep && number % 2)
		_exit(0);
	close(fd);
	exit(0);
}

int main(int argc, char **argv)
{
	int keep = argc > 1 && !strcmp(argv[1], "-k");
	int other = argc > 3 && !strcmp(argv[1 + keep], "-u");
	char **words = argv + keep + 2 * other;
	unsigned destinations = words[3] ? (unsigned)atoi(words[3]) : 1, failed = 0;
	uid_t user = other ? (uid_t)atoi(argv[2 + keep]) : 0;

	for (unsigned i = 0; i < (unsigned)atoi(words[2]); i++) {
		int status = 0;
		pid_t pid = fork();
		if (!pid && other && setuid(user))
			exit(2);
		if (!pid)
			child(atoi(words[1]), i, destinations, keep);
		waitpid(pid, &status, 0);
		failed += status != 0;
	}
	printf("done, %u failed\n", failed);
	return failed != 0;
}
