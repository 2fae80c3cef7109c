// SPDX-License-Identifier: Apache-2.0
/* all - every destination of the host, that with the least headroom first. */
#ifndef HEADROOM_CLI_CHECK_ALL_H
#define HEADROOM_CLI_CHECK_ALL_H

#include "cli/check/options.h"

/**
 * check_all() - `headroom check --all`
 * Return: an exit status
 */
int check_all(const struct check_options *options);

#endif
