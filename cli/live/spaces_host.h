// SPDX-License-Identifier: Apache-2.0
/* spaces_host - the tuple spaces of the whole host (its network namespace), by the kernel's own list. */
#ifndef HEADROOM_CLI_LIVE_SPACES_HOST_H
#define HEADROOM_CLI_LIVE_SPACES_HOST_H

#include "cli/live/space_table.h"

/**
 * spaces_ask_kernel() - enter what the kernel says of the caller's network namespace
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int spaces_ask_kernel(struct spaces *spaces);

#endif
