// SPDX-License-Identifier: Apache-2.0
/* options - what `headroom service enable` is told of the shim, and the variables that say so to it. */
#ifndef HEADROOM_CLI_SERVICE_OPTIONS_H
#define HEADROOM_CLI_SERVICE_OPTIONS_H

#include "cli/service/drop_in.h"
#include "cli/service/obstacles.h"

#include <stdbool.h>

enum service_value { VALUE_SOURCES, VALUE_SPREAD, VALUE_REUSE, VALUE_STRICT, VALUE_RULE, SERVICE_VALUES };

/* As given on the command line; NULL: it was not. */
struct service_options {
	const char *value[SERVICE_VALUES];
	bool runtime, no_restart, force, dry_run, all, json;
	double watch_s;
};

/**
 * service_options_apply() - check them with the code that the shim uses
 * @drop_in:	gets the variables; their values live as long as the process
 * @wanted:	what they mean for the sandbox
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int service_options_apply(const struct service_options *options, struct drop_in *drop_in,
			  struct wanted *wanted);

#endif
