// SPDX-License-Identifier: Apache-2.0
/* test_attempt_resting - connect() while the shim is disabled: as the program made it, and what was deferred
 * before ends as it has to. */
#include "pool/base/resting.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <sys/stat.h>

#define TO        "10.0.0.9:80"
#define SOURCES   "[headroom]\nsources = 10.0.0.2,10.0.0.3\n"
#define SECOND_NS 1000000000ull

static struct fake_file *file;

static void start(void)
{
	program_start(SOURCES);
	file = fake_file("", "");
	file->mode = S_IFREG | 0644;
	resting_start(fake.now_ns);
}

/* And time passes. */
static void disable(bool disabled)
{
	file->path = disabled ? RESTING_FILE : "";
	fake.now_ns += SECOND_NS;
}

static uint32_t spread(void)
{
	uint32_t open = 0;
	for (struct tuple_space *s = program_destination(TO)->spaces; s; s = s->next)
		open += s->open;
	return open;
}

TestSuite(attempt_resting, .init = start, .fini = fake_stop);

Test(attempt_resting, the_program_s_call_is_made_and_nothing_else)
{
	disable(true);
	struct program_socket s = program_socket(AF_INET);
	unsigned before = fake_total_calls();
	check_number(program_connect(&s, TO), 0);
	/* access(), lstat(), and the program's own, which the fake does not count. */
	check_number(fake_total_calls() - before, 2);
	check_number(fake.program_connects, 1);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.1");
	check_number(s.held.tracked->state, SOCKET_FRESH);
	check_number(s.held.tracked->references, 1);
	check(!s.held.tracked->space);
	before = fake_total_calls();
	check_number(program_connects(AF_INET, TO), 0);
	check_number(fake_total_calls() - before, 0);
	program_close(&s);
	check_number(program_destination(TO)->users, 0);
}

Test(attempt_resting, it_goes_on_when_the_file_has_gone)
{
	check_number(program_connects(AF_INET, TO), 0);
	disable(true);
	check_number(program_connects(AF_INET, TO), 0);
	check_number(spread(), 1);
	disable(false);
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	check_number(spread(), 2);
	check_number(s.held.tracked->state, SOCKET_OPEN);
}

Test(attempt_resting, a_failure_is_the_program_s)
{
	disable(true);
	fake.connect_result = -ECONNREFUSED;
	check_number(program_connects(AF_INET, TO), -ECONNREFUSED);
	check_number(fake.program_connects, 1);
}

Test(attempt_resting, a_port_that_was_deferred_is_had)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.5:0"), 0);
	check_number(fake_fd(s.fd)->local.port, 0);
	disable(true);
	check_number(program_connect(&s, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.5");
	check(fake_fd(s.fd)->local.port >= 40000);
}

/* As bind(ip, 0) would have it: another tuple space's ports serve as well. */
Test(attempt_resting, where_no_port_is_left_the_deferral_is_taken_back)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.5:0"), 0);
	disable(true);
	fake_limit("10.0.0.5", TO, 0);
	check_number(program_connect(&s, TO), 0);
	check(fake_fd(s.fd)->local.port >= 40000);
	check_number(fake.program_connects, 2);
}

static void close_it(void *argument)
{
	struct program_socket *s = argument;
	if (s->held.tracked->fds)
		program_close(s);
}

static struct program_socket meanwhile;

static long access_and_close(const char *path)
{
	(void)path;
	close_it(&meanwhile);
	/* And opens another, which has its number. */
	cr_assert(fake_tcp_socket(AF_INET) == meanwhile.fd);
	return -ENOENT;
}

/* The file is looked at without the lock. */
Test(attempt_resting, another_thread_closes_the_socket_while_the_file_is_looked_at)
{
	disable(false);
	meanwhile = program_socket(AF_INET);
	kernel.access = access_and_close;
	program_connect(&meanwhile, TO);
	check_number(spread(), 0);
	check_number(program_destination(TO)->users, 0);
}
