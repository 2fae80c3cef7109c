// SPDX-License-Identifier: Apache-2.0
/* test_binding - binding a socket to a source that the program did not name leaves it as it was. */
#include "pool/socket/binding.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

#include <errno.h>

static int fd;

static void start(void)
{
	fake_start();
	fd = fake_tcp_socket(AF_INET6);
	check_number(binding_set_no_port(fd, 1), 0);
}

TestSuite(binding, .init = start, .fini = fake_stop);

Test(binding, an_ipv6_source_of_ours_leaves_the_socket_open_to_ipv4)
{
	struct address source = ip("fd00::1");
	check_number(binding_to_ours(fd, AF_INET6, &source), 0);
	check_number(fake_fd(fd)->v6only, 0);
	check_address(&fake_fd(fd)->local.ip, "fd00::1");
}

Test(binding, what_is_for_ipv6_only_stays_so)
{
	struct address source = ip("fd00::1");
	fake_fd(fd)->v6only = 1;
	check_number(binding_to_ours(fd, AF_INET6, &source), 0);
	check_number(fake_fd(fd)->v6only, 1);
}

Test(binding, a_source_of_the_programs_sets_it_as_its_own_bind_does)
{
	struct address source = ip("fd00::1");
	check_number(binding_to(fd, AF_INET6, &source), 0);
	check_number(fake_fd(fd)->v6only, 1);
}

Test(binding, ipv4_costs_no_call_more)
{
	struct address source = ip("10.0.0.1");
	unsigned before = fake_total_calls();
	check_number(binding_to_ours(fd, AF_INET6, &source), 0);
	check_number(fake_total_calls(), before + 1);
}

Test(binding, a_source_that_is_refused_changes_nothing)
{
	struct address source = ip("fd00::1");
	fake_fail(CALL_BIND, EADDRNOTAVAIL);
	check_number(binding_to_ours(fd, AF_INET6, &source), -EADDRNOTAVAIL);
	check_number(fake_fd(fd)->v6only, 0);
}
