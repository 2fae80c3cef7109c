// SPDX-License-Identifier: Apache-2.0
/* reach - which processes are under the shim, and whether they see the file that disables it. */
#ifndef HEADROOM_CLI_DISABLE_REACH_H
#define HEADROOM_CLI_DISABLE_REACH_H

#include <stdio.h>

enum { DISABLE_NAMED_MAX = 10 };

struct disable_reach {
	unsigned processes;           /* under the shim, as far as the caller may look */
	unsigned unseen;              /* of them: their /run, or their root user, is another one */
	int named[DISABLE_NAMED_MAX]; /* the first of these */
};

/**
 * disable_reach_look() - walk over the processes of this pid namespace
 */
void disable_reach_look(struct disable_reach *reach);

/**
 * disable_reach_put_unseen() - say which do not see the file, and what to do; nothing if all do
 */
void disable_reach_put_unseen(const struct disable_reach *reach, FILE *out);

#endif
