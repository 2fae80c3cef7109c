// SPDX-License-Identifier: Apache-2.0
/* test_network - which sockets are of the home namespace, and what is not looked up elsewhere. */
#include "pool/routes/network.h"
#include "pool/routes/route.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>

#define TO "10.0.0.9:80"

static void start(void)
{
	program_start("[headroom]\nspread = even\nsources = 10.0.0.2\n");
	atomic_store(&network_has_left, false);
}

static void stop(void)
{
	atomic_store(&network_has_left, false);
	fake_stop();
}

TestSuite(network, .init = start, .fini = stop);

static void leave_for(uint64_t network)
{
	network_leaving();
	fake.network = network;
	network_leave();
}

Test(network, who_never_left_is_home_without_a_question)
{
	unsigned calls = fake_total_calls();
	check(network_thread_is_home());
	check_number(fake_total_calls(), calls);
}

Test(network, a_socket_belongs_to_the_namespace_it_was_made_in)
{
	int mine = fake_tcp_socket(AF_INET);
	leave_for(2);
	int foreign = fake_tcp_socket(AF_INET);
	check(network_is_home(mine));
	check(!network_is_home(foreign));
	check(!network_thread_is_home());
	fake.network = 1;
	check(network_thread_is_home());
	check(!network_is_home(foreign));
	check_number(fake_open_fds(), 2);
}

Test(network, home_is_learned_before_the_first_thread_leaves_and_no_later)
{
	leave_for(2);
	leave_for(3);
	fake.network = 1;
	check(network_thread_is_home());
}

Test(network, a_child_is_at_home_where_it_begins)
{
	leave_for(2);
	shim_restart(&shim);
	check(network_thread_is_home());
	leave_for(1);
	check(!network_thread_is_home());
}

Test(network, an_fd_from_elsewhere_is_told_apart_in_who_never_left)
{
	fake.network = 7;
	int from_elsewhere = fake_tcp_socket(AF_INET);
	fake.network = 1;
	int mine = fake_tcp_socket(AF_INET);
	check(!network_is_home(from_elsewhere));
	check(network_is_home(mine));
}

Test(network, what_the_kernel_does_not_tell_is_not_home)
{
	fake.network = 0;
	int fd = fake_tcp_socket(AF_INET);
	check(!network_is_home(fd));
	network_leaving();
	network_leave();
	check(!network_thread_is_home());
	fake_fail(CALL_GETSOCKOPT, ENOPROTOOPT);
	check(!network_is_home(fd));
}

Test(network, near_the_limit_of_fds_nothing_is_home)
{
	int mine = fake_tcp_socket(AF_INET);
	fake_fail(CALL_SOCKET, EMFILE);
	check(!network_is_home(mine));
	fake_recover();
	check(network_is_home(mine));
}

Test(network, elsewhere_neither_routes_nor_the_range_are_looked_up)
{
	struct endpoint to = at(TO);
	struct address source;
	leave_for(2);
	unsigned files = fake.calls[CALL_OPENAT];
	check_number(route_source(&to, NULL, &source), -EXDEV);
	ledger_refresh_range(&shim.ledger, fake.now_ns);
	check_number(fake.calls[CALL_OPENAT], files);
	check_number(shim.ledger.range.high, 0);
	fake.network = 1;
	check_number(route_source(&to, NULL, &source), 0);
	ledger_refresh_range(&shim.ledger, fake.now_ns);
	check_number(shim.ledger.range.high, 40099);
	check_number(fake_open_fds(), 0);
}
