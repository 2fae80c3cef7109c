// SPDX-License-Identifier: Apache-2.0
/* ending - enter the end of a connection into the ledger. */
#include "pool/socket/ending.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/log/events.h"

void ending_unseen(struct tracked *tracked, uint64_t now_ns)
{
	if (tracked->space && !(tracked->flags & IN_CALL)) {
		space_ended(tracked->space, ENDED_UNSEEN, now_ns);
		tracked->space = NULL;
	}
}

/* What an end that is not a failure tells of the source. */
COLD static void enter_trust(struct shim *shim, struct tuple_space *space, const struct ending_facts *facts,
			     bool was_connecting, uint64_t now_ns)
{
	if (facts->turned_away)
		trust_turned_away(shim, space, now_ns);
	else if (facts->asked || facts->how == ENDED_TIME_WAIT)
		trust_served(shim, space, was_connecting, facts->asked, now_ns);
}

COLD static void enter_failure(struct shim *shim, struct tuple_space *space, int error, uint64_t now_ns)
{
	space_failed(space, error);
	trust_failed(shim, space, error, now_ns);
}

static inline void enter(struct shim *shim, const struct tracked *tracked, const struct ending_facts *facts,
			 uint64_t now_ns)
{
	struct tuple_space *space = tracked->space;
	bool was_connecting = tracked->state == SOCKET_CONNECTING;

	if (unlikely(facts->stranger)) {
		space_ended(space, ENDED_UNSEEN, now_ns);
	} else if (unlikely(facts->gave_up)) {
		enter_failure(shim, space, 0, now_ns);
	} else if (unlikely(was_connecting) && facts->error) {
		enter_failure(shim, space, facts->error, now_ns);
	} else {
		space_ended(space, facts->how, now_ns);
		if (unlikely(((space->doubt & ~TRUST_UNSERVED) | facts->asked) ||
			     space_is_doubted(&shim->ledger, space)))
			enter_trust(shim, space, facts, was_connecting, now_ns);
	}
}

HOT void ending_enter(struct shim *shim, const struct held *held, const struct ending_facts *facts, bool put)
{
	struct tracked *tracked = held->tracked;
	struct events events;
	uint64_t now_ns = clock_coarse_ns();

	events.count = 0;
	if (unlikely(!shim_enter_held(shim, held)))
		return;
	struct tuple_space *space = tracked->space;
	if (likely(space)) {
		enter(shim, tracked, facts, now_ns);
		tracked->space = NULL;
		events_use_changed(shim, &events, space, now_ns);
	}
	tracked->state = SOCKET_FRESH;
	if (put)
		tracked_put(shim, tracked);
	shim_leave(shim);
	events_write(shim, &events);
}

COLD void ending_with_process(struct shim *shim, const struct held *held, const struct ending_facts *facts)
{
	struct tracked *tracked = held->tracked;

	if (!shim_enter_held(shim, held))
		return;
	if (tracked->space && !(tracked->flags & IN_CALL)) {
		enter(shim, tracked, facts, clock_coarse_ns());
		tracked->space = NULL;
	}
	shim_leave(shim);
}
