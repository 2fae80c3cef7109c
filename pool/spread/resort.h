// SPDX-License-Identifier: Apache-2.0
/* resort - the list of sources weighed against the kernel's own choice.
 *
 * Theory of operation
 *
 * All sources may be bad, and the kernel's own choice, which is not in the list, may be good: the destination
 * is behind another uplink, or lets nobody else in. So unless the rule is strict the kernel's choice is a
 * last resort (resort_is_preferred()):
 *
 *  - When the list has failed in vain (RESORT_AFTER times in a row, or TRUST_PATIENCE if it was ever
 *    answered) the next connections are the kernel's. If it fails, too, the list is used as before, and so on
 *    in turns: no call makes more attempts than without.
 *  - But for one: where connect() fails soon, and not by a refusal, the same call is made once more for the
 *    kernel's choice, if that has not failed (turn_to_kernel() in attempt.c).
 *  - Where the list is of another interface than the one with the gateway, the kernel's choice comes first,
 *    and the list after RESORT_WARY answers (resort_be_wary()): few connections, a process for each, say,
 * then go as without.
 *  - If it is answered the list is tried by one connection. If that fails the destination is *left* to the
 *    kernel's choice, for a time that doubles, as for a source set aside, and 16 times what the failure took.
 *    Then the next of the list tries it; whatever of it is answered ends that. */
#ifndef HEADROOM_POOL_SPREAD_RESORT_H
#define HEADROOM_POOL_SPREAD_RESORT_H

#include "pool/base/hot.h"
#include "pool/spread/events.h"
#include "pool/spread/trust_record.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * resort_be_wary() - the list of a new destination has sources of another interface alone
 */
void resort_be_wary(struct ledger *ledger, struct destination *destination);

/**
 * resort_is_preferred() - is the list to be passed over for the kernel's own choice?
 * @natural:	that, or the program's own source; NULL: not known
 */
bool resort_is_preferred(const struct destination *destination, const struct tuple_space *natural,
			 uint64_t now_ns);

/**
 * resort_may_be_asked() - the list's source has failed: may the kernel's choice be tried in the same call?
 * Says nothing of whether it is in the list: resort_is_another()
 */
bool resort_may_be_asked(const struct destination *destination, int error);

/**
 * resort_is_another() - is the kernel's choice another one than those of the list, that did not fail?
 */
bool resort_is_another(const struct tuple_space *natural);

/**
 * resort_may_be_preferred() - does resort_is_preferred() have to be asked?
 */
static inline bool resort_may_be_preferred(const struct destination *destination)
{
	return unlikely(destination->trust) && (destination->doubted | destination->looking);
}

/**
 * resort_is_due() - has the list failed often enough for the kernel's choice to be tried?
 */
bool resort_is_due(const struct destination *destination);

/**
 * resort_failed() / resort_answered() / resort_served() - what came of a connection, of the list's sources or
 * of the kernel's choice; for trust.c, where both have their records
 * @count:	so many came up
 */
void resort_failed(struct tuple_space *space, uint64_t now_ns);
void resort_answered(struct tuple_space *space, uint32_t count);
void resort_served(struct tuple_space *space);

/**
 * resort_say() - log that a destination was left to the kernel's choice; the lock is held
 */
void resort_say(struct journal *journal, struct events *events, struct trust_of_all *all, uint64_t now_ns);

#endif
