// SPDX-License-Identifier: Apache-2.0
/* reuse - what is known of a connection that may be parked, and of the parked ones of a destination. */
#include "pool/reuse/reuse.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/resting.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>

APART struct reuse *reuse_of(struct reusing *reusing, struct tracked *tracked)
{
	if (tracked->reuse)
		return tracked->reuse;
	struct reuse *reuse = arena_alloc(reusing->arena, sizeof(*reuse));
	if (!reuse)
		return NULL;
	memset(reuse, 0, sizeof(*reuse));
	reuse->tracked = tracked;
	reuse->fd = -1;
	reuse->forks = *reusing->sockets->forks;
	tracked->reuse = reuse;
	return reuse;
}

APART void reuse_forget(struct reusing *reusing, struct tracked *tracked)
{
	if (tracked->reuse->request.bytes)
		arena_free(reusing->arena, tracked->reuse->request.bytes, REUSE_REQUEST_MAX);
	arena_free(reusing->arena, tracked->reuse, sizeof(*tracked->reuse));
	tracked->reuse = NULL;
}

COLD void reuse_note_listener(struct reusing *reusing, const struct endpoint *local)
{
	reusing->listeners[reusing->listener_count++ % LISTENERS_MAX] = *local;
}

static bool listens_itself(const struct reusing *reusing, const struct endpoint *to)
{
	for (unsigned i = 0; i < reusing->listener_count && i < LISTENERS_MAX; i++) {
		const struct endpoint *l = &reusing->listeners[i];
		bool on_all = l->port == to->port && address_is_unset(&l->ip);
		if (endpoint_equal(l, to) || (on_all && address_is_loopback(&to->ip)))
			return true;
	}
	return false;
}

APART void reuse_begin(struct reusing *reusing, struct tracked *tracked, const struct endpoint *to,
		       const struct rule *rule)
{
	bool guarded = rule->reuse.guard != GUARD_OFF && !rule->leave_alone;
	struct reuse *reuse = guarded ? reuse_of(reusing, tracked) : tracked->reuse;

	tracked->watched = 0;
	if (!reuse)
		return;
	reuse->tried = true;
	if (!guarded)
		return;
	uint64_t now_ns = clock_ns();
	struct destination *destination = ledger_find(reusing->ledger, to, rule, now_ns);
	if (destination && !destination->parked) {
		destination->parked = arena_alloc(reusing->arena, sizeof(*destination->parked));
		if (destination->parked)
			*destination->parked = (struct parked_pool){ .conduct = conduct_unknown };
	}
	bool room = destination && destination->parked && !listens_itself(reusing, to);
	guard_start(&reuse->guard, room ? rule->reuse.guard : GUARD_OFF);
	/* What one connection has shown of the server holds for the others. */
	if (room && destination->parked->conduct.open_until_ns > now_ns)
		reuse->guard.memcached.open_to_all = reuse->guard.kind == GUARD_MEMCACHED;
	tracked->watched = reuse->guard.kind != GUARD_OFF ? WATCHED : 0;
	if (!tracked->watched)
		return;
	destination->parked->counts.misses++;
	reuse->limits = &rule->reuse;
	reuse->opened_ns = now_ns;
	reuse->uses = 1;
	reuse->depth = 0;
	reuse->idle_ns = 0;
	reuse->handed_out = reuse->connect_to_come = reuse->at_risk = false;
	reuse->received_since = reuse->answered = reuse->repeated = reuse->cut = false;
	reuse->request.size = reuse->request.sent = 0;
	reuse->asked_ns = 0;
}

APART bool reuse_connects(struct reusing *reusing, struct tracked *tracked, const struct endpoint *to,
			  const struct rule *rule)
{
	struct reuse *reuse = tracked->reuse;

	if (tracked->state == SOCKET_FRESH && !(tracked->flags & IN_CALL)) {
		if (!resting())
			reuse_begin(reusing, tracked, to, rule);
		return false;
	}
	if (!reuse || !reuse->connect_to_come)
		return false;
	reuse->connect_to_come = false;
	return true;
}

