// SPDX-License-Identifier: Apache-2.0
/* shim - the state of the library in one process: the states of all wings, put together under one lock.
 *
 * There is one struct shim in a process. Each wing knows its own state, and has a pointer to those below that
 * it uses; this is the only place that knows all of them. The lock guards everything but for the settings,
 * which nothing changes after the start: pool/base/lock.h. A forked child starts with a free lock and an
 * empty ledger of its own (shim_restart()): its parent counts the connections it has inherited. */
#ifndef HEADROOM_POOL_SHIM_H
#define HEADROOM_POOL_SHIM_H

#include "pool/base/arena.h"
#include "pool/base/lock.h"
#include "pool/ledger/board.h"
#include "pool/ledger/heritage.h"
#include "pool/ledger/ledger.h"
#include "pool/ledger/siblings.h"
#include "pool/log/log.h"
#include "pool/reuse/pool.h"
#include "pool/rules/settings.h"
#include "pool/segment/writer.h"
#include "pool/socket/tracked.h"
#include "pool/spread/spreading.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { SHIM_LOW_FDS = 64, SHIM_READABLE_PAGES = 32, SHIM_ROOM = 4096 };

/* Of this process. */
struct fork_counts {
	atomic_uint all, while_used;
};

enum { SHIM_PAGE = 4096 };

/* What the start of a process writes is in one page, and in the next what every connect() touches and a
 * forked child writes: a fault, and the copy of each costs it 2 us. What is large and seldom written stands
 * behind. */
struct shim {
	/* What a forked child keeps. */
	struct fork_counts forks;
	struct settings settings;
	struct log log;
	char process[PROCESS_NAME_MAX];
	struct arena settings_arena;

	__attribute__((aligned(SHIM_PAGE))) struct lock lock;
	struct sockets sockets;
	struct spreading spreading;
	struct ledger ledger;
	struct usage_writer writer;
	struct siblings siblings;
	struct board board;
	struct arena arena;
	struct reusing reusing;
	struct heritage heritage;
	_Atomic(struct tracked *) low_fds[SHIM_LOW_FDS];      /* see preload/base/fdtable.h */
	atomic_uintptr_t readable_pages[SHIM_READABLE_PAGES]; /* see preload/base/readable.h */

	/* What its first connection takes, for which no mapping is made; as a rule of the same page. */
	char arena_room[SHIM_ROOM] __attribute__((aligned(16)));

	/* Room for what those above point to. */
	struct aside aside[ASIDE_MAX];
	struct source_list auto_lists[AUTO_LISTS_MAX];
	struct event events[EVENTS_PLACES];
	struct endpoint listeners[LISTENERS_MAX];
};
enum { SHIM_ONE_CONNECTION = 1296 }; /* of the room, with chunk and hash table: see tests/unit/test_shim.c */
_Static_assert(offsetof(struct shim, lock) == SHIM_PAGE, "one page");
_Static_assert(offsetof(struct shim, arena_room) + SHIM_ONE_CONNECTION <= 2 * SHIM_PAGE, "one page");

/**
 * shim_start() - make an empty shim with default settings
 * @shim:	all zero: the process has not come to its pages so far
 * @process:	name of the program, for rules and log lines
 */
void shim_start(struct shim *shim, const char *process);

/**
 * shim_count_forks() - count them there from here on
 * @counts:	0 in a forked child: where the kernel empties it for the child, the parent has no page to
 *		copy, which writes at each fork
 */
void shim_count_forks(struct shim *shim, struct fork_counts *counts);

/**
 * shim_restart() - in a forked child: forget the parent's connections, keep the settings
 */
void shim_restart(struct shim *shim);

/**
 * shim_enter(), shim_try_enter(), shim_leave(), shim_enter_held() - as those of lock.h
 */
static inline bool shim_enter(struct shim *shim)
{
	return lock_enter(&shim->lock);
}

static inline bool shim_try_enter(struct shim *shim)
{
	return lock_try_enter(&shim->lock);
}

static inline void shim_leave(struct shim *shim)
{
	lock_leave(&shim->lock);
}

static inline bool shim_enter_held(struct shim *shim, const struct held *held)
{
	return lock_enter_held(&shim->lock, held);
}

#endif
