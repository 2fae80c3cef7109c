// SPDX-License-Identifier: Apache-2.0
/* top_groups - rows of processes that belong together become one. */
#ifndef HEADROOM_CLI_LIVE_TOP_GROUPS_H
#define HEADROOM_CLI_LIVE_TOP_GROUPS_H

#include "cli/live/top.h"

/**
 * top_name_group() - whose group a process is, for top->by; remembered from look to look
 * @row:	its pid, pid_namespace, name, uid and running are known; group is filled
 */
void top_name_group(struct top *top, struct top_row *row);

/**
 * top_fold() - make top->rows of top->all; sorted
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int top_fold(struct top *top);

/**
 * top_group_by() - put together by something else, from now on
 */
int top_group_by(struct top *top, enum group_by by);

/**
 * top_groups_end() - give memory back
 */
void top_groups_end(struct top *top);

#endif
