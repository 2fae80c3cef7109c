// SPDX-License-Identifier: Apache-2.0
/* Which programs a list names. */
#include "pool/rules/host_wide.h"

#include <criterion/criterion.h>

Test(host_wide, names_are_whole_lines)
{
	cr_assert(host_wide_lists("worker\nphp-fpm\n", "worker"));
	cr_assert(host_wide_lists("worker\nphp-fpm", "php-fpm"));
	cr_assert_not(host_wide_lists("worker\nphp-fpm\n", "work"));
	cr_assert_not(host_wide_lists("worker\nphp-fpm\n", "php-fpm8"));
	cr_assert_not(host_wide_lists("worker\nphp-fpm\n", "fpm"));
}

Test(host_wide, nothing_is_not_listed)
{
	cr_assert_not(host_wide_lists("", "worker"));
	cr_assert_not(host_wide_lists("\n\nworker\n", ""));
	cr_assert(host_wide_lists("\n\nworker\n", "worker"));
}
