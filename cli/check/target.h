// SPDX-License-Identifier: Apache-2.0
/* target - the destinations that the user names. */
#ifndef HEADROOM_CLI_CHECK_TARGET_H
#define HEADROOM_CLI_CHECK_TARGET_H

#include "cli/check/found.h"

/**
 * check_target_add() - read HOST:PORT, look the name up, add what it stands for
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int check_target_add(struct check *check, const char *text);

#endif
