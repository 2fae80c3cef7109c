// SPDX-License-Identifier: Apache-2.0
/* test_restraint - how many questions a program is asked before an fd of ours is opened. */
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/base/restraint.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>

static unsigned questions;
static int taken; /* an fd number; -1: none */

static long fcntl_counted(int fd, int command, long argument)
{
	(void)argument;
	questions += command == F_GETFD;
	return fd == taken ? 0 : -EBADF;
}

/* The calls are real but for that one. */
static void start(void)
{
	kernel.fcntl = fcntl_counted;
	questions = 0;
	taken = -1;
	restraint_start();
}

TestSuite(restraint, .init = start);

static void ask(void *answer)
{
	*(bool *)answer = kernel_may_open();
}

static bool on_own_stack(void)
{
	bool answer = false;

	check(own_stack_run(ask, &answer));
	return answer;
}

Test(restraint, some_numbers_below_the_limit_are_asked_about)
{
	check(kernel_may_open());
	check(questions >= 6 && questions <= 8);
}

Test(restraint, whoever_runs_out_of_fds_has_the_last_numbers_taken_last)
{
	struct rlimit limit;
	check_number(getrlimit(RLIMIT_NOFILE, &limit), 0);
	/* Filled from below: all but @left are taken, and each of those asked about has to be free. */
	for (int left = 0; left < RESTRAINT_FD_ROOM; left++) {
		bool refused = false;
		for (int below = RESTRAINT_FD_ROOM; below > left; below--) {
			taken = (int)limit.rlim_cur - below;
			refused |= !kernel_may_open();
		}
		check(refused);
	}
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
Test(restraint, a_program_of_one_thread_that_waits_for_us_is_asked_nothing)
{
	__libc_single_threaded = 1; /* the test's own threads do nothing */
	check(on_own_stack());
	check_number(questions, 0);
}
#endif

Test(restraint, but_it_is_when_somebody_shares_its_fds)
{
	__libc_single_threaded = 1;
	restraint_is_joined();
	check(on_own_stack());
	check(questions >= 6);
}
