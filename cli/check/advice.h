// SPDX-License-Identifier: Apache-2.0
/* advice - what to do about a tuple space that fills. */
#ifndef HEADROOM_CLI_CHECK_ADVICE_H
#define HEADROOM_CLI_CHECK_ADVICE_H

#include "cli/check/advisor.h"

/**
 * check_advise() - what to do for one tuple space, the most useful first
 * Return: how many of @advice were filled
 */
unsigned check_advise(const struct check *check, const struct checked *space,
		      struct advice advice[ADVICE_MAX]);

#endif
