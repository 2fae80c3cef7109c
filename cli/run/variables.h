// SPDX-License-Identifier: Apache-2.0
/* variables - HEADROOM_* in the environment that nobody reads. */
#ifndef HEADROOM_CLI_RUN_VARIABLES_H
#define HEADROOM_CLI_RUN_VARIABLES_H

#include <stdbool.h>

/**
 * variables_complain() - a line on standard error for each that is unknown
 * @near_only:	only those that look like one that is known: another program may have some of its own
 * Return: how many
 */
unsigned variables_complain(bool near_only);

#endif
