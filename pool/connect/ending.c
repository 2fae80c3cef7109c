// SPDX-License-Identifier: Apache-2.0
/* ending - enter the end of a connection into the ledger. */
#include "pool/connect/ending.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/ledger/named.h"
#include "pool/socket/undo.h"
#include "pool/spread/events.h"
#include "pool/spread/trust.h"

void ending_unseen(struct tracked *tracked, uint64_t now_ns)
{
	if (tracked->space && !(tracked->flags & IN_CALL)) {
		space_ended(tracked->space, ENDED_UNSEEN, now_ns);
		tracked->space = NULL;
	}
}

/* What an end that is not a failure tells of the source. */
COLD static void enter_trust(struct spreading *spreading, struct tuple_space *space,
			     const struct ending_facts *facts, bool was_connecting, uint64_t now_ns)
{
	if (facts->turned_away)
		spreading_turned_away(spreading, space, now_ns);
	else if (facts->asked || facts->how == ENDED_TIME_WAIT) {
		trust_served(spreading->ledger, space, was_connecting, facts->asked, now_ns);
		board_note_served(spreading->board, &space->destination->to, &space->source, now_ns);
	}
}

COLD static void enter_failure(struct spreading *spreading, struct tuple_space *space, int error,
			       uint64_t now_ns)
{
	space_failed(space, error);
	spreading_failed(spreading, space, error, now_ns);
}

HOT_WHOLE static inline void enter(struct spreading *spreading, const struct tracked *tracked,
				   const struct ending_facts *facts, uint64_t now_ns)
{
	struct tuple_space *space = tracked->space;
	bool was_connecting = tracked->state == SOCKET_CONNECTING;

	if (unlikely(facts->stranger)) {
		space_ended(space, ENDED_UNSEEN, now_ns);
	} else if (unlikely(facts->gave_up)) {
		enter_failure(spreading, space, 0, now_ns);
	} else if (unlikely(was_connecting) && facts->error) {
		enter_failure(spreading, space, facts->error, now_ns);
	} else {
		bool waits = space_ended(space, facts->how, now_ns);
		if (unlikely(facts->port) && waits)
			named_waits(spreading->ledger, space, facts->port);
		if (unlikely(((space->doubt & ~TRUST_UNSERVED) | facts->asked | spreading->board->recalls) ||
			     space_is_doubted(spreading->ledger, space)))
			enter_trust(spreading, space, facts, was_connecting, now_ns);
	}
}

HOT void ending_enter(struct spreading *spreading, const struct held *held, const struct ending_facts *facts,
		      bool put)
{
	struct tracked *tracked = held->tracked;
	struct events events;
	uint64_t now_ns = clock_coarse_ns();

	events.count = 0;
	if (unlikely(!lock_enter_held(spreading->lock, held)))
		return;
	struct tuple_space *space = tracked->space;
	if (likely(space)) {
		enter(spreading, tracked, facts, now_ns);
		tracked->space = NULL;
		events_use_changed(&spreading->journal, &events, space, now_ns);
	}
	tracked->state = SOCKET_FRESH;
	if (put)
		tracked_put(spreading->sockets, tracked);
	lock_leave(spreading->lock);
	board_tell(spreading->board, now_ns);
	events_write(&spreading->journal, &events);
}

COLD void ending_apart(struct spreading *spreading, const struct held *held, int fd, enum ending how)
{
	const struct ending_facts facts = { .how = how };

	ending_enter(spreading, held, &facts, false);
	undo_binding(spreading->lock, held, fd);
}

COLD void ending_given_up(struct spreading *spreading, const struct held *held, int fd)
{
	const struct ending_facts facts = { .gave_up = true };

	ending_enter(spreading, held, &facts, false);
	undo_binding(spreading->lock, held, fd);
}

COLD void ending_with_process(struct spreading *spreading, const struct held *held,
			      const struct ending_facts *facts)
{
	struct tracked *tracked = held->tracked;
	uint64_t now_ns = clock_coarse_ns();

	if (!lock_enter_held(spreading->lock, held))
		return;
	if (tracked->space && !(tracked->flags & IN_CALL)) {
		enter(spreading, tracked, facts, now_ns);
		tracked->space = NULL;
	}
	lock_leave(spreading->lock);
	board_tell(spreading->board, now_ns);
}
