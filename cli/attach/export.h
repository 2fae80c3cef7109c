// SPDX-License-Identifier: Apache-2.0
/* export - metrics of attached cgroups. */
#ifndef HEADROOM_CLI_ATTACH_EXPORT_H
#define HEADROOM_CLI_ATTACH_EXPORT_H

#include <stdio.h>

/**
 * export_attached() - in the text format of Prometheus, a label set for each cgroup; nothing in a build
 * without `headroom attach`
 *
 * Without the rights to look, and if something is attached: that it is hidden; also in a line on standard error,
 * the first time.
 */
void export_attached(FILE *out);

#endif
