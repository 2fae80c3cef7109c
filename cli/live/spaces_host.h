// SPDX-License-Identifier: Apache-2.0
/* spaces_host - the tuple spaces of the whole host (its network namespace), by the kernel's own list. */
#ifndef HEADROOM_CLI_LIVE_SPACES_HOST_H
#define HEADROOM_CLI_LIVE_SPACES_HOST_H

#include "cli/live/space_table.h"

struct port_answers;

/**
 * spaces_ask_kernel() - enter what the kernel says of the caller's network namespace
 * @answers:	what was asked at the looks before, or NULL
 * @limit_ns:	how long to ask about single ports; what is not asked about then stays in doubt
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int spaces_ask_kernel(struct spaces *spaces, struct port_answers *answers, uint64_t limit_ns);

#endif
