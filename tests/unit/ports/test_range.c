// SPDX-License-Identifier: Apache-2.0
/* test_range - how many ports a tuple space has. */
#include "pool/ports/range.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

#include <errno.h>
#include <stdio.h>

struct range_case {
	char range[24], reserved[80];
	uint32_t capacity;
};

ParameterizedTestParameters(port_range, the_capacity_is_the_range_less_the_reserved_ports)
{
	static struct range_case cases[] = {
		{ "32768\t60999\n", "\n", 28232 },
		{ "32768\t60999\n", "", 28232 },
		{ "40000 40099", "40010-40019\n", 90 },
		{ "40000 40099", "40000,40099\n", 98 },
		{ "40000 40099", "39999,40100\n", 100 },
		{ "40000 40099", "39990-40009\n", 90 },
		{ "40000 40099", "40090-40200\n", 90 },
		{ "40000 40099", "1-65535\n", 0 },
		{ "40000 40099", "8080,9148-9150,40001,40003-40004\n", 97 },
		{ "1 65535", "", 65535 },
		{ "40000 40000", "", 1 },
		{ "40000 40099", "nonsense", 100 },
	};
	return cr_make_param_array(struct range_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct range_case *c, port_range, the_capacity_is_the_range_less_the_reserved_ports)
{
	struct port_range range;
	check(port_range_parse(c->range, c->reserved, &range));
	check_number(port_range_capacity(&range), c->capacity);
}

struct bad_range {
	char text[24];
};

ParameterizedTestParameters(port_range, what_is_no_range_is_refused)
{
	static struct bad_range cases[] = { { "" },        { "\n" },    { "x y" },
					    { "40000" },   { "0 100" }, { "200 100" },
					    { "1 65536" }, { "1 -1" },  { "-40000 40099" } };
	return cr_make_param_array(struct bad_range, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct bad_range *c, port_range, what_is_no_range_is_refused)
{
	struct port_range range = { .low = 7 };
	check(!port_range_parse(c->text, "", &range));
	check_number(range.low, 7);
}

Test(port_range, an_unknown_range_has_no_capacity)
{
	check_number(port_range_capacity(&(struct port_range){ 0 }), 0);
}

TestSuite(port_range_read, .init = fake_start, .fini = fake_stop);

Test(port_range_read, the_three_files_are_read)
{
	struct port_range range = { 0 };
	fake_range(32768, 60999, "40000-40009,50000", 2);
	check(port_range_read(&range));
	check_number(range.low, 32768);
	check_number(range.high, 60999);
	check_number(range.reserved, 11);
	check_number(range.time_wait_reuse, 2);
	check_number(fake_open_fds(), 0);
}

Test(port_range_read, what_becomes_of_time_waits_is_read)
{
	struct port_range range = { 0 };
	fake_range(40000, 40099, "", 1);
	check(port_range_read(&range));
	check_number(port_range_reuse_ms(&range), 1000);
	check_number(port_range_waits(&range, 70000), 70000);
	fake_file("/proc/sys/net/ipv4/tcp_tw_reuse_delay", "2500\n");
	fake_file("/proc/sys/net/ipv4/tcp_max_tw_buckets", "100\n");
	check(port_range_read(&range));
	check_number(port_range_reuse_ms(&range), 2500);
	check_number(port_range_waits(&range, 99), 99);
	check_number(port_range_waits(&range, 500), 100);
	fake_file("/proc/sys/net/ipv4/tcp_max_tw_buckets", "0\n");
	check(port_range_read(&range));
	check_number(port_range_waits(&range, 5), 0);
}

Test(port_range_read, without_a_range_nothing_is_said)
{
	struct port_range range = { .low = 7 };
	fake.file_count = 0;
	check(!port_range_read(&range));
	fake_range(40000, 40099, "", 0);
	fake_fail(CALL_OPENAT, EMFILE);
	check(!port_range_read(&range));
	fake_recover();
	fake_fail(CALL_READ, EIO);
	check(!port_range_read(&range));
	check_number(range.low, 7);
	check_number(fake_open_fds(), 0);
}

Test(port_range_read, a_kernel_without_the_other_two_files_has_none_reserved_or_reused)
{
	struct port_range range = { 0 };
	fake_range(40000, 40099, "40000", 1);
	fake.file_count = 1;
	check(port_range_read(&range));
	check_number(port_range_capacity(&range), 100);
	check_number(range.time_wait_reuse, 0);
}

Test(port_range_read, an_interrupted_read_is_made_again)
{
	struct port_range range = { 0 };
	fake_fail_some(CALL_READ, EINTR, 0, 3);
	check(port_range_read(&range));
	check_number(range.low, 40000);
}

Test(port_range_read, reserved_ports_by_the_thousand_are_counted)
{
	static char text[40000];
	struct port_range range = { 0 };
	size_t used = 0;
	for (unsigned port = 40001; port < 44001; port += 2)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%u,", port);
	text[used - 1] = '\n';
	fake_range(40000, 49999, "", 0);
	fake_file("/proc/sys/net/ipv4/ip_local_reserved_ports", text);
	check(port_range_read(&range));
	check_number(range.reserved, 2000);
}
