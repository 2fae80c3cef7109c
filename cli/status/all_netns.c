// SPDX-License-Identifier: Apache-2.0
/* all_netns - `headroom status --all-netns`: a line for each network namespace of this host. */
#include "cli/ports/each_netns.h"
#include "cli/shared/complain.h"
#include "cli/status/status.h"

#include <stdio.h>
#include <stdlib.h>

static int look_at(const char *name, void *context)
{
	struct status *status = calloc(1, sizeof(*status));

	if (!status)
		return complain(NULL, "no memory");
	int rc = status_look(status, context);
	if (!rc) {
		printf("%-24s %-10s", name, verdict_name(status->verdict));
		printf(" %6u blocked %6llu in use  %s\n", status->view.blocked,
		       (unsigned long long)status->in_use, status->because);
		rc = verdict_status(status->verdict);
	}
	status_end(status);
	free(status);
	return rc;
}

int status_all_netns(const struct status_options *options)
{
	struct status_options copy = *options;

	return each_netns(look_at, &copy, true);
}
