// SPDX-License-Identifier: Apache-2.0
/* export - metrics of attached cgroups. */
#ifndef HEADROOM_CLI_ATTACH_EXPORT_H
#define HEADROOM_CLI_ATTACH_EXPORT_H

#include <stdio.h>

/**
 * export_attached() - in the text format of Prometheus, a label set for each cgroup; nothing without the
 * rights to look, and in a build without `headroom attach`
 */
void export_attached(FILE *out);

#endif
