// SPDX-License-Identifier: Apache-2.0
/* test_progress - how far a connection has come, by what TCP_INFO says. */
#include "pool/socket/progress.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

#include <netinet/tcp.h>

static int fd;

static void start(void)
{
	fake_start();
	fd = fake_tcp_socket(AF_INET);
}

TestSuite(socket_progress, .init = start, .fini = fake_stop);

static enum progress look(void)
{
	struct socket_progress progress;
	socket_look(fd, &progress);
	return progress.so_far;
}

Test(socket_progress, what_is_still_to_be_begun_has_not_failed)
{
	bool asked;

	check_number(look(), PROGRESS_UNDER_WAY);
	check(!socket_turned_away(fd, &asked));
	fake_fd(fd)->spreading = true;
	fake_fd(fd)->tcp_state = TCP_SYN_SENT;
	check_number(look(), PROGRESS_UNDER_WAY);
	fake_fd(fd)->tcp_state = TCP_CLOSE;
	check_number(look(), PROGRESS_OVER);
	check(socket_turned_away(fd, &asked));
}

/* The state is read before the rest. */
Test(socket_progress, what_is_begun_while_it_is_looked_at_has_not_failed)
{
	fake_fd(fd)->spreading = true;
	fake_fd(fd)->tcp_state_next = TCP_SYN_SENT;
	check_number(look(), PROGRESS_UNDER_WAY);
}
