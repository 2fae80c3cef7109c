// SPDX-License-Identifier: Apache-2.0
#include "pool/libc/error_text.h"
#include "tests/unit/check.h"

#include <string.h>

Test(error_text, is_that_of_libc_for_each_number)
{
	for (int error = 1; error < 200; error++) {
		const char *ours = error_text(error), *theirs = strerrordesc_np(error);
		check(!ours == !theirs && (!ours || !strcmp(ours, theirs)));
	}
}

Test(error_text, has_none_for_what_is_no_error)
{
	check(!error_text(0));
	check(!error_text(-1));
}
