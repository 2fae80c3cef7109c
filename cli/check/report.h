// SPDX-License-Identifier: Apache-2.0
/* report - what was found out, for people. */
#ifndef HEADROOM_CLI_CHECK_REPORT_H
#define HEADROOM_CLI_CHECK_REPORT_H

#include "cli/check/found.h"

#include <stdio.h>

/**
 * check_report() - for people
 */
void check_report(const struct check *check, FILE *out);

#endif
