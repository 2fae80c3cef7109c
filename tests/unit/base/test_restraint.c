// SPDX-License-Identifier: Apache-2.0
/* test_restraint - how many questions a program is asked before an fd of ours is opened. */
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/base/restraint.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <unistd.h>

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
	*(bool *)answer = kernel_may_open() && kernel_may_open_more();
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
	check(questions >= 2 * 6);
}

static unsigned opened;

static long openat_counted(int folder, const char *path, int flags, unsigned mode)
{
	opened++;
	return kernel_real.openat(folder, path, flags, mode);
}

/* Whether there is a filter from before the start. */
static void look_among_threads(bool last_number_is_taken)
{
	struct rlimit limit = { 64, 64 };

	check_number(setrlimit(RLIMIT_NOFILE, &limit), 0);
	check(!last_number_is_taken || dup2(STDERR_FILENO, 63) == 63);
	kernel.openat = openat_counted;
	__libc_single_threaded = 0;
	check(restraint_look());
}

Test(restraint, among_threads_a_file_is_opened_to_look_for_a_filter)
{
	look_among_threads(false);
	check_number(opened, 1);
}

Test(restraint, but_not_when_one_of_them_might_miss_the_fd)
{
	look_among_threads(true);
	check_number(opened, 0);
}