/* Two threads on one connection: which bytes came first cannot be known. */
static bool begin_feeding(struct reuse *reuse)
{
	if (!atomic_exchange_explicit(&reuse->feeding, true, memory_order_acquire))
		return true;
	reuse->shared = true;
	return false;
}

static void end_feeding(struct reuse *reuse)
{
	atomic_store_explicit(&reuse->feeding, false, memory_order_release);
}

static void feed(struct guard *guard, void (*show)(struct guard *, const void *, size_t),
		 const struct iovec *pieces, size_t size)
{
	for (; size; pieces++) {
		size_t part = pieces->iov_len < size ? pieces->iov_len : size;
		if (part)
			show(guard, pieces->iov_base, part);
		size -= part;
	}
}

/* The pool of a socket that is connected; NULL: it is not. The lock is held. */
static struct parked_pool *pool_of(const struct held *held)
{
	const struct tracked *tracked = held->tracked;

	return tracked->space && tracked->reuse ? tracked->space->destination->parked : NULL;
}

/* Has the server shown that it does not keep to what the guard believes of it? */
static bool speaks_against(const struct reuse *reuse)
{
	switch (guard_refusal(&reuse->guard)) {
	case GUARD_REASON_UNASKED:
		return true;
	case GUARD_REASON_BAD_REPLY:
	case GUARD_REASON_SERVER_FIRST:
	case GUARD_REASON_EARLY:
		return reuse->handed_out;
	default:
		return false;
	}
}

void reuse_risks(struct parked_pool *pool, struct reuse *reuse, uint64_t now_ns)
{
	if (!reuse->at_risk)
		conduct_risks(&pool->conduct, now_ns);
	reuse->at_risk = true;
}

void reuse_risked(struct parked_pool *pool, struct reuse *reuse)
{
	if (reuse->at_risk)
		conduct_risked(&pool->conduct);
	reuse->at_risk = false;
}

/* Once for each use: the first request was sent. */
APART static void note_asked(struct reusing *reusing, const struct held *held, bool repeatable,
			     uint64_t now_ns)
{
	if (!lock_enter_held(reusing->lock, held))
		return;
	struct reuse *reuse = held->tracked->reuse;
	struct parked_pool *pool = pool_of(held);
	if (pool && !reuse->asked_ns) {
		reuse->asked_ns = now_ns;
		conduct_asked(&pool->conduct, reuse->handed_out, now_ns);
		if (!reuse->handed_out && reuse_may_hold_a_worker(reuse))
			pool_asked(reusing, pool, now_ns);
		if (repeatable)
			reuse_risked(pool, reuse);
	}
	lock_leave(reusing->lock);
}

/* Once for each use, too, and once more when the answer is whole, or if what came speaks against the server.
 */
APART static void note_answer(struct reusing *reusing, const struct held *held, bool whole, uint64_t now_ns)
{
	if (!lock_enter_held(reusing->lock, held))
		return;
	struct reuse *reuse = held->tracked->reuse;
	struct parked_pool *pool = pool_of(held);
	if (pool && !reuse->answered && reuse->asked_ns) {
		conduct_answered(&pool->conduct, reuse->handed_out, reuse->asked_ns, now_ns);
		if (!reuse->handed_out)
			pool_answered(reusing, pool, now_ns);
		conduct_went_deep(&pool->conduct, reuse->depth);
	}
	/* Of several commands the first may be answered, and the rest be lost. */
	if (pool && whole)
		reuse_risked(pool, reuse);
	reuse->answered = true;
	reuse->parked_ns = now_ns; /* the last that is known of it */
	/* From here on an end is the program's to see, until it asks again. */
	held->tracked->watched &= (uint8_t)~FIRST_SEND;
	if (reuse->handed_out && guard_asks_anew(&reuse->guard))
		held->tracked->watched |= LATER_SEND;
	if (pool && speaks_against(reuse))
		pool_distrust(reusing, held->tracked->space->destination, EVIDENCE_REPLY, now_ns);
	lock_leave(reusing->lock);
}

