// SPDX-License-Identifier: Apache-2.0
/* calls - makes socket calls of every kind and prints what they return, for comparison with and without the
 * shim
 *
 * calls NAME runs one case, calls alone lists them. The output holds no port number and no source address
 * that the kernel or the shim chose, so two runs print the same if the program sees the same.
 */
#include "calls.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNTOUCHED 4242

void prepare(void)
{
	errno = UNTOUCHED;
}

long report(const char *text, long value)
{
	int after = errno;
	const char *name = strerrorname_np(after);

	printf("%s = %ld", text, value);
	if (value < 0)
		printf(" %s", name ? name : "errno not set");
	else if (after != UNTOUCHED)
		printf(", but errno became %s", name ? name : "unknown");
	puts("");
	errno = after;
	return value;
}

const struct sockaddr *ipv4(const char *ip, unsigned port)
{
	static struct sockaddr_in a;

	a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
		errx(1, "%s", ip);
	return (const struct sockaddr *)&a;
}

const struct sockaddr *ipv6(const char *ip, unsigned port)
{
	static struct sockaddr_in6 a;

	a = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	if (inet_pton(AF_INET6, ip, &a.sin6_addr) != 1)
		errx(1, "%s", ip);
	return (const struct sockaddr *)&a;
}

int tcp(int family, int flags)
{
	int fd = socket(family, SOCK_STREAM | flags, 0);

	if (fd < 0)
		err(1, "socket");
	return fd;
}

static int listener(unsigned port, int backlog)
{
	int fd = tcp(AF_INET, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, ipv4("127.0.0.1", port), V4_SIZE) || listen(fd, backlog))
		err(1, "listener");
	return fd;
}

int server(void)
{
	return listener(OPEN_PORT, 128);
}

int silent_server(void)
{
	int fd = listener(CLOSED_PORT, 0), filler = tcp(AF_INET, 0);

	/* With a backlog of 0 the kernel queues one connection, then drops SYNs (sk_acceptq_is_full()). */
	if (connect(filler, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE))
		err(1, "filler");
	return fd;
}

unsigned show_name(int fd, bool address_too)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof(name);
	char text[64] = "";
	unsigned port = 0;

	memset(&name, 0, sizeof(name));
	if (CALL(getsockname(fd, (struct sockaddr *)&name, &size)))
		return 0;
	if (name.ss_family == AF_INET) {
		const struct sockaddr_in *a = (const void *)&name;
		port = ntohs(a->sin_port);
		inet_ntop(AF_INET, &a->sin_addr, text, sizeof(text));
	} else if (name.ss_family == AF_INET6) {
		const struct sockaddr_in6 *a = (const void *)&name;
		port = ntohs(a->sin6_port);
		inet_ntop(AF_INET6, &a->sin6_addr, text, sizeof(text));
	}
	printf("  family %d, size %u, %s port%s%s\n", name.ss_family, size, port ? "a" : "no",
	       address_too ? ", " : "", address_too ? text : "");
	return port;
}

unsigned kernel_port(int fd)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof(name);

	if (syscall(SYS_getsockname, fd, &name, &size))
		err(1, "getsockname");
	/* sin_port and sin6_port are at the same place. */
	return ntohs(((const struct sockaddr_in *)&name)->sin_port);
}

int wait_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	CALL(poll(&p, 1, 60000));
	printf("  revents%s%s%s\n", p.revents & POLLOUT ? " OUT" : "", p.revents & POLLERR ? " ERR" : "",
	       p.revents & POLLHUP ? " HUP" : "");
	return p.revents;
}

int so_error(int fd)
{
	int value = 0;
	socklen_t size = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size))
		err(1, "SO_ERROR");
	printf("  SO_ERROR %s\n", value ? strerrorname_np(value) : "0");
	return value;
}

void close_all(void)
{
	closefrom(3);
}

static bool run(const struct call_case *cases, const char *wanted)
{
	for (; cases->name; cases++) {
		if (!wanted) {
			puts(cases->name);
		} else if (!strcmp(cases->name, wanted)) {
			cases->run();
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	const char *wanted = argc > 1 ? argv[1] : NULL;

	setvbuf(stdout, NULL, _IOLBF, 0); /* so that children of a case print nothing twice */
	bool found = run(connect_cases, wanted);
	found = found || run(bind_cases, wanted);
	found = found || run(fd_cases, wanted);
	found = found || run(held_cases, wanted);
	found = found || run(number_cases, wanted);
	return wanted && !found ? 2 : 0;
}
