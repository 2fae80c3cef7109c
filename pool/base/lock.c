// SPDX-License-Identifier: Apache-2.0
/* lock - the one lock around the shim's state. */
#include "pool/base/lock.h"

#include "pool/base/clock.h"
#include "pool/base/kernel.h"

#include <linux/futex.h>
#include <sys/syscall.h>

enum { LOCK_PATIENCE_MS = 1000, LOCK_LOOK_MS = 50 };

__thread volatile bool lock_inside __attribute__((tls_model("initial-exec")));

/* Drepper, "Futexes Are Tricky", mutex2, but with an end to waiting: when nobody has had the lock for
 * LOCK_PATIENCE_MS, whoever holds it is not coming back. (That it is not fair does not end the wait: each
 * turn of another begins it anew.) A wait that seems to take longer than it was to take is a process that was
 * stopped, or a machine that was paused or busy: who holds the lock was not running either, so no more than
 * LOCK_LOOK_MS of it is counted. pthread_mutex_clocklock() is several calls deep, at a place where a
 * connect() is measured in tens of instructions. */
COLD static bool wait_for_lock(struct lock *lock)
{
	static const struct timespec look = { .tv_nsec = LOCK_LOOK_MS * 1000000 };
	const uint64_t look_ns = LOCK_LOOK_MS * 1000000ull;
	unsigned turns = atomic_load_explicit(&lock->turns, memory_order_relaxed);
	uint64_t spent_ns = 0, last_ns = clock_ns();

	while (atomic_exchange(&lock->word, 2)) {
		uint64_t now_ns = clock_ns(), waited_ns = clock_since(last_ns, now_ns);
		unsigned turns_now = atomic_load_explicit(&lock->turns, memory_order_relaxed);
		spent_ns += waited_ns < look_ns ? waited_ns : look_ns;
		last_ns = now_ns;
		if (turns_now != turns) {
			turns = turns_now;
			spent_ns = 0;
		}
		if (spent_ns >= LOCK_PATIENCE_MS * 1000000ull)
			return false;
		kernel_syscall(SYS_futex, (long)&lock->word, FUTEX_WAIT_PRIVATE, 2, (long)&look, 0, 0);
	}
	return true;
}

COLD bool lock_enter_slowly(struct lock *lock)
{
	if (wait_for_lock(lock))
		return true;
	lock_inside = false;
	if (!atomic_exchange(&lock->passive, true) && lock->on_passive)
		lock->on_passive(lock);
	return false;
}

COLD void lock_wake(struct lock *lock)
{
	kernel_syscall(SYS_futex, (long)&lock->word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}
