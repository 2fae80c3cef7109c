// SPDX-License-Identifier: Apache-2.0
/* test_directory - names of usage segments: what they say, and which are none. */
#include "pool/segment/directory.h"
#include "tests/unit/check.h"

#include <string.h>

static const char *name_of(uint64_t seconds, unsigned pid, uint32_t random, uint64_t cookie)
{
	static char name[USAGE_FILE_NAME_MAX];

	usage_file_name(seconds, pid, random, cookie, name);
	return name;
}

Test(directory, a_name_is_in_order_of_time)
{
	check(strcmp(name_of(0x6b0b0fcb, 4711, 0xabc, 0), "0006b0b0fcb.4711.00000abc") == 0);
	check(strcmp(name_of(0, 0, 0, 0), "00000000000.0.00000000") == 0);
	check(strcmp(name_of(UINT64_MAX, UINT32_MAX, UINT32_MAX, 0x10002),
		     "fffffffffff.4294967295.ffffffff.0003") == 0);
	check(usage_name_made_s(name_of(0x6b0b0fcb, 4711, 0xabc, 1)) == 0x6b0b0fcb);
}

Test(directory, a_name_says_of_which_network_namespace_it_is_not)
{
	uint64_t cookie = 0x14ecb;
	const char *name = name_of(1, 2, 3, cookie);

	check(usage_name_may_be_of(name, cookie));
	check(!usage_name_may_be_of(name, cookie + 1));
	/* Of a process that does not know its own none of the known is a sibling. */
	check(!usage_name_may_be_of(name, 0));
	/* Nothing is known of an older version's. */
	name = name_of(1, 2, 3, 0);
	check(usage_name_may_be_of(name, cookie) && usage_name_may_be_of(name, 0));
}
