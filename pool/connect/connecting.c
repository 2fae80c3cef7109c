// SPDX-License-Identifier: Apache-2.0
/* connecting - the state of this wing. */
#include "pool/connect/connecting.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/connect/trust.h"

void connecting_start(struct connecting *connecting)
{
	connecting->aside_count = connecting->auto_count = 0;
	connecting->links_until_ns = 0;
	connecting->links = (struct links){ 0 };
	connecting->links_unseen = false;
	connecting->journal.count = 0;
	/* Processes started together must differ: the clock's low digits and the pid do. */
	connecting->random = connecting->ledger->started_ns * 0x9e3779b97f4a7c15u ^ (uint64_t)kernel.getpid()
											    << 32;
}

/* xorshift64*, Vigna 2016. */
HOT uint32_t connecting_random(struct connecting *connecting)
{
	uint64_t x = connecting->random ? connecting->random : 1;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	connecting->random = x;
	return (uint32_t)(x * 0x2545f4914f6cdd1du >> 32);
}

COLD void connecting_failed(struct connecting *connecting, struct tuple_space *space, int error,
			    uint64_t now_ns)
{
	if (trust_failed(connecting->ledger, space, error, now_ns))
		board_note_failure(connecting->board, &space->destination->to, &space->source, now_ns);
}

COLD void connecting_turned_away(struct connecting *connecting, struct tuple_space *space, uint64_t now_ns)
{
	if (trust_turned_away(connecting->ledger, space, now_ns))
		board_note_failure(connecting->board, &space->destination->to, &space->source, now_ns);
}
