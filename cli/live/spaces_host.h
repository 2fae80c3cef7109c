// SPDX-License-Identifier: Apache-2.0
/* spaces_host - the tuple spaces of whole network namespaces, by the kernel's own lists. */
#ifndef HEADROOM_CLI_LIVE_SPACES_HOST_H
#define HEADROOM_CLI_LIVE_SPACES_HOST_H

#include "cli/live/space_table.h"

struct kept_answers;

/* Of looks before; all zero at first. */
struct spaces_kept {
	struct kept_answers *first; /* what the kernel said of single ports, for each namespace */
	bool said;                  /* that some namespaces may not be looked into */
};

/**
 * spaces_ask_kernel() - enter what the kernel says, before any segment is entered
 * @all_netns:	of each network namespace of this host; else of the caller's
 * @kept:	may be NULL
 * @limit_ns:	how long to ask about single ports; what is not asked about then stays in doubt
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int spaces_ask_kernel(struct spaces *spaces, bool all_netns, struct spaces_kept *kept, uint64_t limit_ns);

/**
 * spaces_settle() - put what the kernel said and what the segments say together, once both are entered
 *
 * What a namespace's kernel list does not have is not in use; what no program under the shim has gets a row.
 * Return: false when memory is short
 */
bool spaces_settle(struct spaces *spaces);

/**
 * spaces_kept_end() - give memory back
 */
void spaces_kept_end(struct spaces_kept *kept);

#endif
