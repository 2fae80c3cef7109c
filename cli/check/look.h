// SPDX-License-Identifier: Apache-2.0
/* look - find the tuple spaces of all targets and what is in them. */
#ifndef HEADROOM_CLI_CHECK_LOOK_H
#define HEADROOM_CLI_CHECK_LOOK_H

#include "cli/check/found.h"

/**
 * check_look() - find the tuple spaces of all targets and what is in them
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int check_look(struct check *check);

#endif
