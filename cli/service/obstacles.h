// SPDX-License-Identifier: Apache-2.0
/* obstacles - what in a unit stands in the way of the shim. */
#ifndef HEADROOM_CLI_SERVICE_OBSTACLES_H
#define HEADROOM_CLI_SERVICE_OBSTACLES_H

#include "cli/service/unit.h"

#include <stdbool.h>

/* What is wanted of the shim there, as far as it matters here. */
struct wanted {
	bool automatic; /* sources = auto, in an option or in the rule file */
	bool sources;   /* sources of any kind */
};

/* @stops: it would not work; else it works, with less than is asked for */
typedef void obstacle_found(bool stops, const char *text, void *context);

/**
 * obstacles_find() - look at the unit's program and sandbox
 * @found:	called for each obstacle with a text of one line
 * Return: how many stop it
 */
int obstacles_find(const struct unit *unit, const struct wanted *wanted, obstacle_found *found,
		   void *context);

#endif
