// SPDX-License-Identifier: Apache-2.0
/* pool - the parked connections of one destination, and of the process, and what reuse did there. */
#include "pool/reuse/pool.h"

#include "pool/base/hot.h"

ONCE void pool_start(struct reusing *reusing)
{
	reusing->parked_newest = NULL;
	reusing->blank = NULL;
	reusing->asked_last = reusing->made_way = NULL;
	reusing->parked_count = reusing->parked_most = reusing->leaving_count = reusing->holders = 0;
	reusing->parked_look_ns = reusing->parkings = 0;
	reusing->distrust.evidence = EVIDENCE_NONE;
	reusing->no_parking = false;
	reusing->dropped = (struct reuse_counts){ 0 };
}

void pool_distrust(struct reusing *reusing, struct destination *destination, enum evidence evidence,
		   uint64_t now_ns)
{
	struct conduct *conduct = &destination->parked->conduct;

	if (evidence == EVIDENCE_NONE || conduct->paused_until_ns > now_ns)
		return;
	unsigned seconds = conduct_pause(conduct, now_ns);
	/* Two at the same time are rare, and one is told of. */
	reusing->distrust =
		(struct distrust){ .evidence = evidence, .seconds = seconds, .to = destination->to };
	/* What is parked there goes at the next look, which is now. */
	if (destination->parked->count)
		reusing->parked_look_ns = 0;
}

void pool_asked(struct reusing *reusing, struct parked_pool *pool, uint64_t now_ns)
{
	uint64_t look_ns = now_ns + conduct_asks_for_ns(&pool->conduct);

	reusing->asked_last = pool;
	if (reusing->holders && look_ns < reusing->parked_look_ns)
		reusing->parked_look_ns = look_ns;
}

void pool_answered(struct reusing *reusing, struct parked_pool *pool, uint64_t now_ns)
{
	if (conduct_helped(&pool->conduct, now_ns) && reusing->made_way && reusing->made_way != pool)
		conduct_stood_in_the_way(&reusing->made_way->conduct, now_ns);
}

void pool_add_counts(const struct destination *destination, struct reuse_counts *sum)
{
	if (!destination->parked)
		return;
	const struct reuse_counts *more = &destination->parked->counts;

	sum->hits += more->hits;
	sum->misses += more->misses;
	sum->first_use_failures += more->first_use_failures;
	sum->replaced += more->replaced;
	for (unsigned i = 0; i < REUSE_REFUSALS; i++)
		sum->refused[i] += more->refused[i];
	for (unsigned i = 0; i < REUSE_RETIREMENTS; i++)
		sum->retired[i] += more->retired[i];
}

static bool stays(const struct destination *destination, uint64_t now_ns)
{
	const struct parked_pool *pool = destination->parked;

	return pool && (pool->conduct.paused_until_ns > now_ns ||
			pool->conduct.idle_limit_until_ns > now_ns || pool->conduct.late_until_ns > now_ns);
}

static void leaves(void *self, struct ledger *ledger, struct destination *destination)
{
	struct reusing *reusing = self;

	pool_add_counts(destination, &reusing->dropped);
	if (reusing->asked_last == destination->parked)
		reusing->asked_last = NULL;
	if (reusing->made_way == destination->parked)
		reusing->made_way = NULL;
	if (destination->parked)
		arena_free(ledger->arena, destination->parked, sizeof(*destination->parked));
}

const struct ledger_tenant pool_tenant = { .stays = stays, .leaves = leaves };
