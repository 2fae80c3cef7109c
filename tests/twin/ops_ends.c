/* SPDX-License-Identifier: Apache-2.0 */
/* ops_ends - a connection of which both ends are the program's: who ends it first, or both at once?
 *
 * At once means that each end's FIN is under way when it gets the other's (RFC 9293, 3.6, "simultaneous
 * close"): both drop what has a FIN until both have sent theirs, and get them when they are sent again. */
#include "actor.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FLAGS_AT = 13, FIN = 1, MOMENTS = 3000 };

static void drop_fins(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FIN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static void take_fins(int fd)
{
	int none = 0;
	setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
}

static bool is_in(int fd, int state)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof info;
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == state;
}

/* Return: did it come to that? */
static bool comes_to(int fd, int state)
{
	const struct timespec moment = { 0, 1000000 };
	for (int i = 0; i < MOMENTS; i++) {
		if (is_in(fd, state))
			return true;
		nanosleep(&moment, NULL);
	}
	return false;
}

static bool end(int near, int far, char order, bool shuts)
{
	bool well = true;
	if (order == 'b') {
		drop_fins(near);
		drop_fins(far);
		shutdown(near, SHUT_WR);
		shutdown(far, SHUT_WR);
		take_fins(near);
		take_fins(far);
		well = comes_to(near, TCP_CLOSE) && comes_to(far, TCP_CLOSE);
	} else if (order == 'n') {
		if (!shuts) {
			close(near);
			well = comes_to(far, TCP_CLOSE_WAIT);
			close(far);
			return well;
		}
		shutdown(near, SHUT_WR);
		well = comes_to(far, TCP_CLOSE_WAIT);
		close(far);
		well &= comes_to(near, TCP_CLOSE);
		close(near);
		return well;
	} else {
		shutdown(far, SHUT_WR);
		well = comes_to(near, TCP_CLOSE_WAIT);
		if (shuts)
			shutdown(near, SHUT_WR);
	}
	close(near);
	close(far);
	return well;
}

static void run_ends(struct strand *strand, const struct step *step)
{
	const struct argument *dest = &step->arguments[2];
	int server = socket(dest->address.ss_family, SOCK_STREAM, 0), on = 1;
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	int near = socket(dest->address.ss_family, SOCK_STREAM, 0);
	bool made = bind(server, (const void *)&dest->address, dest->length) == 0 && listen(server, 1) == 0 &&
		    connect(near, (const void *)&dest->address, dest->length) == 0;
	int far = made ? accept(server, NULL, NULL) : -1;
	close(server);
	if (far < 0) {
		say_result(strand, -1);
		close(near);
		return;
	}
	connection_made();
	bool well = end(near, far, step->arguments[0].word[0], step->arguments[1].word[0] == 's');
	say(strand, well ? " well" : " never");
}

const struct operation ends_operations[] = {
	{ "ends", 0, "one:near|far|both one:close|shut dest", run_ends },
	{ NULL, 0, NULL, NULL },
};
