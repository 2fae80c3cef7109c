// SPDX-License-Identifier: Apache-2.0
/* enable - `headroom host enable`, disable and status. */
#ifndef HEADROOM_CLI_HOST_ENABLE_H
#define HEADROOM_CLI_HOST_ENABLE_H

struct host_options {
	const char *include; /* names with commas between them */
	const char *sources, *spread, *rule;
};

/* Return: an exit status */
int host_enable(const struct host_options *options);
int host_disable(void);
int host_status(void);

#endif
