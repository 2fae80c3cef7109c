// SPDX-License-Identifier: Apache-2.0
/* test_resting - the file that disables the shim: whose counts, when it is looked at, and that it costs
 * little. */
#include "pool/base/resting.h"
#include "pool/base/restraint.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

#include <errno.h>
#include <sys/stat.h>

#define SECOND_NS 1000000000ull

static struct fake_file *file;

static void start(void)
{
	fake_start();
	file = fake_file(RESTING_FILE, "");
	file->mode = S_IFREG | 0644;
}

TestSuite(resting, .init = start, .fini = fake_stop);

/* Hides the file, or shows it again. */
static void hide(bool hidden)
{
	file->path = hidden ? "" : RESTING_FILE;
}

static unsigned looks(void)
{
	return fake.calls[CALL_ACCESS];
}

Test(resting, at_the_start_it_is_looked_at_once)
{
	resting_start(fake.now_ns);
	check(resting());
	check_number(looks(), 1);
	hide(true);
	resting_start(fake.now_ns);
	check(!resting());
	check_number(looks(), 2);
	check_number(fake.calls[CALL_LSTAT], 1);
	check_number(fake_total_calls(), 3);
}

Test(resting, within_a_second_it_is_seen_and_within_a_second_it_is_seen_to_have_gone)
{
	hide(true);
	resting_start(fake.now_ns);
	hide(false);
	check(!resting_may_be(fake.now_ns + SECOND_NS - 1));
	check(resting_may_be(fake.now_ns + SECOND_NS));
	check(resting_look(fake.now_ns + SECOND_NS));
	check(resting());
	check(resting_may_be(fake.now_ns + SECOND_NS));
	hide(true);
	check(resting_look(fake.now_ns + 2 * SECOND_NS - 1));
	check(!resting_look(fake.now_ns + 2 * SECOND_NS));
	check(!resting_may_be(fake.now_ns + 2 * SECOND_NS));
}

Test(resting, it_is_looked_at_once_a_second_however_often_one_asks)
{
	hide(true);
	resting_start(fake.now_ns);
	for (unsigned i = 0; i < 1000; i++)
		resting_look(fake.now_ns + i * SECOND_NS / 100);
	check_number(looks(), 10);
	check_number(resting_next_ns(), fake.now_ns + 10 * SECOND_NS);
}

struct owner_case {
	mode_t mode;
	uid_t owner;
	bool counts;
};

ParameterizedTestParameters(resting, only_a_file_of_root_s_counts_that_nobody_else_can_write_to)
{
	static struct owner_case cases[] = {
		{ S_IFREG | 0644, 0, true },  { S_IFREG | 0600, 0, true },  { S_IFREG | 0, 0, true },
		{ S_IFREG | 0664, 0, false }, { S_IFREG | 0646, 0, false }, { S_IFREG | 0644, 1000, false },
		{ S_IFLNK | 0777, 0, false }, { S_IFDIR | 0755, 0, false }, { S_IFIFO | 0644, 0, false },
	};
	return cr_make_param_array(struct owner_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct owner_case *c, resting, only_a_file_of_root_s_counts_that_nobody_else_can_write_to)
{
	start();
	file->mode = c->mode;
	file->owner = c->owner;
	check_number(resting_file_counts(!c->counts), c->counts);
}

Test(resting, what_the_kernel_does_not_tell_changes_nothing)
{
	resting_start(fake.now_ns);
	fake_fail(CALL_ACCESS, EACCES);
	check(resting_look(fake.now_ns + SECOND_NS));
	fake_recover();
	hide(true);
	check(!resting_look(fake.now_ns + 2 * SECOND_NS));
	fake_fail(CALL_ACCESS, EPERM);
	hide(false);
	check(!resting_look(fake.now_ns + 3 * SECOND_NS));
	fake_recover();
	fake_fail(CALL_LSTAT, EIO);
	check(!resting_look(fake.now_ns + 4 * SECOND_NS));
	/* It went between the two calls. */
	fake_recover();
	fake_fail(CALL_LSTAT, ENOENT);
	check(!resting_file_counts(true));
}

Test(resting, in_a_filter_of_the_program_s_own_no_call_is_made)
{
	hide(true);
	resting_start(fake.now_ns);
	restraint_start();
	restraint_begin();
	kernel.access = NULL; /* would be the end */
	check(!resting_look(fake.now_ns + SECOND_NS));
	kernel.access = kernel_real.access;
}
