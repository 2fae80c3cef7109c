// SPDX-License-Identifier: Apache-2.0
/* reuse - what is known of a connection that may be parked, and of the parked ones of a destination. */
#include "reuse.h"

#include "clock.h"
#include "hot.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>

/* After this many failures at first use, one after the other, reuse pauses for a destination. */
enum { FAILURES_UNTIL_PAUSE = 3, PAUSE_S = 30 };

APART struct reuse *reuse_of(struct shim *shim, struct tracked *tracked)
{
	if (tracked->reuse)
		return tracked->reuse;
	struct reuse *reuse = arena_alloc(&shim->arena, sizeof(*reuse));
	if (!reuse)
		return NULL;
	memset(reuse, 0, sizeof(*reuse));
	reuse->tracked = tracked;
	reuse->fd = -1;
	reuse->forks = shim->forks;
	tracked->reuse = reuse;
	return reuse;
}

APART void reuse_forget(struct shim *shim, struct tracked *tracked)
{
	arena_free(&shim->arena, tracked->reuse, sizeof(*tracked->reuse));
	tracked->reuse = NULL;
}

COLD void reuse_note_listener(struct shim *shim, const struct endpoint *local)
{
	shim->listeners[shim->listener_count++ % LISTENERS_MAX] = *local;
}

static bool listens_itself(const struct shim *shim, const struct endpoint *to)
{
	for (unsigned i = 0; i < shim->listener_count && i < LISTENERS_MAX; i++) {
		const struct endpoint *l = &shim->listeners[i];
		bool on_all = l->port == to->port && address_is_unset(&l->ip);
		if (endpoint_equal(l, to) || (on_all && address_is_loopback(&to->ip)))
			return true;
	}
	return false;
}

APART void reuse_begin(struct shim *shim, struct tracked *tracked, const struct endpoint *to,
		       const struct rule *rule)
{
	bool guarded = rule->reuse.guard != GUARD_OFF && !rule->leave_alone;
	struct reuse *reuse = guarded ? reuse_of(shim, tracked) : tracked->reuse;

	tracked->watched = 0;
	if (!reuse)
		return;
	reuse->tried = true;
	if (!guarded)
		return;
	uint64_t now_ns = clock_ns();
	struct destination *destination = ledger_find(&shim->ledger, to, rule, now_ns);
	if (destination && !destination->parked) {
		destination->parked = arena_alloc(&shim->arena, sizeof(*destination->parked));
		if (destination->parked)
			memset(destination->parked, 0, sizeof(*destination->parked));
	}
	bool room = destination && destination->parked && !listens_itself(shim, to);
	guard_start(&reuse->guard, room ? rule->reuse.guard : GUARD_OFF);
	tracked->watched = reuse->guard.kind != GUARD_OFF ? WATCHED : 0;
	if (!tracked->watched)
		return;
	destination->parked->counts.misses++;
	reuse->limits = &rule->reuse;
	reuse->opened_ns = now_ns;
	reuse->uses = 1;
	reuse->handed_out = reuse->connect_to_come = false;
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

void reuse_sent(const struct held *held, const struct iovec *pieces, size_t size)
{
	struct reuse *reuse = held->tracked->reuse;

	if (!begin_feeding(reuse))
		return;
	feed(&reuse->guard, guard_sent, pieces, size);
	end_feeding(reuse);
}

void reuse_received(const struct held *held, const struct iovec *pieces, size_t size)
{
	struct reuse *reuse = held->tracked->reuse;

	if (!begin_feeding(reuse))
		return;
	reuse->received_since = true;
	feed(&reuse->guard, guard_received, pieces, size);
	end_feeding(reuse);
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

/* Return: true if it was one too many. The lock is held. */
static bool first_use_failed(struct parked_pool *pool, uint64_t now_ns)
{
	pool->counts.first_use_failures++;
	if (++pool->failures < FAILURES_UNTIL_PAUSE)
		return false;
	pool->failures = 0;
	pool->paused_until_ns = now_ns + PAUSE_S * 1000000000ull;
	return true;
}

void reuse_ended(struct shim *shim, const struct held *held, uint64_t now_ns)
{
	char place[ENDPOINT_TEXT_MAX], text[ENDPOINT_TEXT_MAX + 128];
	bool paused = false;

	if (!shim_enter_held(shim, held))
		return;
	struct reuse *reuse = held->tracked->reuse;
	struct tuple_space *space = held->tracked->space;
	if (reuse && space && space->destination->parked && reuse->handed_out && !reuse->received_since) {
		reuse->received_since = true; /* count it once */
		paused = first_use_failed(space->destination->parked, now_ns);
		SPACE_REUSE_ADD(space, reuse_first_use_failures, 1);
		endpoint_format(&space->destination->to, place);
	}
	shim_leave(shim);
	if (!paused)
		return;
	snprintf(text, sizeof(text),
		 "%s closed %d connections in a row when they were reused: no reuse for %d s", place,
		 FAILURES_UNTIL_PAUSE, PAUSE_S);
	log_message(&shim->log, LOG_LEVEL_WARN, "reuse_paused", text);
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
