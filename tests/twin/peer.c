/* SPDX-License-Identifier: Apache-2.0 */
/* peer - the other side of a world: servers in its namespaces, holders of ports, and what they saw of each
 * run.
 *
 * Commands on standard input, one to a line; after those that make the world, "ready" is answered.
 *   ns PATH                 what follows is made in this network namespace
 *   listen ADDRESS KIND     echo, close (at once), reset (at once), greet (speaks first), deny (resets some
 * sources), mute deny ADDRESS            one of these sources udp ADDRESS             echoes datagrams
 *   hold-listen ADDRESS, hold-bind ADDRESS, hold-connect LOCAL DEST, hold-spare LOCAL DEST (bound without a
 * port) ready, end              end: the run is over; each connection of it is told, then they are forgotten
 */
#include "parse_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { LISTENERS_MAX = 64, CONNECTIONS_MAX = 4096, DENIED_MAX = 8, QUIET_MS = 300 };
enum kind { ECHO, CLOSE, RESET, GREET, DENY, MUTE, UDP };

static struct listener {
	int fd;
	enum kind kind;
	const char *name;
	int accepted;
} listeners[LISTENERS_MAX];
static int listener_count;

static struct connection {
	int fd, listener, serial;
	char from[INET6_ADDRSTRLEN];
	long got;
	unsigned sum;
	const char *end;
} connections[CONNECTIONS_MAX];
static int connection_count, open_count;

