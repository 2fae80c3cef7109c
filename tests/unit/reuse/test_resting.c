// SPDX-License-Identifier: Apache-2.0
/* test_resting - parked connections when the shim is disabled: they go, none is parked, and later all is as
 * before. */
#include "pool/base/resting.h"
#include "preload/parking/parking.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/keeper.h"
#include "tests/unit/reusing.h"

#include <sys/stat.h>

#define TO        "10.0.0.9:6379"
#define SECOND_NS 1000000000ull

enum { FILES = 2048 };

static struct fake_file *file;

static void start(void)
{
	reusing_start("[headroom]\nreuse = redis\nidle_timeout = 60s\nmax_age = 600s\n", FILES);
	file = fake_file("", "");
	file->mode = S_IFREG | 0644;
	resting_start(fake.now_ns);
}

static void disable(bool disabled)
{
	file->path = disabled ? RESTING_FILE : "";
	reusing_wait(SECOND_NS);
}

TestSuite(parked_resting, .init = start, .fini = fake_stop);

Test(parked_resting, the_pool_is_given_up_and_nothing_is_parked)
{
	int open = reusing_opened(TO);
	reusing_exchange(open);
	reusing_parked(TO);
	check_number(reusing_open_fds(), 2);
	disable(true);
	parking_tidy();
	check(!shim.reusing.parked_newest);
	check_number(reusing_open_fds(), 1);
	check(!reusing_close(open));
	check_number(reusing_open_fds(), 0);
	check_number(program_space("10.0.0.1", TO)->open, 0);
}

Test(parked_resting, a_close_that_is_the_first_to_see_it_parks_nothing)
{
	int open = reusing_opened(TO);
	reusing_exchange(open);
	disable(true);
	check(!reusing_close(open));
	check_number(reusing_open_fds(), 0);
}

Test(parked_resting, the_thread_that_keeps_time_gives_it_up_too)
{
	reusing_parked(TO);
	disable(true);
	check(shim_enter(&shim));
	check(fake_keeper.tend(fake.now_ns)); /* looks */
	check(shim_enter(&shim));
	fake_keeper.tend(fake.now_ns);
	check(!shim.reusing.parked_newest);
	check_number(reusing_open_fds(), 0);
}

Test(parked_resting, when_the_file_has_gone_connections_are_parked_again)
{
	disable(true);
	check(resting_look(fake.now_ns));
	disable(false);
	uint64_t cookie = reusing_parked(TO);
	check_number(reusing_serves(TO), cookie);
}
