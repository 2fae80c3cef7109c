// SPDX-License-Identifier: Apache-2.0
/* test_attempt_knee - which connect() gets the option that removes the knee, and what system calls that
 * leaves. */
#include "pool/spread/slowness.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>

#define TO "10.0.0.9:80"

enum { CAPACITY = 400 };

static void start_with(const char *rules, unsigned ports)
{
	program_start(rules);
	fake_range(40000, (uint16_t)(40000 + ports - 1), "", 0);
	ledger_refresh_range(&shim.ledger, fake.now_ns);
	fake.connect_ns = 20000;
}

static void start(const char *rules)
{
	start_with(rules, CAPACITY);
}

TestSuite(attempt_knee, .fini = fake_stop);

/* Makes connections. Return: how many of them got the option. */
static unsigned helped(unsigned count)
{
	unsigned with_option = 0;

	for (unsigned i = 0; i < count; i++) {
		struct program_socket s = program_socket(AF_INET);
		check_number(program_connect(&s, TO), 0);
		with_option += fake_fd(s.fd)->range == 0xffff0001;
	}
	return with_option;
}

Test(attempt_knee, far_from_it_the_ports_are_those_of_the_kernel)
{
	start("");
	check_number(helped(20), 0);
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, "10.0.0.8:80"), 0);
	check_number(fake_fd(s.fd)->range, 0);
}

Test(attempt_knee, far_from_it_nothing_costs_a_system_call)
{
	start("");
	helped(2);
	unsigned before = fake_total_calls();
	helped(10);
	check_number(fake_total_calls(), before);
}

Test(attempt_knee, far_from_it_spreading_costs_two)
{
	start("[headroom]\nsources = 10.0.0.1-10.0.0.8\n");
	helped(2);
	unsigned before = fake_total_calls();
	helped(10);
	check_number(fake_total_calls() - before, 20);
	check_number(fake.program_connects, 12);
}

Test(attempt_knee, from_a_quarter_in_use_all_are_helped)
{
	start("");
	check_number(helped(CAPACITY / 4 - 1), 0);
	check_number(helped(100), 100);
}

Test(attempt_knee, near_it_all_cost_one_system_call_more)
{
	start("");
	helped(CAPACITY / 4);
	unsigned before = fake_total_calls();
	helped(10);
	check_number(fake_total_calls() - before, 10);
}

Test(attempt_knee, near_it_spreading_costs_three)
{
	start("[headroom]\nsources = 10.0.0.1-10.0.0.2\n");
	helped(2 * CAPACITY / 4);
	unsigned before = fake_total_calls();
	helped(10);
	check_number(fake_total_calls() - before, 30);
}

Test(attempt_knee, each_source_counts_by_itself)
{
	start("[headroom]\nsources = 10.0.0.1-10.0.0.2\n");
	check_number(helped(2 * (CAPACITY / 4 - 1)), 0);
	check_number(helped(100), 100);
}

Test(attempt_knee, what_siblings_have_counts_too)
{
	start("");
	helped(2);
	struct tuple_space *s = program_space("10.0.0.1", TO);
	check(s);
	s->others = CAPACITY / 4 - 5;
	s->knee |= KNEE_OTHERS;
	check_number(helped(3), 1);
}

Test(attempt_knee, where_the_range_is_not_known_many_are_enough)
{
	start("");
	fake_file("/proc/sys/net/ipv4/ip_local_port_range", "");
	shim.ledger.range = (struct port_range){ 0 };
	check_number(helped(LEDGER_BUSY_FROM - 1), 0);
	check_number(helped(10), 10);
}

Test(attempt_knee, it_is_the_same_for_ipv6_and_without_blocking)
{
	start_with("", 20000);
	fake.connect_result = -EINPROGRESS;
	for (unsigned i = 0; i < 13; i++) {
		struct program_socket s = program_socket(AF_INET6);
		fake.connect_ns = i < 1 ? 20000 : 500000;
		check_number(program_connect(&s, "[fd00::9]:80"), -EINPROGRESS);
		check_number(fake_fd(s.fd)->range != 0, i >= 3);
	}
}

Test(attempt_knee, the_last_port_of_an_odd_range_is_found)
{
	start_with("", 5);
	check_number(program_fills(AF_INET, TO), 5);
}

Test(attempt_knee, of_an_even_range_the_kernel_is_asked_once)
{
	start_with("", 4);
	check_number(program_fills(AF_INET, TO), 4);
	check_number(fake.program_connects, 5);
}

Test(attempt_knee, a_socket_that_has_the_option_keeps_it)
{
	start("");
	helped(CAPACITY / 4);
	struct program_socket s = program_socket(AF_INET);
	fake.connect_result = -ECONNREFUSED;
	check_number(program_connect(&s, TO), -ECONNREFUSED);
	unsigned before = fake.calls[CALL_SETSOCKOPT];
	fake.connect_result = 0;
	check_number(program_connect(&s, TO), 0);
	check_number(fake_fd(s.fd)->range, 0xffff0001);
	check_number(fake.calls[CALL_SETSOCKOPT], before);
}

/* Towards a port of this host's own range a connection could meet itself. */
Test(attempt_knee, the_port_that_is_connected_to_is_left_for_the_last)
{
	start("");
	fake.natural_v4 = ip("10.0.0.9");
	for (unsigned i = 0; i < CAPACITY - 1; i++) {
		struct program_socket s = program_socket(AF_INET);
		check_number(program_connect(&s, "10.0.0.9:40101"), 0);
		check(fake_fd(s.fd)->local.port != 40101);
	}
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, "10.0.0.9:40101"), 0);
	check_number(fake_fd(s.fd)->local.port, 40101);
}

Test(attempt_knee, a_socket_is_not_left_in_a_part)
{
	start("[headroom]\nsources = 10.0.0.9, 10.0.0.1\nspread = even\n");
	for (unsigned i = 0; i < CAPACITY; i++)
		check_number(program_connects(AF_INET, "10.0.0.9:40101"), 0);
	fake_limit("10.0.0.9", "10.0.0.9:40101", CAPACITY / 2);
	/* Whichever source is first, the other has the rest. */
	check_number(program_fills(AF_INET, "10.0.0.9:40101"), CAPACITY / 2);
}

Test(attempt_knee, a_socket_is_not_left_in_a_window)
{
	start("");
	shim.spreading.knee.way = KNEE_WINDOW;
	helped(CAPACITY / 4);
	struct program_socket s = program_socket(AF_INET);
	fake.connect_result = -ECONNREFUSED;
	check_number(program_connect(&s, TO), -ECONNREFUSED);
	/* The program may bind() it, or listen(). */
	check_number(fake_fd(s.fd)->range, 0);
	check(!(s.held.tracked->flags & (RANGE_BY_US | PART_BY_US)));
	fake.connect_result = 0;
	helped(16);
	unsigned before = fake.calls[CALL_SETSOCKOPT];
	check_number(program_connect(&s, TO), 0);
	check_number(fake.calls[CALL_SETSOCKOPT], before + 1);
}

/* It is looked up when a destination has become busy: that connect() itself is not helped yet. */
Test(attempt_knee, before_the_range_is_looked_up_none_is_near)
{
	program_start("");
	fake_range(40000, 40999, "", 0);
	fake.connect_ns = 20000;
	check_number(shim.ledger.range.high, 0);
	check_number(helped(LEDGER_BUSY_FROM + 10), 0);
	check_number(shim.ledger.range.high, 40999);
}