static char denied[DENIED_MAX][INET6_ADDRSTRLEN];
static int denied_count;
static int poller;
static int networks; /* how many it has gone to */

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int make_socket(const char *text, int type, struct sockaddr_storage *address, socklen_t *length)
{
	const int on = 1;
	if (!parse_address(text, address, length))
		fail(text);
	int fd = socket(address->ss_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail(text);
	if (address->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	return fd;
}

static int make_bound(const char *text, int type, bool share)
{
	struct sockaddr_storage address;
	socklen_t length;
	const int on = 1;
	int fd = make_socket(text, type, &address, &length);
	if (share)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, 78 /* IPV6_FREEBIND */, &on, sizeof on);
	if (bind(fd, (void *)&address, length))
		fail(text);
	return fd;
}

static void watch(int fd, uint64_t data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = data };
	epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void make_listener(const char *text, const char *kind)
{
	static const char *const kinds[] = { "echo", "close", "reset", "greet", "deny", "mute", "udp" };
	struct listener *listener = &listeners[listener_count];
	for (int i = 0; i <= UDP; i++)
		if (!strcmp(kinds[i], kind))
			listener->kind = (enum kind)i;
	const int fast_open = 64;
	/* Those of two networks may have the same address, and accept in any order. */
	char name[160];
	snprintf(name, sizeof name, networks ? "%s/%d" : "%s", text, networks);
	listener->name = strdup(name);
	listener->fd = make_bound(text, listener->kind == UDP ? SOCK_DGRAM : SOCK_STREAM, true);
	fcntl(listener->fd, F_SETFL, O_NONBLOCK);
	setsockopt(listener->fd, IPPROTO_TCP, 23 /* TCP_FASTOPEN */, &fast_open, sizeof fast_open);
	if (listener->kind != UDP && listen(listener->fd, 1024))
		fail(text);
	watch(listener->fd, (uint64_t)listener_count++);
}

static void hold_connection(const char *local, const char *dest, bool spare)
{
	struct sockaddr_storage address;
	socklen_t length;
	const int on = 1;
	int fd = make_socket(local, SOCK_STREAM, &address, &length);
	if (spare)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	if (bind(fd, (void *)&address, length))
		fail(local);
	if (!parse_address(dest, &address, &length) || connect(fd, (void *)&address, length))
		fail(dest);
}

static void finish(struct connection *connection, const char *how, bool by_reset)
{
	struct linger linger = { 1, 0 };
	if (by_reset)
		setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(connection->fd);
	connection->fd = -1;
	connection->end = how;
	open_count--;
}

static void welcome(int index)
{
	struct listener *listener = &listeners[index];
	struct sockaddr_storage from;
	socklen_t length = sizeof from;
	int fd = accept4(listener->fd, (void *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (connection_count == CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	struct connection *connection = &connections[connection_count];
	*connection = (struct connection){
		.fd = fd, .listener = index, .serial = listener->accepted++, .end = "open"
	};
	const void *host = from.ss_family == AF_INET ? (void *)&((struct sockaddr_in *)&from)->sin_addr
						     : (void *)&((struct sockaddr_in6 *)&from)->sin6_addr;
	inet_ntop(from.ss_family, host, connection->from, sizeof connection->from);
	open_count++;
	bool unwanted = false;
	for (int i = 0; i < denied_count; i++)
		unwanted |= !strcmp(denied[i], connection->from);
	if (listener->kind == CLOSE)
		finish(connection, "closed", false);
	else if (listener->kind == RESET)
		finish(connection, "reset", true);
	else if (listener->kind == DENY && unwanted)
		finish(connection, "denied", true);
	else if (listener->kind == GREET && send(fd, "welcome", 7, MSG_NOSIGNAL) != 7)
		finish(connection, "error", false);
	if (connection->fd >= 0)
		watch(fd, (uint64_t)(LISTENERS_MAX + connection_count));
	connection_count++;
}

static void serve(struct connection *connection)
{
	char bytes[4096];
	ssize_t got = recv(connection->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (got == 0) {
		finish(connection, "fin", false);
	} else if (got < 0 && errno != EAGAIN) {
		finish(connection, "rst", false);
	} else if (got > 0) {
		connection->got += got;
		for (ssize_t i = 0; i < got; i++)
			connection->sum = connection->sum * 31 + (unsigned char)bytes[i];
		if (listeners[connection->listener].kind != MUTE)
			send(connection->fd, bytes, (size_t)got, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}

static void answer_datagram(int fd)
{
	char bytes[2048];
	struct sockaddr_storage from;
	socklen_t length = sizeof from;
	ssize_t got = recvfrom(fd, bytes, sizeof bytes, MSG_DONTWAIT, (void *)&from, &length);
	if (got >= 0)
		sendto(fd, bytes, (size_t)got, MSG_DONTWAIT | MSG_NOSIGNAL, (void *)&from, length);
}

/* Return: did anything happen within the time? */
static bool turn(int ms)
{
	struct epoll_event events[64];
	int count = epoll_wait(poller, events, 64, ms);
	for (int i = 0; i < count; i++) {
		uint64_t data = events[i].data.u64;
		if (data == UINT64_MAX)
			continue;
		if (data >= LISTENERS_MAX)
			serve(&connections[data - LISTENERS_MAX]);
		else if (listeners[data].kind == UDP)
			answer_datagram(listeners[data].fd);
		else
			welcome((int)data);
	}
	return count > 0;
}

static void tell(void)
{
	while (turn(open_count ? QUIET_MS : 0))
		;
	for (int i = 0; i < connection_count; i++) {
		struct connection *connection = &connections[i];
		printf("%s %d %s got=%ld sum=%u %s\n", listeners[connection->listener].name,
		       connection->serial, connection->from, connection->got, connection->sum & 0xffff,
		       connection->end);
		if (connection->fd >= 0)
			finish(connection, "", true);
	}
	for (int i = 0; i < listener_count; i++)
		listeners[i].accepted = 0;
	connection_count = open_count = 0;
	puts("done");
	fflush(stdout);
}

static bool command(char *line)
{
	char first[128] = "", second[128] = "", word[32] = "";
	sscanf(line, "%31s %127s %127s", word, first, second);
	if (!strcmp(word, "ns")) {
		int fd = open(first, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, CLONE_NEWNET))
			fail(first);
		close(fd);
		networks++;
	} else if (!strcmp(word, "listen")) {
		make_listener(first, second);
	} else if (!strcmp(word, "udp")) {
		make_listener(first, "udp");
	} else if (!strcmp(word, "deny") && denied_count < DENIED_MAX) {
		snprintf(denied[denied_count++], sizeof denied[0], "%.45s", first);
	} else if (!strcmp(word, "hold-listen")) {
		listen(make_bound(first, SOCK_STREAM, false), 8);
	} else if (!strcmp(word, "hold-bind")) {
		make_bound(first, SOCK_STREAM, false);
	} else if (!strcmp(word, "hold-connect") || !strcmp(word, "hold-spare")) {
		hold_connection(first, second, word[5] == 's');
	} else if (!strcmp(word, "ready")) {
		while (turn(0))
			;
		/* What holds ports is of the world, not of a run. */
		connection_count = open_count = 0;
		puts("ready");
		fflush(stdout);
	} else if (!strcmp(word, "end")) {
		tell();
	} else {
		return false;
	}
	return true;
}

int main(void)
{
	char line[512];
	size_t length = 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	poller = epoll_create1(EPOLL_CLOEXEC);
	watch(0, UINT64_MAX);
	for (;;) {
		struct pollfd input = { 0, POLLIN, 0 };
		if (poll(&input, 1, 0) == 1) {
			/* Unbuffered, as what is left in a buffer does not wake epoll_wait(). */
			ssize_t got = read(0, line + length, 1);
			if (got <= 0)
				return 0;
			if (line[length] != '\n') {
				length = length < sizeof line - 2 ? length + 1 : length;
				continue;
			}
			line[length] = '\0';
			length = 0;
			if (!command(line))
				fail(line);
			continue;
		}
		turn(-1);
	}
}
