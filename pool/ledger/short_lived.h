// SPDX-License-Identifier: Apache-2.0
/* short_lived - does this process make a segment yet, and does it leave one? See recent.h. */
#ifndef HEADROOM_POOL_LEDGER_SHORT_LIVED_H
#define HEADROOM_POOL_LEDGER_SHORT_LIVED_H

#include "pool/ledger/kind.h"
#include "pool/ledger/ledger.h"

/**
 * usage_still_waits() - at a connect() of a process that began without a segment: may it go on so? The lock
 * is held
 */
bool usage_still_waits(struct ledger *ledger, uint64_t now_ns);

/**
 * usage_waits() - at a connect() of a process without a segment: is it to go on without?
 * @held:	the socket it is for
 * @fd:		its number
 * @kind:	all zero; what was found out on the way
 *
 * Yes, if most of its name live for a connection or two, and this one has neither lived long nor connected
 * often.
 */
bool usage_waits(struct ledger *ledger, const struct held *held, int fd, struct recent_kind *kind);

/**
 * usage_hand_over() - at the end of a process that lived for a few connections: add what it counted to that
 * of its kind, and leave no segment
 */
void usage_hand_over(struct ledger *ledger);

#endif
