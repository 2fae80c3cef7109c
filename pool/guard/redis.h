// SPDX-License-Identifier: Apache-2.0
/* redis - the guard of Redis connections.
 *
 * Theory of operation
 *
 * The framing of RESP2 and RESP3, and a list of commands known to leave nothing on the connection
 * (redis_command.c). Also refused: CLIENT SETINFO, which redis-py 5 sends first. */
#ifndef HEADROOM_POOL_GUARD_REDIS_H
#define HEADROOM_POOL_GUARD_REDIS_H

#include "pool/guard/state.h"

void guard_redis_start(struct guard *guard);
void guard_redis_sent(struct guard *guard, const char *bytes, size_t size);
void guard_redis_received(struct guard *guard, const char *bytes, size_t size);
bool guard_redis_clean(const struct guard *guard);

#endif
