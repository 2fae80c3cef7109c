// SPDX-License-Identifier: Apache-2.0
/* hold - a server that keeps every connection it accepts, so that the kernel's count can be read at leisure
 *
 * hold [http|first] PORT: listens on 0.0.0.0 and [::], says "ready" on stdout. By default it reads and
 * answers nothing, not even the end of a connection: a client that exits stays visible as FIN_WAIT2. SIGUSR1
 * releases: requests held and requests to come are answered with 200 and closed, the rest is closed. With
 * "http" every request is answered at once and the connection kept.
 */
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FDS 65536

/* A connection is indexed by its fd; matched counts the bytes of "\r\n\r\n" seen so far. */
static struct connection {
	bool open, ended;
	uint8_t matched;
	unsigned requests;
} connections[MAX_FDS];

static const char answer_kept[] =
	"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nok\n";
static const char answer_last[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
static bool answers_at_once, answers_first, released;
static int epoll_fd;

static void watch(int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll_ctl");
}

static int listen_on(int family, uint16_t port)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	const void *address = family == AF_INET ? (const void *)&any4 : (const void *)&any6;
	socklen_t length = family == AF_INET ? sizeof(any4) : sizeof(any6);
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0 && family == AF_INET6)
		return -1; /* a kernel without IPv6 */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, address, length) || listen(fd, 65535))
		err(1, "port %u", port);
	watch(fd);
	return fd;
}

/* Not all that wait: clients that come as fast as they are accepted would keep us from those that go. */
static void accept_some(int listener)
{
	for (int i = 0; i < 16; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 && errno == ECONNABORTED)
			continue;
		/* Those that have gone are taken leave of first; who waits is connected meanwhile. */
		if (fd < 0 && errno == EMFILE)
			return;
		if (fd < 0)
			err(1, "accept");
		if (fd >= MAX_FDS)
			errx(1, "too many connections");
		connections[fd] = (struct connection){ .open = true };
		watch(fd);
	}
}

static void count_requests(struct connection *c, const char *data, ssize_t size)
{
	static const char end[] = "\r\n\r\n";

	for (ssize_t i = 0; i < size; i++) {
		if (data[i] == end[c->matched])
			c->matched++;
		else
			c->matched = data[i] == '\r';
		if (c->matched == 4) {
			c->matched = 0;
			c->requests++;
		}
	}
}

static void answer(int fd, const char *text, size_t size)
{
	for (; connections[fd].requests; connections[fd].requests--)
		if (send(fd, text, size, MSG_NOSIGNAL) < 0)
			return; /* the client has gone, closing follows */
}

static void release(int fd)
{
	answer(fd, answer_last, sizeof(answer_last) - 1);
	close(fd);
	connections[fd].open = false;
}

static void serve(int fd)
{
	struct connection *c = &connections[fd];
	char data[16384];
	ssize_t size;

	while ((size = read(fd, data, sizeof(data))) > 0)
		count_requests(c, data, size);
	bool ended = size == 0 || errno != EAGAIN;
	if (answers_at_once || (answers_first && c->requests)) {
		answers_first = false;
		answer(fd, answer_kept, sizeof(answer_kept) - 1);
	}
	if ((released && (c->requests || ended)) || (answers_at_once && ended))
		release(fd);
	else if (ended && !c->ended)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	c->ended = ended;
}

static void release_all(void)
{
	released = true;
	for (int fd = 0; fd < MAX_FDS; fd++)
		if (connections[fd].open && (connections[fd].requests || connections[fd].ended))
			release(fd);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	sigset_t usr1;

	if (argc < 2)
		errx(2, "usage: hold [http|first] PORT");
	answers_at_once = !strcmp(argv[1], "http");
	answers_first = !strcmp(argv[1], "first");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	epoll_fd = epoll_create1(0);
	int signal_fd = signalfd(-1, &usr1, 0);
	watch(signal_fd);
	int listener4 = listen_on(AF_INET, (uint16_t)atoi(argv[argc - 1]));
	int listener6 = listen_on(AF_INET6, (uint16_t)atoi(argv[argc - 1]));
	puts("ready");
	fflush(stdout);

	struct epoll_event events[64];
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == listener4 || fd == listener6) {
				accept_some(fd);
			} else if (fd == signal_fd) {
				struct signalfd_siginfo ignored;
				if (read(fd, &ignored, sizeof(ignored)) > 0)
					release_all();
			} else if (connections[fd].open) {
				serve(fd);
			}
		}
	}
}
