// SPDX-License-Identifier: Apache-2.0
/* raw - the guard of connections whose protocol the rule's owner vouches for.
 *
 * It refuses what begins like a protocol that is bound to its connection, and holds HTTP to HTTP's rules.
 *
 * Clean once the program has sent and received last. */
#ifndef HEADROOM_POOL_GUARD_RAW_H
#define HEADROOM_POOL_GUARD_RAW_H

#include "pool/guard/state.h"

void guard_raw_start(struct guard *guard);
void guard_raw_sent(struct guard *guard, const char *bytes, size_t size);
void guard_raw_received(struct guard *guard, const char *bytes, size_t size);
bool guard_raw_clean(const struct guard *guard);

#endif
