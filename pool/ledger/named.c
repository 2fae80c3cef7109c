// SPDX-License-Identifier: Apache-2.0
/* named - TIME_WAITs at ports that the program has named itself, by bind(ip, PORT). */
#include "pool/ledger/named.h"

#include "pool/base/hash.h"
#include "pool/base/hot.h"

/* A place is looked for among so many neighbours; where there is none the oldest goes. */
enum { NAMED_PLACES = 1024, NAMED_NEIGHBOURS = 8 };

/* The tuple space may be folded, and another stand in its memory: the key is made of what it is about. */
struct named_wait {
	uint64_t key; /* 0: empty */
	uint32_t tick;
};

static uint64_t key_of(const struct tuple_space *space, uint16_t port)
{
	uint64_t hash = hash_more(HASH_START, &space->source, sizeof(space->source));

	hash = hash_more(hash, &space->destination->to, sizeof(space->destination->to));
	hash = hash_more(hash, &port, sizeof(port));
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

static bool is_over(const struct named_wait *wait, uint32_t tick)
{
	return !wait->key || (int32_t)(tick - wait->tick) >= USAGE_TIME_WAIT_BUCKETS;
}

static struct named_wait *at(struct ledger *ledger, uint64_t key, unsigned i)
{
	return &ledger->named[(key + i) % NAMED_PLACES];
}

COLD void named_waits(struct ledger *ledger, const struct tuple_space *space, uint16_t port)
{
	uint64_t key = key_of(space, port);
	uint32_t tick = space->use->tick;

	if (!ledger->named) {
		struct named_wait *made = arena_alloc(ledger->arena, NAMED_PLACES * sizeof(*made));
		if (!made)
			return;
		__atomic_store_n(&ledger->named, made, __ATOMIC_RELAXED);
	}
	struct named_wait *place = at(ledger, key, 0);
	for (unsigned i = 0; i < NAMED_NEIGHBOURS; i++) {
		struct named_wait *wait = at(ledger, key, i);
		if (is_over(wait, tick) || wait->key == key) {
			place = wait;
			break;
		}
		if ((int32_t)(place->tick - wait->tick) > 0)
			place = wait;
	}
	*place = (struct named_wait){ .key = key, .tick = tick };
}

COLD void named_taken(struct ledger *ledger, struct tuple_space *space, uint16_t port, uint64_t now_ns)
{
	uint64_t key = key_of(space, port);

	for (unsigned i = 0; i < NAMED_NEIGHBOURS; i++) {
		struct named_wait *wait = at(ledger, key, i);
		if (wait->key == key) {
			space_wait_over(space, wait->tick, now_ns);
			wait->key = 0;
			return;
		}
	}
}
