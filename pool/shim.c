// SPDX-License-Identifier: Apache-2.0
/* shim - all state of the library in one process, and the lock around it. */
#include "pool/shim.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/reuse/reuse.h"
#include "pool/routes/network.h"

#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

enum { LOCK_PATIENCE_MS = 1000, LOCK_LOOK_MS = 50, RANGE_LIFE_S = 30 };

__thread volatile bool shim_inside;

static void start_state(struct shim *shim)
{
	shim->ledger = (struct ledger){ .arena = &shim->arena,
					.writer = &shim->writer,
					.siblings = &shim->siblings };
	shim->range = (struct port_range){ 0 };
	shim->range_until_ns = shim->links_until_ns = 0;
	shim->links = (struct links){ 0 };
	network_restart();
	shim->siblings = (struct siblings){ 0 };
	shim->board = (struct board){ 0 };
	shim->aside_count = shim->auto_count = 0;
	shim->events.count = 0;
	shim->deferred_count = 0;
	shim->deferrals = 0;
	atomic_store(&shim->forks, 0);
	shim->spare = NULL;
	shim->parked_newest = NULL;
	shim->blank = NULL;
	shim->parked_count = shim->parked_most = shim->leaving_count = 0;
	shim->parked_look_ns = 0;
	shim->distrust.evidence = EVIDENCE_NONE;
	shim->no_parking = false;
	shim->started_ns = clock_ns();
	/* Processes started together must differ: the clock's low digits and the pid do. */
	shim->random = shim->started_ns * 0x9e3779b97f4a7c15u ^ (uint64_t)kernel.getpid() << 32;
}

void shim_start(struct shim *shim, const char *process)
{
	memset(shim, 0, sizeof(*shim));
	settings_default(&shim->settings);
	snprintf(shim->process, sizeof(shim->process), "%s", process);
	knee_start(&shim->knee);
	start_state(shim);
}

void shim_restart(struct shim *shim)
{
	shim->generation++;
	usage_restart(&shim->writer, shim_inside);
	if (shim_inside) {
		/* A signal handler forked, and will return into the hook it interrupted: leave it its memory.
		 */
		atomic_store(&shim->passive, true);
		return;
	}
	atomic_store(&shim->lock, 0);
	own_stack_in_child();
	arena_release(&shim->arena);
	start_state(shim);
	heritage_take(shim);
}

/* Drepper, "Futexes Are Tricky", mutex2, but with an end to waiting: when nobody has had the lock for
 * LOCK_PATIENCE_MS, whoever holds it is not coming back. (That it is not fair does not end the wait: each
 * turn of another begins it anew.) A wait that seems to take longer than it was to take is a process that was
 * stopped, or a machine that was paused or busy: who holds the lock was not running either, so no more than
 * LOCK_LOOK_MS of it is counted. pthread_mutex_clocklock() is several calls deep, at a place where a
 * connect() is measured in tens of instructions. */
COLD static bool wait_for_lock(struct shim *shim)
{
	static const struct timespec look = { .tv_nsec = LOCK_LOOK_MS * 1000000 };
	const uint64_t look_ns = LOCK_LOOK_MS * 1000000ull;
	unsigned turns = atomic_load_explicit(&shim->turns, memory_order_relaxed);
	uint64_t spent_ns = 0, last_ns = clock_ns();

	while (atomic_exchange(&shim->lock, 2)) {
		uint64_t now_ns = clock_ns(), waited_ns = clock_since(last_ns, now_ns);
		unsigned turns_now = atomic_load_explicit(&shim->turns, memory_order_relaxed);
		spent_ns += waited_ns < look_ns ? waited_ns : look_ns;
		last_ns = now_ns;
		if (turns_now != turns) {
			turns = turns_now;
			spent_ns = 0;
		}
		if (spent_ns >= LOCK_PATIENCE_MS * 1000000ull)
			return false;
		kernel_syscall(SYS_futex, (long)&shim->lock, FUTEX_WAIT_PRIVATE, 2, (long)&look, 0, 0);
	}
	return true;
}

COLD bool shim_enter_slowly(struct shim *shim)
{
	if (wait_for_lock(shim))
		return true;
	shim_inside = false;
	if (!atomic_exchange(&shim->passive, true))
		log_message(&shim->log, LOG_LEVEL_WARN, "passive",
			    "a thread was stopped for good inside the shim: the program goes on without it");
	return false;
}

COLD void shim_wake(struct shim *shim)
{
	kernel_syscall(SYS_futex, (long)&shim->lock, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

struct range_refresh {
	struct shim *shim;
	uint64_t now_ns;
};

static void refresh_range(void *argument)
{
	const struct range_refresh *refresh = argument;
	struct shim *shim = refresh->shim;
	struct port_range range = { 0 };

	/* /proc/sys/net is that of the thread's namespace. */
	if (network_thread_is_home())
		port_range_read(&range);
	if (!shim_enter(shim))
		return;
	/* A /proc that is gone (chroot) takes nothing away from what was known. */
	if (range.high && memcmp(&range, &shim->range, sizeof(range))) {
		shim->range = range;
		ledger_capacity_changed(&shim->ledger, &range);
		usage_note_range(&shim->writer, &range);
	}
	shim->range_until_ns = refresh->now_ns + RANGE_LIFE_S * 1000000000ull;
	shim_leave(shim);
}

COLD void shim_refresh_range(struct shim *shim, uint64_t now_ns)
{
	struct range_refresh refresh = { .shim = shim, .now_ns = now_ns };
	own_stack_run(refresh_range, &refresh);
}

/* xorshift64*, Vigna 2016. */
HOT uint32_t shim_random(struct shim *shim)
{
	uint64_t x = shim->random ? shim->random : 1;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	shim->random = x;
	return (uint32_t)(x * 0x2545f4914f6cdd1du >> 32);
}

HOT struct tracked *tracked_new(struct shim *shim, int family)
{
	struct tracked *tracked = shim->spare;

	if (likely(tracked))
		shim->spare = tracked->next_spare;
	else
		tracked = arena_alloc(&shim->arena, sizeof(*tracked));
	if (likely(tracked))
		*tracked = (struct tracked){ .references = 1, .family = (uint8_t)family };
	return tracked;
}

COLD void tracked_forget(struct shim *shim, struct tracked *tracked)
{
	if (tracked->flags & DEFERRED)
		shim->deferred_count--;
	if (tracked->reuse)
		reuse_forget(shim, tracked);
}
