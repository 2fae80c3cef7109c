// SPDX-License-Identifier: Apache-2.0
/* list - all that the process keeps open, youngest first: what is parked, what leaves, and the blank. */
#ifndef HEADROOM_POOL_REUSE_LIST_H
#define HEADROOM_POOL_REUSE_LIST_H

#include "pool/reuse/reuse.h"

/**
 * list_enter() - as the youngest; the lock is held
 * @until_ns:	when it is to be looked at
 */
void list_enter(struct reusing *reusing, struct reuse *reuse, uint64_t until_ns);

/**
 * list_leave() - out of the list, and of a destination's pool; the lock is held
 * @pool:	NULL if it is in none: what leaves, and the blank
 */
void list_leave(struct reusing *reusing, struct reuse *reuse, struct parked_pool *pool);

#endif
