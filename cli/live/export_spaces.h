// SPDX-License-Identifier: Apache-2.0
/* export_spaces - one look at the tuple spaces, counted up; which of them get label sets of their own. */
#ifndef HEADROOM_CLI_LIVE_EXPORT_SPACES_H
#define HEADROOM_CLI_LIVE_EXPORT_SPACES_H

#include "cli/live/export_count.h"

/**
 * export_look() - look at what is there, count up
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int export_look(struct export *export);

#endif
