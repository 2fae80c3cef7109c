// SPDX-License-Identifier: Apache-2.0
/* memcached - the guard of memcached connections (text protocol).
 *
 * Theory of operation
 *
 * Replies go to the oldest command that can have them. After noreply or a quiet meta command another reply
 * must have come. A `set` may be a login, unless a command went before it that a server with a password
 * file refuses. */
#ifndef HEADROOM_POOL_GUARD_MEMCACHED_H
#define HEADROOM_POOL_GUARD_MEMCACHED_H

#include "pool/guard/state.h"

void guard_memcached_start(struct guard *guard);
void guard_memcached_sent(struct guard *guard, const char *bytes, size_t size);
void guard_memcached_received(struct guard *guard, const char *bytes, size_t size);
bool guard_memcached_clean(const struct guard *guard);

#endif
