// SPDX-License-Identifier: Apache-2.0
/* freed - a full tuple space of this process has got a free port: who waits for one is woken. */
#ifndef HEADROOM_POOL_LEDGER_FREED_H
#define HEADROOM_POOL_LEDGER_FREED_H

#include <stdint.h>

/**
 * freed_turn() - how often a full tuple space got a free port
 */
unsigned freed_turn(void);

/**
 * freed_one() - one more: wake who waits for it
 */
void freed_one(void);

/**
 * freed_wait() - wait for the next
 * @turn:	freed_turn() as of when there was none
 * @most_ns:	no longer than this; a signal that is handled ends the wait, too
 */
void freed_wait(unsigned turn, uint64_t most_ns);

#endif
