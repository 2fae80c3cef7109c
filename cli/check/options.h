// SPDX-License-Identifier: Apache-2.0
/* options - what one destination, --all and --leaks are all asked with. */
#ifndef HEADROOM_CLI_CHECK_OPTIONS_H
#define HEADROOM_CLI_CHECK_OPTIONS_H

#include "cli/shared/groups.h"

#include <stdbool.h>

struct check_options {
	bool json;
	enum group_by by;                /* how those who hold ports are put together */
	const struct netns_asked *netns; /* where; NULL: here */
	bool probe;                      /* ask the kernel about every port in doubt, however long it takes */
	unsigned threshold;              /* per cent in use or blocked that is bad news */
	double sample_s;                 /* how long to watch; 0: not at all */
};

#endif
