// SPDX-License-Identifier: Apache-2.0
/* test_route - which source the kernel would choose, and which sources there are. */
#include "pool/routes/netlink.h"
#include "pool/routes/route.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

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

Test(route, what_may_bear_on_it_is_asked_for)
{
	struct endpoint to = at("10.0.0.9:80");
	struct address gateway = ip("10.0.0.254"), from = ip("10.0.0.5");
	struct route route, other;
	struct route_inputs inputs = { .traffic_class = 0x10 }, source = { .from = &from };

	fake.routes[fake.route_count++] = (struct fake_route){
		.net = ip("10.0.0.0"), .bits = 104, .traffic_class = 0x10, .gateway = gateway, .interface = 3
	};
	fake.routes[fake.route_count++] =
		(struct fake_route){ .net = ip("10.0.0.0"), .bits = 104, .from = from, .interface = 4 };
	int fd = (int)netlink_open(NETLINK_ROUTE);
	check_number(route_ask(fd, &to, NULL, &route), 0);
	check_number(route.interface, 2);
	check(address_is_unset(&route.gateway));
	check_number(route_ask(fd, &to, &inputs, &other), 0);
	check_number(other.interface, 3);
	check_address(&other.gateway, "10.0.0.254");
	check(!route_equal(&route, &other));
	check_number(route_ask(fd, &to, &source, &other), 0);
	check_number(other.interface, 4);
	check_address(&other.source, "10.0.0.5");
	check_number(route_ask(fd, &to, NULL, &other), 0);
	check(route_equal(&route, &other));
}

Test(route, an_address_has_an_interface)
{
	struct address own = ip("10.0.0.1"), other = ip("10.0.0.2");
	has("10.0.0.1", 7, RT_SCOPE_UNIVERSE, 0);
	int fd = (int)netlink_open(NETLINK_ROUTE);
	check_number(route_interface_of(fd, &own), 7);
	fake.not_local[fake.not_local_count++] = other;
	check_number(route_interface_of(fd, &other), 0);
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

Test(route, without_an_address_there_is_no_source)
{
	struct endpoint to = at("[fd00::9]:80");
	struct address source;
	fake.natural_v6 = (struct address){ 0 };
	check_number(route_source(&to, NULL, &source), -EADDRNOTAVAIL);
	check_number(automatic("[fd00::9]:80"), -EADDRNOTAVAIL);
	check_number(list.count, 0);
}

static const enum fake_call calls[] = { CALL_SOCKET, CALL_SENDTO, CALL_RECV };

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

Test(route, auto_is_what_serves_as_the_kernel_s_choice_does_that_first)
{
	has("10.0.0.5", 2, RT_SCOPE_UNIVERSE, 0);
	has("10.0.0.1", 2, RT_SCOPE_UNIVERSE, 0);
	has("10.0.0.6", 2, RT_SCOPE_UNIVERSE, IFA_F_SECONDARY);
	has("10.0.1.1", 2, RT_SCOPE_UNIVERSE, 0);
	has("10.0.0.7", 3, RT_SCOPE_UNIVERSE, 0);
	has("10.0.0.8", 2, RT_SCOPE_LINK, 0);
	has("10.0.0.3", 2, RT_SCOPE_UNIVERSE, IFA_F_DEPRECATED);
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
	has("fd00::6", 2, RT_SCOPE_UNIVERSE, 0);
	has("fd00:0:0:1::7", 2, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT);
	has("fe80::1", 2, RT_SCOPE_LINK, IFA_F_PERMANENT);
	check_number(automatic("[fd00::9]:80"), 0);
	check_number(list.count, 2);
	check_address(&list.items[1], "fd00::6");
}

Test(route, auto_with_a_temporary_choice_takes_temporary_ones)
{
	has("fd00::1", 2, RT_SCOPE_UNIVERSE, IFA_F_TEMPORARY);
	has("fd00::5", 2, RT_SCOPE_UNIVERSE, IFA_F_TEMPORARY);
	has("fd00::6", 2, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT);
	check_number(automatic("[fd00::9]:80"), 0);
	check_number(list.count, 2);
	check_address(&list.items[1], "fd00::5");
}

Test(route, auto_takes_no_other_label)
{
	fake.natural_v6 = ip("2003::1");
	fake.addresses[fake.address_count++] =
		(struct fake_interface_address){ .address = ip("2003::1"), .interface = 2, .bits = 8 };
	has("2003::2", 2, RT_SCOPE_UNIVERSE, 0);
	has("2002::2", 2, RT_SCOPE_UNIVERSE, 0);
	has("2001::2", 2, RT_SCOPE_UNIVERSE, 0);
	check_number(automatic("[2003::9]:80"), 0);
	check_number(list.count, 2);
	check_address(&list.items[1], "2003::2");
}

Test(route, auto_towards_the_loopback_and_on_a_link_is_the_kernel_s_choice)
{
	has("127.0.0.1", 1, RT_SCOPE_HOST, 0);
	has("127.0.0.2", 1, RT_SCOPE_HOST, 0);
	check_number(automatic("127.0.0.1:80"), 0);
	check_number(list.count, 1);
	check_address(&list.items[0], "127.0.0.1");
	list = (struct source_list){ 0 };
	has("10.0.0.1", 2, RT_SCOPE_UNIVERSE, 0);
	has("10.0.0.2", 2, RT_SCOPE_UNIVERSE, 0);
	check_number(automatic("169.254.1.1:80"), 0);
	check_number(list.count, 1);
}

Test(route, auto_whose_list_fails_is_the_kernel_s_choice)
{
	has("10.0.0.1", 2, RT_SCOPE_UNIVERSE, 0);
	has("10.0.0.2", 2, RT_SCOPE_UNIVERSE, 0);
	fake_fail_some(CALL_SENDTO, EPERM, 1, 9);
	check_number(automatic("10.0.0.9:80"), -EPERM);
	check_number(list.count, 1);
	fake_recover();
	fake_fail_some(CALL_RECV, ENOBUFS, 1, 9);
	check(automatic("10.0.0.9:80") < 0);
	check_number(list.count, 1);
	fake_recover();
	fake_fail_some(CALL_RECV, EINTR, 1, 2);
	check_number(automatic("10.0.0.9:80"), 0);
	check_number(list.count, 2);
	check_number(fake_open_fds(), 0);
}
