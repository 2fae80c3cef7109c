// SPDX-License-Identifier: Apache-2.0
/* export_text - the last look in the text format of Prometheus. */
#ifndef HEADROOM_CLI_LIVE_EXPORT_TEXT_H
#define HEADROOM_CLI_LIVE_EXPORT_TEXT_H

#include "cli/live/export_count.h"

#include <stdio.h>

/**
 * export_text() - the last look in the text format of Prometheus, version 0.0.4
 */
void export_text(const struct export *export, FILE *out);

#endif
