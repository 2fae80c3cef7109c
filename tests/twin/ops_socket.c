/* SPDX-License-Identifier: Apache-2.0 */
/* ops_socket - sockets are made, named and ended. */
#include "actor.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static void put(struct strand *strand, const struct step *step, int index, int fd, struct slot kind)
{
	say_result(strand, fd);
	if (fd < 0 || step->arguments[index].number < 0)
		return;
	kind.fd = fd;
	slot_put(step, index, kind);
}

static void run_socket(struct strand *strand, const struct step *step)
{
	static const struct {
		const char *name;
		int family, type, protocol;
	} kinds[] = {
		{ "tcp4", AF_INET, SOCK_STREAM, 0 },
		{ "tcp6", AF_INET6, SOCK_STREAM, 0 },
		{ "tcp4p", AF_INET, SOCK_STREAM, IPPROTO_TCP },
		{ "mptcp4", AF_INET, SOCK_STREAM, IPPROTO_MPTCP },
		{ "mptcp6", AF_INET6, SOCK_STREAM, IPPROTO_MPTCP },
		{ "udp4", AF_INET, SOCK_DGRAM, 0 },
		{ "udp6", AF_INET6, SOCK_DGRAM, 0 },
		{ "unix", AF_UNIX, SOCK_STREAM, 0 },
		{ "none", AF_MAX, SOCK_STREAM, 0 },
	};
	const char *flags = step->arguments[2].word;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (!strcmp(kinds[i].name, step->arguments[1].word)) {
			int extra = (strchr(flags, 'n') ? SOCK_NONBLOCK : 0) |
				    (strchr(flags, 'c') ? SOCK_CLOEXEC : 0);
			put(strand, step, 0,
			    socket(kinds[i].family, kinds[i].type | extra, kinds[i].protocol),
			    (struct slot){ .is_stream =
						   kinds[i].type == SOCK_STREAM && kinds[i].family != AF_UNIX,
					   .is_mptcp = kinds[i].protocol == IPPROTO_MPTCP });
		}
}

static void run_pair(struct strand *strand, const struct step *step)
{
	int fds[2];
	int result = socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	say_result(strand, result);
	if (result == 0) {
		put(strand, step, 0, fds[0], (struct slot){ 0 });
		put(strand, step, 1, fds[1], (struct slot){ 0 });
	}
}

static void run_bind(struct strand *strand, const struct step *step)
{
	struct slot *slot = slot_about(step, 0);
	const struct argument *local = &step->arguments[1];
	int result = bind(fd_of(step, 0), (const void *)&local->address, local->length);
	say_result(strand, result);
	if (result == 0) {
		slot->was_bound = true;
		slot->bound = local->address;
	}
}

static void run_listen(struct strand *strand, const struct step *step)
{
	say_result(strand, listen(fd_of(step, 0), (int)step->arguments[1].number));
}

static void run_accept(struct strand *strand, const struct step *step)
{
	struct pollfd ready = { fd_of(step, 1), POLLIN, 0 };
	if (poll(&ready, 1, 150) < 1) {
		say(strand, " nobody");
		return;
	}
	struct sockaddr_storage from = { 0 };
	socklen_t length = sizeof from;
	int fd = accept4(fd_of(step, 1), (void *)&from, &length, SOCK_NONBLOCK * 0);
	put(strand, step, 0, fd, (struct slot){ .is_stream = true });
	if (fd >= 0)
		say_address(strand, slot_about(step, 0), &from, false);
}

/* Everybody who waits is let in, and stays or is let go. */
static void run_accept_all(struct strand *strand, const struct step *step)
{
	struct pollfd ready = { fd_of(step, 0), POLLIN, 0 };
	int count = 0, fd;
	bool stays = step->arguments[1].word[0] == 's';
	while (poll(&ready, 1, 0) == 1 && ready.revents == POLLIN &&
	       (fd = accept(ready.fd, NULL, NULL)) >= 0) {
		count++;
		if (!stays)
			close(fd);
	}
	say(strand, " count=");
	say_number(strand, count);
}

static void run_name(struct strand *strand, const struct step *step)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof address;
	int result = getsockname(fd_of(step, 0), (void *)&address, &length);
	say_result(strand, result);
	if (result == 0) {
		say_address(strand, slot_about(step, 0), &address, true);
		/* After a failed connect() the port is one of the listed exceptions, and so is the
		 * address of an MPTCP socket. */
		const struct slot *slot = slot_about(step, 0);
		say(strand, !slot->failed ? "" : slot->is_mptcp ? " failed-mptcp" : " failed");
		say(strand, length == sizeof(struct sockaddr_in) || length == sizeof(struct sockaddr_in6)
				    ? ""
				    : " length");
	}
}

static void run_peer(struct strand *strand, const struct step *step)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof address;
	int result = getpeername(fd_of(step, 0), (void *)&address, &length);
	say_result(strand, result);
	if (result == 0)
		say_address(strand, slot_about(step, 0), &address, false);
}

static void run_shutdown(struct strand *strand, const struct step *step)
{
	const char *how = step->arguments[1].word;
	say_result(strand, shutdown(fd_of(step, 0), *how == 'r'   ? SHUT_RD
						    : *how == 'w' ? SHUT_WR
								  : SHUT_RDWR));
}

static void run_close(struct strand *strand, const struct step *step)
{
	say_result(strand, close(fd_of(step, 0)));
	slot_of(step, 0)->fd = -1;
}

/* Ends a connection by RST, which leaves no TIME_WAIT. */
static void run_reset(struct strand *strand, const struct step *step)
{
	struct linger linger = { 1, 0 };
	setsockopt(fd_of(step, 0), SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	run_close(strand, step);
}

const struct operation socket_operations[] = {
	{ "socket", 30, "new one:tcp4|tcp6|tcp4p|mptcp4|mptcp6|udp4|udp6|unix|none one:-|n|c|nc",
	  run_socket },
	{ "pair", 2, "new new", run_pair },
	{ "bind", 10, "fd local", run_bind },
	{ "listen", 4, "fd int:1-8", run_listen },
	{ "accept", 3, "new fd", run_accept },
	{ "accept-all", 1, "fd one:stay|go", run_accept_all },
	{ "name", 14, "fd", run_name },
	{ "peer", 8, "fd", run_peer },
	{ "shutdown", 4, "fd one:r|w|rw", run_shutdown },
	{ "close", 16, "fd", run_close },
	{ "reset", 3, "fd", run_reset },
	{ NULL, 0, NULL, NULL },
};
