// SPDX-License-Identifier: Apache-2.0
/* blockers - the processes that keep ports of the range from every connect(). */
#ifndef HEADROOM_CLI_PORTS_BLOCKERS_H
#define HEADROOM_CLI_PORTS_BLOCKERS_H

#include "cli/ports/holders.h"
#include "pool/ports/space.h"

#include <stdio.h>

struct blockers {
	struct holders holders;   /* way: enum blocked_by; those with the most ports first */
	uint32_t without_process; /* blocked ports whose holder is not known */
	struct process_search search;
};

/**
 * blockers_find() - who has the blocked ports of the range, reserved ones aside
 */
void blockers_find(struct blockers *blockers, const struct port_space *ports);

/**
 * blockers_put() - "python3[4711] 150, nginx[80] 2, no visible process 12"; at most so many of them
 */
void blockers_put(const struct blockers *blockers, unsigned most, FILE *out);

/**
 * blockers_end() - give memory back
 */
void blockers_end(struct blockers *blockers);

#endif
