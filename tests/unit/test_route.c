// SPDX-License-Identifier: Apache-2.0
/* test_route - which source the kernel would choose, and which sources there are. */
#include "check.h"
#include "fake_kernel.h"
#include "route.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

static struct arena arena;
static struct source_list list;

TestSuite(route, .init = fake_start, .fini = fake_stop);

static void has(const char *address, unsigned interface, uint8_t scope, uint8_t flags)
{
	fake.addresses[fake.address_count++] = (struct fake_interface_address){
		.address = ip(address), .interface = interface, .scope = scope, .flags = flags
	};
}

static int automatic(const char *to)
{
	struct endpoint endpoint = at(to);
	return route_auto_sources(&arena, &endpoint, &list);
}

Test(route, the_source_is_the_kernel_s)
{
	struct endpoint v4 = at("10.0.0.9:80"), v6 = at("[fd00::9]:80"), no_port = at("10.0.0.9:0");
	struct address source, from = ip("10.0.0.5");
	check_number(route_source(&v4, NULL, &source), 0);
	check_address(&source, "10.0.0.1");
	check_number(route_source(&v6, NULL, &source), 0);
	check_address(&source, "fd00::1");
	check_number(route_source(&no_port, NULL, &source), 0);
	check_number(route_source(&v4, &from, &source), 0);
	check_address(&source, "10.0.0.5");
	check_number(fake_open_fds(), 0);
}

Test(route, a_refusal_is_the_kernel_s)
{
	struct endpoint to = at("10.0.0.9:80");
	struct address source = ip("192.0.2.1"), from = ip("10.0.0.5"), loopback = ip("127.0.0.1");
	fake.unroutable[fake.unroutable_count++] = from;
	check_number(route_source(&to, &from, &source), -ENETUNREACH);
	check_number(route_source(&to, &loopback, &source), -EINVAL);
	fake.not_local[fake.not_local_count++] = from;
	check_number(route_source(&to, &from, &source), -EADDRNOTAVAIL);
	check_address(&source, "192.0.2.1");
	check_number(fake_open_fds(), 0);
}

static const enum fake_call calls[] = { CALL_SOCKET, CALL_CONNECT, CALL_GETSOCKNAME };

Test(route, any_call_may_fail)
{
	struct endpoint to = at("10.0.0.9:80");
	struct address source;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		fake_fail(calls[i], ENOMEM);
		check_number(route_source(&to, NULL, &source), -ENOMEM);
		check_number(automatic("10.0.0.9:80"), -ENOMEM);
		check_number(list.count, 0);
		fake_recover();
		check_number(fake_open_fds(), 0);
	}
}

Test(route, auto_is_every_address_of_the_interface_the_kernel_s_choice_first)
{
	has("10.0.0.5", 2, RT_SCOPE_UNIVERSE, 0);
	has("10.0.0.1", 2, RT_SCOPE_UNIVERSE, 0);
	has("10.0.0.6", 2, RT_SCOPE_UNIVERSE, IFA_F_SECONDARY);
	has("10.1.0.1", 3, RT_SCOPE_UNIVERSE, 0);
	has("169.254.0.1", 2, RT_SCOPE_LINK, 0);
	has("127.0.0.1", 1, RT_SCOPE_HOST, 0);
	check_number(automatic("10.0.0.9:80"), 0);
	check_number(list.count, 3);
	check_address(&list.items[0], "10.0.0.1");
	struct address others[] = { ip("10.0.0.5"), ip("10.0.0.6") };
	for (unsigned i = 0; i < 2; i++) {
		check(source_list_add(&arena, &list, &others[i]));
		check_number(list.count, 3);
	}
	check_number(fake_open_fds(), 0);
}

Test(route, auto_leaves_out_addresses_that_come_or_go)
{
	has("fd00::1", 2, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT);
	has("fd00::2", 2, RT_SCOPE_UNIVERSE, IFA_F_TENTATIVE);
	has("fd00::3", 2, RT_SCOPE_UNIVERSE, IFA_F_DEPRECATED);
	has("fd00::4", 2, RT_SCOPE_UNIVERSE, IFA_F_DADFAILED);
	has("fd00::5", 2, RT_SCOPE_UNIVERSE, IFA_F_TEMPORARY);
	has("fe80::1", 2, RT_SCOPE_LINK, IFA_F_PERMANENT);
	check_number(automatic("[fd00::9]:80"), 0);
	check_number(list.count, 2);
	check_address(&list.items[1], "fd00::5");
}

Test(route, auto_towards_the_loopback_is_sixteen_of_its_addresses)
{
	check_number(automatic("127.0.0.1:80"), 0);
	check_number(list.count, 16);
	check_address(&list.items[0], "127.0.0.1");
	check_address(&list.items[15], "127.0.0.16");
}

Test(route, auto_without_netlink_is_the_kernel_s_choice)
{
	has("10.0.0.1", 2, RT_SCOPE_UNIVERSE, 0);
	fake_fail(CALL_SENDTO, EPERM);
	check_number(automatic("10.0.0.9:80"), -EPERM);
	check_number(list.count, 1);
	fake_recover();
	fake_fail(CALL_RECV, ENOBUFS);
	check(automatic("10.0.0.9:80") < 0);
	check_number(list.count, 1);
	fake_recover();
	fake_fail_some(CALL_RECV, EINTR, 0, 2);
	check_number(automatic("10.0.0.9:80"), 0);
	check_number(fake_open_fds(), 0);
}
