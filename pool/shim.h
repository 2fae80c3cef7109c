// SPDX-License-Identifier: Apache-2.0
/* shim - all state of the library in one process, and the lock around it.
 *
 * Theory of operation
 *
 * There is one struct shim in a process. Everything in it is guarded by its lock, but for the settings,
 * which nothing changes after start. The lock is never held across a system call that can block: a decision
 * is made under it, applied without it, and its outcome is entered under it again.
 *
 * The shim lives in programs it does not know. Three things must never happen there, so the lock is made
 * for them:
 *  - A signal handler runs a hook while its thread is inside one. shim_enter() then says no (a mark in
 *    thread-local storage), and the hook passes through to the real call.
 *  - A handler leaves by siglongjmp(), or a thread is stopped for good, while the lock is held. Others wait
 *    for a bounded time, then the shim goes passive: from then on every hook passes through.
 *  - A process is forked while another thread holds the lock. Nobody waits for that thread, as a fork of much
 *    memory takes long, and there are ways of forking that cannot be prepared for. The child starts with a
 *    free lock and an empty ledger of its own (shim_restart()): its parent counts the connections it has
 *    inherited. */
#ifndef HEADROOM_POOL_SHIM_H
#define HEADROOM_POOL_SHIM_H

#include "pool/base/arena.h"
#include "pool/base/hot.h"
#include "pool/connect/knee.h"
#include "pool/ledger/heritage.h"
#include "pool/ledger/board.h"
#include "pool/ledger/entries.h"
#include "pool/ledger/ledger.h"
#include "pool/ledger/siblings.h"
#include "pool/log/log.h"
#include "pool/ports/range.h"
#include "pool/reuse/conduct.h"
#include "pool/routes/interfaces.h"
#include "pool/rules/settings.h"
#include "pool/socket/tracked.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { ASIDE_MAX = 64, AUTO_LISTS_MAX = 16, LISTENERS_MAX = 64 };

enum { EVENTS_WAITING = 16 };

/* One that is worth a line: events.h. */
struct event {
	struct usage_event what;
	bool to_log;
	uint64_t suppressed; /* lines of any kind left out by the rate limit before this one */
};

/* Those that wait to be written, the first that was noted first. */
struct event_queue {
	unsigned first, count;
	struct event waiting[EVENTS_WAITING];
	struct event unlogged; /* a place for one that is not logged */
};

/* A source that cannot be bound, and when it may be tried again. */
struct aside {
	struct address source;
	uint64_t until_ns;
};

/* Reuse pauses for a destination: what there is to tell of it. */
struct distrust {
	enum evidence evidence; /* EVIDENCE_NONE: nothing */
	unsigned seconds;
	struct endpoint to;
};

/* What every connect() touches stands first, side by side. */
struct shim {
	atomic_uint lock;    /* futex(2): 0 free, 1 taken, 2 taken and waited for */
	atomic_bool passive; /* the lock was not to be had: leave everything to the program */
	atomic_uint turns;   /* how often the lock was taken: a sign of life for who waits */

	/* What a forked child starts anew with. */
	unsigned generation;        /* counts the forks: pointers from before one are void after it */
	atomic_uint deferred_count; /* sockets to be given a port before others can see them */
	unsigned aside_count, auto_count;
	uint64_t random;
	struct port_range range; /* all zero: not known */
	struct knee knee;
	uint64_t range_until_ns; /* read it again after */
	uint64_t links_until_ns;
	struct links links;    /* of this machine's interfaces, where sources are named */
	struct tracked *spare; /* unused records */
	struct ledger ledger;
	struct usage_writer writer;
	struct siblings siblings;
	struct board board;
	struct arena arena;
	uint64_t deferrals;
	struct reuse *parked_newest; /* all parked connections of the process */
	struct reuse *blank;         /* among them a socket that nobody has connected, or NULL */
	uint32_t parked_count, parked_most, leaving_count;
	int parked_from;         /* their fd numbers start here */
	bool no_parking;         /* from now on, whatever the rules say */
	uint64_t parked_look_ns; /* when the first of them is idle for too long */
	struct distrust distrust;
	atomic_uint forks; /* processes that may hold our fds were made */
	uint64_t started_ns;
	struct event_queue events;
	struct aside aside[ASIDE_MAX];
	struct source_list auto_lists[AUTO_LISTS_MAX]; /* what `auto` found, each distinct list once */