static void keep_request(struct request *request, const struct iovec *pieces, size_t size)
{
	request->sent += size;
	if (!request->bytes || request->sent > REUSE_REQUEST_MAX)
		return;
	for (; size; pieces++) {
		size_t part = pieces->iov_len < size ? pieces->iov_len : size;
		if (part)
			memcpy(request->bytes + request->size, pieces->iov_base, part);
		request->size += part;
		size -= part;
	}
}

/* Once less. */
static bool be_prompt(struct reuse *reuse)
{
	return reuse->prompt && reuse->prompt--;
}

bool reuse_sent(struct reusing *reusing, const struct held *held, const struct iovec *pieces, size_t size)
{
	struct reuse *reuse = held->tracked->reuse;
	bool repeatable = false, in_pieces = false;

	if (!begin_feeding(reuse))
		return false;
	if (unlikely(reuse->handed_out && !reuse->received_since)) {
		in_pieces = reuse->request.sent && be_prompt(reuse);
		keep_request(&reuse->request, pieces, size);
	}
	feed(&reuse->guard, guard_sent, pieces, size);
	if (reuse->at_risk)
		repeatable = reuse->request.size == reuse->request.sent && guard_may_repeat(&reuse->guard);
	end_feeding(reuse);
	if (!reuse->asked_ns)
		note_asked(reusing, held, repeatable, clock_ns());
	return in_pieces;
}

void reuse_next(struct reusing *reusing, const struct held *held)
{
	struct tracked *tracked = held->tracked;
	struct reuse *reuse = tracked->reuse;

	if (!reuse || !begin_feeding(reuse))
		return;
	bool clean = !reuse->shared && guard_next(&reuse->guard);
	if (clean) {
		reuse->request.size = reuse->request.sent = 0;
		reuse->received_since = reuse->repeated = false;
	}
	end_feeding(reuse);
	if (!clean || !lock_enter_held(reusing->lock, held))
		return;
	reuse->answered = false;
	reuse->asked_ns = 0;
	/* The program would have asked on this one in any case. */
	reuse->idle_ns = UINT64_MAX;
	tracked->watched = WATCHED | FIRST_SEND;
	lock_leave(reusing->lock);
}

bool reuse_received(struct reusing *reusing, const struct held *held, const struct iovec *pieces, size_t size)
{
	struct reuse *reuse = held->tracked->reuse;

	if (!begin_feeding(reuse))
		return false;
	reuse->received_since = true;
	bool against = speaks_against(reuse), open = guard_verdict(&reuse->guard) == GUARD_OPEN;
	feed(&reuse->guard, guard_received, pieces, size);
	against = !against && speaks_against(reuse);
	bool whole = guard_verdict(&reuse->guard) != GUARD_OPEN;
	/* Whether an answer is whole the guard of `raw` never knows. */
	bool in_pieces = (!whole || reuse->guard.kind == GUARD_RAW) && be_prompt(reuse);
	end_feeding(reuse);
	if (!reuse->answered || against || (whole && reuse->at_risk))
		note_answer(reusing, held, whole, clock_ns());
	reuse->depth += open && whole;
	return in_pieces;
}

void reuse_unseen(const struct held *held)
{
	struct reuse *reuse = held->tracked->reuse;

	reuse->received_since = true;
	if (!begin_feeding(reuse))
		return;
	guard_refuse(&reuse->guard, GUARD_REASON_UNSEEN);
	end_feeding(reuse);
}

/* Did the end come in an answer, on a connection that was handed out? Another would have had the answer
 * whole. */
static bool was_cut(struct reuse *reuse)
{
	if (!reuse->handed_out || !reuse->received_since || reuse->cut || !begin_feeding(reuse))
		return false;
	reuse->cut = reuse->guard.asked && guard_verdict(&reuse->guard) == GUARD_OPEN;
	end_feeding(reuse);
	return reuse->cut;
}

