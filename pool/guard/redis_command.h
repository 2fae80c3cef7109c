// SPDX-License-Identifier: Apache-2.0
/* redis_command - the commands that a program sends to Redis. */
#ifndef HEADROOM_POOL_GUARD_REDIS_COMMAND_H
#define HEADROOM_POOL_GUARD_REDIS_COMMAND_H

#include "pool/guard/state.h"

/**
 * redis_commands_start() - nothing was sent yet
 */
void redis_commands_start(struct redis_commands *commands);

/**
 * redis_commands_follow() - count the commands, refuse those that may leave state on the connection
 */
void redis_commands_follow(struct guard *guard, const char *bytes, size_t size);

/**
 * redis_commands_between() - is the last command complete?
 */
bool redis_commands_between(const struct redis_commands *commands);

#endif
