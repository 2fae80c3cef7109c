// SPDX-License-Identifier: Apache-2.0
/* test_retired - how our numbers are closed: without waiting, by FIN or reset, and no number of a stranger's.
 */
#include "pool/reuse/retired.h"
#include "tests/unit/check.h"
#include "tests/unit/reusing.h"

#define TO "10.0.0.9:6379"

static void start(void)
{
	reusing_start("[headroom]\nreuse = redis\nidle_timeout = 1s\n", 2048);
}

TestSuite(retired, .init = start, .fini = fake_stop);

/* Our number of a connection that the program has. */
static struct reuse *kept(void)
{
	reusing_parked(TO);
	struct reuse *reuse = reusing_of(reusing_opened(TO));
	cr_assert(reuse->kept);
	return reuse;
}

static void close_one(struct reuse *reuse, bool leaving, bool reset, bool lingers)
{
	struct retired retired = { 0 };

	retired_add(&retired, reuse);
	retired.fds[0].leaving = leaving;
	retired.fds[0].reset = reset;
	retired.fds[0].lingers = lingers;
	retired_close(&retired);
	check_number(retired.count, 0);
}

Test(retired, one_that_is_left_in_the_ordinary_way_gets_the_end_of_the_server)
{
	struct reuse *reuse = kept();
	unsigned set = fake.calls[CALL_SETSOCKOPT], closed = fake.calls[CALL_CLOSE];
	close_one(reuse, true, false, false); /* SO_DETACH_FILTER */
	check_number(fake.calls[CALL_SETSOCKOPT], set + 1);
	check_number(fake.calls[CALL_CLOSE], closed + 1);
	check_number(fake.resets, 0);
}

Test(retired, one_whose_server_has_closed_is_reset)
{
	struct reuse *reuse = kept();
	const struct fake_fd *ours = fake_fd(reuse->fd);
	close_one(reuse, true, true, false);
	check_number(ours->linger.l_onoff, 1);
	check_number(ours->linger.l_linger, 0);
}

/* The close() that the program wants to wait in is its own. */
Test(retired, one_that_lingers_does_not)
{
	struct reuse *reuse = kept();
	unsigned set = fake.calls[CALL_SETSOCKOPT];
	close_one(reuse, false, false, true);
	check_number(fake.calls[CALL_SETSOCKOPT], set + 1);
	check_number(fake.resets, 0);
}

/* The program has the connection: its SO_LINGER stays, and the number of ours is not in the table. */
Test(retired, a_number_beside_the_programs_leaves_the_connection_as_it_is)
{
	static const struct linger linger = { .l_onoff = 1, .l_linger = 10 };
	struct retired retired = { 0 };
	struct reuse *reuse = kept();

	option_log_note(&reuse->options, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	retired_add(&retired, reuse);
	check(!retired.fds[0].lingers);
	check(retired.fds[0].kept);
	reuse->kept = false;
	retired_add(&retired, reuse);
	check(retired.fds[1].lingers);
	check(!retired.fds[1].kept);
	check_number(retired.count, 2);
}
