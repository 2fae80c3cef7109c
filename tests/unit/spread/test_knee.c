// SPDX-License-Identifier: Apache-2.0
/* test_knee - the option that makes the kernel try every port once. */
#include "pool/spread/knee.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

#include <errno.h>

static struct knee knee;
static int fd;

static void start(void)
{
	fake_start();
	fd = fake_tcp_socket(AF_INET);
	knee.way = KNEE_WHOLE_RANGE;
}

TestSuite(knee, .init = start, .fini = fake_stop);

struct release_case {
	char release[40];
	enum knee_way way;
};

ParameterizedTestParameters(knee, the_release_tells_the_way)
{
	static struct release_case cases[] = {
		{ "6.1.0-56-cloud-amd64", KNEE_WINDOW },
		{ "6.2.16", KNEE_WINDOW },
		{ "6.3.0", KNEE_WINDOW },
		{ "6.5.0-14-generic", KNEE_WINDOW },
		{ "6.7.12+bpo-amd64", KNEE_WINDOW },
		{ "6.8.0-31-generic", KNEE_WHOLE_RANGE },
		{ "6.18.44", KNEE_WHOLE_RANGE },
		{ "6.30", KNEE_WHOLE_RANGE },
		{ "5.5.0", KNEE_WINDOW },
		{ "5.14.0-570.el9.x86_64", KNEE_WINDOW },
		{ "7.4.0", KNEE_WHOLE_RANGE },
		{ "6", KNEE_WINDOW },
		{ "", KNEE_WINDOW },
		{ "odd", KNEE_WINDOW },
		{ "6.6-rc1", KNEE_WINDOW },
		{ "16.5", KNEE_WHOLE_RANGE },
	};
	return cr_make_param_array(struct release_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct release_case *c, knee, the_release_tells_the_way)
{
	check_number(knee_way_of_release(c->release), c->way);
}

Test(knee, the_running_kernel_has_a_way)
{
	knee_start(&knee);
	check(knee.way == KNEE_WHOLE_RANGE || knee.way == KNEE_WINDOW);
}

Test(knee, the_whole_range_is_one_option)
{
	struct knee_aid aid = { .on = true, .random = 5, .range = { .low = 40000, .high = 49999 } };
	check(knee_remove(&knee, fd, &aid));
	check_number(fake_fd(fd)->range, 0xffff0001);
	check_number(fake.calls[CALL_SETSOCKOPT], 1);
	check(!knee_has_more(&knee, &aid));
}

Test(knee, a_kernel_without_the_option_is_asked_once)
{
	struct knee_aid aid = { .on = true, .random = 5, .range = { .low = 40000, .high = 49999 } };
	fake_fail_option(CALL_SETSOCKOPT, IP_LOCAL_PORT_RANGE, ENOPROTOOPT);
	check(!knee_remove(&knee, fd, &aid));
	check_number(knee.way, KNEE_UNAIDED);
	check(!knee_remove(&knee, fd, &aid));
	check_number(fake.calls[CALL_SETSOCKOPT], 1);
}

/* MPTCP sockets may lack it where TCP sockets have it (Linux 6.1.37). */
Test(knee, a_refusal_by_mptcp_is_of_this_socket_only)
{
	struct knee_aid aid = { .on = true, .random = 5, .range = { .low = 40000, .high = 49999 } };
	fake_fd(fd)->protocol = IPPROTO_MPTCP;
	fake_fail_option(CALL_SETSOCKOPT, IP_LOCAL_PORT_RANGE, ENOPROTOOPT);
	check(!knee_remove(&knee, fd, &aid));
	check_number(knee.way, KNEE_WHOLE_RANGE);
}

struct refusal {
	int error;
};

ParameterizedTestParameters(knee, another_refusal_is_of_this_socket_only)
{
	static struct refusal cases[] = { { EPERM }, { EINVAL }, { ENOMEM }, { EINTR } };
	return cr_make_param_array(struct refusal, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct refusal *c, knee, another_refusal_is_of_this_socket_only)
{
	struct knee_aid aid = { .on = true, .random = 5, .range = { .low = 40000, .high = 49999 } };
	fake_fail_some(CALL_SETSOCKOPT, c->error, 0, 1);
	check(!knee_remove(&knee, fd, &aid));
	check_number(knee.way, KNEE_WHOLE_RANGE);
	check(knee_remove(&knee, fd, &aid));
}

struct window_case {
	uint16_t low, high;
	uint32_t random;
};

ParameterizedTestParameters(knee, windows_cover_every_port_exactly_once)
{
	static struct window_case cases[] = {
		{ 32768, 60999, 0 }, { 32768, 60999, 31 }, { 32768, 60999, UINT32_MAX }, { 1, 65535, 7 },
		{ 1024, 65535, 13 }, { 40000, 40127, 1 },  { 40000, 40128, 1 },          { 40000, 40200, 2 },
		{ 40000, 42047, 5 }, { 40000, 42048, 5 },  { 65000, 65535, 3 },          { 1, 999, 8 },
	};
	return cr_make_param_array(struct window_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct window_case *c, knee, windows_cover_every_port_exactly_once)
{
	static uint8_t covered[65536];
	struct knee_aid aid = { .on = true,
				.random = c->random,
				.range = { .low = c->low, .high = c->high } };
	unsigned windows = 0;
	knee.way = KNEE_WINDOW;
	do {
		check(knee_remove(&knee, fd, &aid));
		uint32_t low = fake_fd(fd)->range & 0xffff, high = fake_fd(fd)->range >> 16;
		check(low >= c->low && high <= c->high && low <= high);
		/* Small enough for a short walk: 1/32 of the range, or 64 to 128 ports of a small one. */
		check(high - low < 128 || high - low <= (uint32_t)(c->high - c->low) / KNEE_WINDOWS + 1);
		for (uint32_t port = low; port <= high; port++)
			covered[port]++;
		windows++;
	} while (knee_has_more(&knee, &aid));
	for (uint32_t port = 0; port < 65536; port++)
		check_number(covered[port], port >= c->low && port <= c->high);
	check(windows <= KNEE_WINDOWS);
	check_number(fake.calls[CALL_SETSOCKOPT], windows);
}

Test(knee, different_connects_start_at_different_windows)
{
	uint32_t first = 0;
	unsigned different = 0;
	knee.way = KNEE_WINDOW;
	for (uint32_t random = 0; random < KNEE_WINDOWS; random++) {
		struct knee_aid aid = { .random = random, .range = { .low = 32768, .high = 60999 } };
		check(knee_remove(&knee, fd, &aid));
		different += random && fake_fd(fd)->range != first;
		if (!random)
			first = fake_fd(fd)->range;
	}
	check_number(different, KNEE_WINDOWS - 1);
}

Test(knee, an_unknown_or_small_range_is_one_window)
{
	struct knee_aid unknown = { .on = true },
			small = { .on = true, .range = { .low = 40000, .high = 40099 } };
	knee.way = KNEE_WINDOW;
	check(knee_remove(&knee, fd, &unknown));
	check_number(fake_fd(fd)->range, 0xffff0001);
	check(!knee_has_more(&knee, &unknown));
	check(knee_remove(&knee, fd, &small));
	check_number(fake_fd(fd)->range, 0xffff0001);
	check(!knee_has_more(&knee, &small));
}

struct left_case {
	uint16_t low, high;
	enum knee_way way;
	bool possible, more;
};

ParameterizedTestParameters(knee, of_an_odd_range_one_port_may_be_left)
{
	static struct left_case cases[] = {
		{ 40000, 40098, KNEE_WHOLE_RANGE, true, true },
		{ 40000, 40099, KNEE_WHOLE_RANGE, true, false },
		{ 0, 0, KNEE_WHOLE_RANGE, true, true },
		{ 40000, 40098, KNEE_WINDOW, true, true },
		{ 40000, 40098, KNEE_UNAIDED, true, false },
		{ 40000, 40098, KNEE_WHOLE_RANGE, false, false },
	};
	return cr_make_param_array(struct left_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct left_case *c, knee, of_an_odd_range_one_port_may_be_left)
{
	struct knee_aid aid = { .possible = c->possible, .range = { .low = c->low, .high = c->high } };
	knee.way = c->way;
	check_number(knee_has_more(&knee, &aid), c->more);
	check_number(aid.on, c->more);
}
