// SPDX-License-Identifier: Apache-2.0
/* advice - what to do about a tuple space that fills. */
#ifndef HEADROOM_CLI_CHECK_ADVICE_H
#define HEADROOM_CLI_CHECK_ADVICE_H

#include "cli/check/found.h"

/* One thing to do. */
struct advice {
	char what[400];
	char command[700]; /* empty if there is none */
	char kept[500];    /* how it outlives a restart; empty if there is nothing to keep */
};

enum { ADVICE_MAX = 10 };

/**
 * check_advise() - what to do for one tuple space, the most useful first
 * Return: how many of @advice were filled
 */
unsigned check_advise(const struct check *check, const struct checked *space,
		      struct advice advice[ADVICE_MAX]);

#endif