/* A request that another connection would have answered was lost. The lock is held. */
static void note_loss(struct reusing *reusing, struct tracked *tracked, uint64_t now_ns)
{
	struct destination *destination = tracked->space->destination;
	struct parked_pool *pool = destination->parked;

	pool->counts.first_use_failures++;
	SPACE_REUSE_ADD(tracked->space, reuse_first_use_failures, 1);
	conduct_ended_deep(&pool->conduct, tracked->reuse->depth, now_ns);
	pool_distrust(reusing, destination, conduct_lost(&pool->conduct, false), now_ns);
}

void reuse_ended(struct reusing *reusing, const struct held *held, uint64_t now_ns)
{
	if (!lock_enter_held(reusing->lock, held))
		return;
	struct reuse *reuse = held->tracked->reuse;
	struct parked_pool *pool = pool_of(held);
	if (pool && !reuse->received_since) {
		reuse->received_since = true; /* count it once */
		reuse_risked(pool, reuse);
		if (reuse->handed_out) {
			note_loss(reusing, held->tracked, now_ns);
		} else if (reuse->asked_ns && !reuse->answered) {
			conduct_gave_up(&pool->conduct);
		}
		reuse->answered = true;
	} else if (pool && was_cut(reuse)) {
		note_loss(reusing, held->tracked, now_ns);
	}
	lock_leave(reusing->lock);
}

void reuse_closes(struct reusing *reusing, struct tracked *tracked, uint64_t now_ns)
{
	struct reuse *reuse = tracked->reuse;
	struct parked_pool *pool = tracked->space && reuse ? tracked->space->destination->parked : NULL;

	if (pool)
		reuse_risked(pool, reuse);
	if (!pool || !reuse->asked_ns || reuse->answered)
		return;
	reuse->answered = true;
	if (reuse->handed_out && conduct_is_silent(&pool->conduct, reuse->asked_ns, now_ns))
		pool_distrust(reusing, tracked->space->destination, EVIDENCE_SILENCE, now_ns);
	else if (!reuse->handed_out)
		conduct_gave_up(&pool->conduct);
}

void reuse_note_watch(struct reuse *reuse, int epoll, int operation, uint32_t events, uint64_t data)
{
	unsigned i = 0;

	while (i < reuse->watches && reuse->watch[i].epoll != epoll)
		i++;
	if (operation == EPOLL_CTL_DEL) {
		if (i < reuse->watches)
			reuse->watch[i] = reuse->watch[--reuse->watches];
		return;
	}
	if (i == REUSE_EPOLLS_MAX) {
		reuse->watches_unknown = true;
		return;
	}
	reuse->watch[i] = (struct watch){ .epoll = epoll, .events = events, .data = data };
	if (i == reuse->watches)
		reuse->watches++;
}

const char *reuse_refusal_name(enum reuse_refusal refusal)
{
	static const char *const names[REUSE_REFUSALS] = {
		[REFUSED_GUARD] = "guard",   [REFUSED_OPEN] = "open",   [REFUSED_SHARED] = "shared",
		[REFUSED_OPTION] = "option", [REFUSED_STATE] = "state", [REFUSED_UNREAD] = "unread",
		[REFUSED_UNSEEN] = "unseen", [REFUSED_ROOM] = "room",   [REFUSED_USED_UP] = "used_up",
		[REFUSED_PAUSED] = "paused", [REFUSED_FDS] = "fds",     [REFUSED_OFF] = "off",
	};
	return names[refusal];
}

const char *reuse_retirement_name(enum reuse_retirement retirement)
{
	static const char *const names[REUSE_RETIREMENTS] = {
		[RETIRED_IDLE] = "idle",   [RETIRED_AGE] = "age",   [RETIRED_FIN] = "fin",
		[RETIRED_RESET] = "reset", [RETIRED_DATA] = "data", [RETIRED_ROOM] = "room",
		[RETIRED_EXIT] = "exit",   [RETIRED_LOST] = "lost",
	};
	return names[retirement];
}
