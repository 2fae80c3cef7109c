// SPDX-License-Identifier: Apache-2.0
/* attach_churn - many connections that end in each way there is.
 *
 * attach_churn serve PORT: a server on all addresses. It reads a letter: `p` closes at once, `k` keeps the
 * connection, with others it waits until the client closes.
 * attach_churn ADDRESS PORT COUNT SHARE KEPT: after a line of input so many connect(); one of SHARE is closed first here, which
 * leaves a TIME_WAIT, as many are closed by the peer first, the others are reset; then KEPT connections more,
 * which stay open. Prints "NUMBER opened, NUMBER failed, errno N", and waits for its input to end. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int serve(uint16_t port)
{
	struct sockaddr_in6 here = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int listener = socket(AF_INET6, SOCK_STREAM, 0), one = 1;
	char letter, rest[64];

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) || listen(listener, 1000))
		return 1;
	puts("listening");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0 || read(fd, &letter, 1) != 1) {
			close(fd);
			continue;
		}
		if (letter == 'k')
			continue;
		while (letter != 'p' && read(fd, rest, sizeof(rest)) > 0)
			;
		close(fd);
	}
}

/* Return: 0, or an errno */
static int connect_once(const struct sockaddr_in *to, char letter)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), error = 0;
	const struct linger at_once = { .l_onoff = 1 };
	char nothing;

	if (fd < 0)
		return errno;
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) || write(fd, &letter, 1) != 1)
		error = errno;
	if (letter == 'k' && !error)
		return 0;
	if (letter == 'p' && read(fd, &nothing, 1) < 0)
		error = errno;
	if (letter == 'r')
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	return error;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	long opened = 0, failed = 0;
	int last = 0;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve((uint16_t)atoi(argv[2]));
	if (argc != 6 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	if (getchar() == EOF)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	long count = atol(argv[3]), share = atol(argv[4]), kept = atol(argv[5]);
	for (long i = 0; i < count + kept; i++) {
		char letter = i >= count ? 'k' : i % share == 0 ? 't' : i % share == 1 ? 'p' : 'r';
		int error = connect_once(&to, letter);
		if (error) {
			last = error;
			failed++;
		} else {
			opened++;
		}
	}
	printf("%ld opened, %ld failed, errno %d\n", opened, failed, last);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
