// SPDX-License-Identifier: Apache-2.0
/* leaks - processes that do not close their connections. */
#ifndef HEADROOM_CLI_CHECK_LEAKS_H
#define HEADROOM_CLI_CHECK_LEAKS_H

#include "cli/check/options.h"

/**
 * check_leaks() - `headroom check --leaks`
 * Return: an exit status; STATUS_BAD_NEWS if a process seems to leak
 */
int check_leaks(const struct check_options *options);

#endif
