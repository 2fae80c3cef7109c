// SPDX-License-Identifier: Apache-2.0
/* ending - enter the end of a connection into the ledger. */
#include "ending.h"

#include "clock.h"
#include "events.h"
#include "hot.h"

void ending_unseen(struct tracked *tracked, uint64_t now_ns)
{
	if (tracked->space && !(tracked->flags & IN_CALL)) {
		space_ended(tracked->space, ENDED_UNSEEN, now_ns);
		tracked->space = NULL;
	}
}

static inline void enter(const struct tracked *tracked, const struct ending_facts *facts, uint64_t now_ns)
{
	bool was_connecting = tracked->state == SOCKET_CONNECTING;

	if (unlikely(facts->stranger))
		space_ended(tracked->space, ENDED_UNSEEN, now_ns);
	else if (unlikely(facts->gave_up))
		space_failed(tracked->space, 0);
	else if (unlikely(was_connecting) && facts->error)
		space_failed(tracked->space, facts->error);
	else
		space_ended(tracked->space, facts->how, now_ns);
}

/* What the end tells of the source. The lock is held. */
COLD static void enter_trust(struct shim *shim, struct tuple_space *space, const struct ending_facts *facts,
			     bool was_connecting, uint64_t now_ns)
{
	if (facts->stranger)
		return;
	if (facts->gave_up)
		trust_failed(shim, space, 0, now_ns);
	else if (was_connecting && facts->error)
		trust_failed(shim, space, facts->error, now_ns);
	else if (facts->turned_away)
		trust_turned_away(shim, space, now_ns);
	else if (facts->asked || facts->how == ENDED_TIME_WAIT)
		trust_served(shim, space, was_connecting, facts->asked, now_ns);
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
	bool was_connecting = tracked->state == SOCKET_CONNECTING;
	if (likely(space)) {
		enter(tracked, facts, now_ns);
		if (unlikely((space->doubt & ~TRUST_UNSERVED) | facts->asked | facts->gave_up |
			     (was_connecting & (facts->error != 0)) | (shim->ledger.doubted != 0)))
			enter_trust(shim, space, facts, was_connecting, now_ns);
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
		enter(tracked, facts, clock_coarse_ns());
		tracked->space = NULL;
	}
	shim_leave(shim);
}