	/* What it keeps. */
	struct endpoint listeners[LISTENERS_MAX]; /* the last ones of the program, if any rule reuses */
	unsigned listener_count;                  /* of all there were */
	struct settings settings;
	struct log log;
	char process[PROCESS_NAME_MAX];
	struct heritage heritage;
	struct arena settings_arena;
};

/* Set while this thread decides something under the lock. In the static TLS block, which a library loaded
 * at start may use: no allocation at first access. */
extern __thread volatile bool shim_inside __attribute__((tls_model("initial-exec"), visibility("hidden")));

/**
 * shim_start() - make an empty shim with default settings
 * @process:	name of the program, for rules and log lines
 */
void shim_start(struct shim *shim, const char *process);

/**
 * shim_restart() - in a forked child: forget the parent's connections, keep the settings
 */
void shim_restart(struct shim *shim);

/**
 * shim_enter_slowly() / shim_wake() - the rest of shim_enter() and shim_leave() where threads meet
 */
bool shim_enter_slowly(struct shim *shim);
void shim_wake(struct shim *shim);

/**
 * shim_enter() - take the lock
 * Return: false when the caller must pass through: the shim is passive, or this thread is inside already
 */
static inline bool shim_enter(struct shim *shim)
{
	unsigned expected = 0;

	if (unlikely(shim_inside || atomic_load_explicit(&shim->passive, memory_order_relaxed)))
		return false;
	shim_inside = true;
	if (unlikely(!atomic_compare_exchange_strong_explicit(&shim->lock, &expected, 1, memory_order_acquire,
							      memory_order_relaxed)) &&
	    !shim_enter_slowly(shim))
		return false;
	unsigned turns = atomic_load_explicit(&shim->turns, memory_order_relaxed);
	atomic_store_explicit(&shim->turns, turns + 1, memory_order_relaxed);
	return true;
}

/**
 * shim_try_enter() - take the lock if it is free
 */
static inline bool shim_try_enter(struct shim *shim)
{
	unsigned expected = 0;

	if (shim_inside || atomic_load_explicit(&shim->passive, memory_order_relaxed) ||
	    !atomic_compare_exchange_strong(&shim->lock, &expected, 1))
		return false;
	shim_inside = true;
	return true;
}

/**
 * shim_leave() - let the lock go
 */
static inline void shim_leave(struct shim *shim)
{
	if (unlikely(atomic_exchange_explicit(&shim->lock, 0, memory_order_release) == 2))
		shim_wake(shim);
	shim_inside = false;
}

/**
 * shim_enter_held() - take the lock, to use what was held without it
 * Return: false also when the process was forked since: then the record is gone
 */
static inline bool shim_enter_held(struct shim *shim, const struct held *held)
{
	if (unlikely(!shim_enter(shim)))
		return false;
	if (likely(shim->generation == held->generation))
		return true;
	shim_leave(shim);
	return false;
}

/**
 * shim_thread() - a name for the calling thread, without a system call
 */
static inline const void *shim_thread(void)
{
	return (const void *)&shim_inside;
}

/**
 * shim_refresh_range() - the port range, read again when it has grown old; call without the lock
 */
void shim_refresh_range(struct shim *shim, uint64_t now_ns);

/**
 * shim_random() - a pseudo-random number; for spreading only
 */
uint32_t shim_random(struct shim *shim);

/**
 * tracked_new() - a record for a socket, with one reference
 * Return: NULL when memory is short
 */
struct tracked *tracked_new(struct shim *shim, int family);

/**
 * tracked_forget() - the rest of tracked_put() for a record that others know of
 */
void tracked_forget(struct shim *shim, struct tracked *tracked);

/**
 * tracked_put() - drop a reference; the last one frees the record
 */
static inline void tracked_put(struct shim *shim, struct tracked *tracked)
{
	if (--tracked->references)
		return;
	if (unlikely(tracked->flags & DEFERRED || tracked->reuse))
		tracked_forget(shim, tracked);
	tracked->next_spare = shim->spare;
	shim->spare = tracked;
}

#endif
