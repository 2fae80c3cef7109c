// SPDX-License-Identifier: Apache-2.0
/* json - what was found out, for programs. */
#ifndef HEADROOM_CLI_CHECK_JSON_H
#define HEADROOM_CLI_CHECK_JSON_H

#include "cli/check/found.h"

#include <stdio.h>

/**
 * check_json() - for programs; docs/users/check-json.md
 */
void check_json(const struct check *check, FILE *out);

#endif
