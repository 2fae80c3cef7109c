// SPDX-License-Identifier: Apache-2.0
/* spreading - the state of this wing. */
#include "pool/spread/spreading.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/spread/trust.h"

ONCE void spreading_start(struct spreading *spreading)
{
	spreading->aside_count = spreading->auto_count = 0;
	spreading->links_until_ns = 0;
	spreading->links = (struct links){ 0 };
	spreading->links_unseen = false;
	spreading->journal.count = 0;
	/* Processes started together must differ: the clock's low digits and the pid do. */
	spreading->random = spreading->ledger->started_ns * 0x9e3779b97f4a7c15u ^ (uint64_t)kernel.getpid()
											  << 32;
}

/* xorshift64*, Vigna 2016. */
HOT uint32_t spreading_random(struct spreading *spreading)
{
	uint64_t x = spreading->random ? spreading->random : 1;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	spreading->random = x;
	return (uint32_t)(x * 0x2545f4914f6cdd1du >> 32);
}

COLD void spreading_failed(struct spreading *spreading, struct tuple_space *space, int error, uint64_t now_ns)
{
	if (trust_failed(spreading->ledger, space, error, now_ns))
		board_note_failure(spreading->board, &space->destination->to, &space->source, now_ns);
}

COLD void spreading_turned_away(struct spreading *spreading, struct tuple_space *space, uint64_t now_ns)
{
	if (trust_turned_away(spreading->ledger, space, now_ns))
		board_note_failure(spreading->board, &space->destination->to, &space->source, now_ns);
}
