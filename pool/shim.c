// SPDX-License-Identifier: Apache-2.0
/* shim - the state of the library in one process: the states of all wings, put together under one lock. */
#include "pool/shim.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/own_stack.h"
#include "pool/connect/ending.h"
#include "pool/ledger/own_segment.h"
#include "pool/reuse/parked.h"
#include "pool/reuse/second.h"
#include "pool/routes/network.h"
#include "pool/spread/trust.h"

#include <stddef.h>
#include <string.h>

COLD static void tell_passive(struct lock *lock)
{
	const struct shim *shim = (const struct shim *)((const char *)lock - offsetof(struct shim, lock));

	log_message(&shim->log, LOG_LEVEL_WARN, "passive",
		    "a thread was stopped for good inside the shim: the program goes on without it");
}

static void forget_reuse(void *self, struct tracked *tracked)
{
	struct shim *shim = self;

	second_forget(&shim->reusing, tracked->reuse);
	reuse_forget(&shim->reusing, tracked);
}

/* Closed where no hook sees it: how it ended nobody can tell. */
COLD static void lost(void *self, struct tracked *tracked)
{
	struct shim *shim = self;

	if (tracked->state == SOCKET_PARKED) {
		parked_lost(&shim->reusing, tracked->reuse, clock_ns());
		return;
	}
	if (!tracked->fds)
		ending_unseen(tracked, clock_ns());
	tracked_put(&shim->sockets, tracked);
}

static void start_ledger(struct shim *shim)
{
	shim->ledger = (struct ledger){ .lock = &shim->lock,
					.arena = &shim->arena,
					.writer = &shim->writer,
					.siblings = &shim->siblings,
					.board = &shim->board,
					.heritage = &shim->heritage,
					.tenants = { trust_tenant, pool_tenant },
					.settings = &shim->settings,
					.log = &shim->log,
					.process = shim->process,
					.started_ns = clock_ns() };
	shim->ledger.tenants[1].self = &shim->reusing;
	shim->siblings =
		(struct siblings){ .lock = &shim->lock, .arena = &shim->arena, .writer = &shim->writer };
	shim->board = (struct board){ .lock = &shim->lock, .arena = &shim->arena, .writer = &shim->writer };
}

static void start_sockets(struct shim *shim)
{
	struct sockets *sockets = &shim->sockets;

	sockets->lock = &shim->lock;
	sockets->arena = &shim->arena;
	sockets->log = &shim->log;
	sockets->spare = NULL;
	sockets->deferred_count = 0;
	sockets->deferrals = 0;
	atomic_store(sockets->forks, 0);
	sockets->tenant = (struct tracked_tenant){ .forget_reuse = forget_reuse, .lost = lost, .self = shim };
}

static void start_connecting(struct shim *shim)
{
	struct spreading *spreading = &shim->spreading;

	spreading->lock = &shim->lock;
	spreading->ledger = &shim->ledger;
	spreading->sockets = &shim->sockets;
	spreading->board = &shim->board;
	spreading->journal.lock = &shim->lock;
	spreading->journal.ledger = &shim->ledger;
	spreading->journal.settings = &shim->settings;
	spreading->journal.log = &shim->log;
	spreading->journal.waiting = shim->events;
	spreading->aside = shim->aside;
	spreading->auto_lists = shim->auto_lists;
	spreading_start(spreading);
}

static void start_reusing(struct shim *shim)
{
	struct reusing *reusing = &shim->reusing;

	reusing->lock = &shim->lock;
	reusing->arena = &shim->arena;
	reusing->ledger = &shim->ledger;
	reusing->sockets = &shim->sockets;
	reusing->listeners = shim->listeners;
	pool_start(reusing);
}

/* From the ground up: each may use those before it. */
ONCE static void start_states(struct shim *shim)
{
	network_restart();
	start_ledger(shim);
	start_sockets(shim);
	start_connecting(shim);
	start_reusing(shim);
}

void shim_start(struct shim *shim, const char *process)
{
	shim->lock.on_passive = tell_passive;
	settings_default(&shim->settings);
	arena_lend(&shim->arena, shim->arena_room, sizeof(shim->arena_room));
	strncpy(shim->process, process, sizeof(shim->process) - 1);
	knee_start(&shim->spreading.knee);
	shim_count_forks(shim, &shim->forks);
	start_states(shim);
}

void shim_count_forks(struct shim *shim, struct fork_counts *counts)
{
	shim->heritage.forks = &counts->all;
	shim->sockets.forks = &counts->while_used;
}

ONCE void shim_restart(struct shim *shim)
{
	shim->lock.generation++;
	usage_restart(&shim->writer, lock_inside);
	if (lock_inside) {
		/* A signal handler forked, and will return into the hook it interrupted: leave it its memory.
		 */
		atomic_store(&shim->lock.passive, true);
		return;
	}
	atomic_store(&shim->lock.word, 0);
	own_stack_in_child();
	arena_release(&shim->arena);
	start_states(shim);
	heritage_take(&shim->ledger);
}
