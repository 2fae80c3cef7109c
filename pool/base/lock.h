// SPDX-License-Identifier: Apache-2.0
/* lock - the one lock around the shim's state.
 *
 * Theory of operation
 *
 * It is never held across a system call that can block: a decision is made under it, applied without it, and
 * its outcome is entered under it again.
 *
 * The shim lives in programs it does not know. Three things must never happen there, so the lock is made
 * for them:
 *  - A signal handler runs a hook while its thread is inside one. lock_enter() then says no (a mark in
 *    thread-local storage), and the hook passes through to the real call.
 *  - A handler leaves by siglongjmp(), or a thread is stopped for good, while the lock is held. Others wait
 *    for a bounded time, then the shim goes passive: from then on every hook passes through.
 *  - A process is forked while another thread holds the lock. Nobody waits for that thread, as a fork of much
 *    memory takes long, and there are ways of forking that cannot be prepared for. The child starts with a
 *    free lock, another generation, and states of its own.
 *
 * Memory order, which x86-64 gives for nothing and aarch64 does not: the word is taken with acquire and let
 * go with release, so what was written under the lock is seen under it. `passive` and `turns` stand alone,
 * and no other memory is read because of them: relaxed. `generation` changes in a child that has one thread.
 *
 * connect() is a cancellation point: call_cancellable() (connect/attempt.c) gives the record back if the
 * thread ends in it. With one thread it is left out (__libc_single_threaded).
 *
 * A record (socket/tracked.h) has references: one for each fd number and each hook at work. A hook that
 * lets the lock go keeps a struct held: record and generation. lock_enter_held() refuses if the generation
 * changed, for then a signal handler has forked, this is the child, and the record is gone. How long
 * others wait for a lock whose owner is gone: until nobody had it for a second, not counting what the
 * process was stopped for. */
#ifndef HEADROOM_POOL_BASE_LOCK_H
#define HEADROOM_POOL_BASE_LOCK_H

#include "pool/base/hot.h"

#include <stdatomic.h>
#include <stdbool.h>

struct lock {
	atomic_uint word;    /* futex(2): 0 free, 1 taken, 2 taken and waited for */
	atomic_bool passive; /* it was not to be had: leave everything to the program */
	atomic_uint turns;   /* how often it was taken: a sign of life for who waits */
	unsigned generation; /* counts the forks: pointers from before one are void after it */
	void (*on_passive)(struct lock *lock); /* called once, without the lock */
};

struct tracked;

/* A reference that a hook holds on a record. The record is gone if the process was forked since. */
struct held {
	struct tracked *tracked;
	unsigned generation;
};

/* Set while this thread decides something under the lock. In the static TLS block, which a library loaded
 * at start may use: no allocation at first access. */
extern __thread volatile bool lock_inside __attribute__((tls_model("initial-exec"), visibility("hidden")));

/**
 * lock_enter_slowly() / lock_wake() - the rest of lock_enter() and lock_leave() where threads meet
 */
bool lock_enter_slowly(struct lock *lock);
void lock_wake(struct lock *lock);

/**
 * lock_enter() - take the lock
 * Return: false when the caller must pass through: the shim is passive, or this thread is inside already
 */
HOT_WHOLE static inline bool lock_enter(struct lock *lock)
{
	unsigned expected = 0;

	if (unlikely(lock_inside || atomic_load_explicit(&lock->passive, memory_order_relaxed)))
		return false;
	lock_inside = true;
	if (unlikely(!atomic_compare_exchange_strong_explicit(&lock->word, &expected, 1, memory_order_acquire,
							      memory_order_relaxed)) &&
	    !lock_enter_slowly(lock))
		return false;
	unsigned turns = atomic_load_explicit(&lock->turns, memory_order_relaxed);
	atomic_store_explicit(&lock->turns, turns + 1, memory_order_relaxed);
	return true;
}

/**
 * lock_try_enter() - take the lock if it is free
 */
static inline bool lock_try_enter(struct lock *lock)
{
	unsigned expected = 0;

	if (lock_inside || atomic_load_explicit(&lock->passive, memory_order_relaxed) ||
	    !atomic_compare_exchange_strong(&lock->word, &expected, 1))
		return false;
	lock_inside = true;
	return true;
}

/**
 * lock_leave() - let the lock go
 */
HOT_WHOLE static inline void lock_leave(struct lock *lock)
{
	if (unlikely(atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2))
		lock_wake(lock);
	lock_inside = false;
}

/**
 * lock_enter_held() - take the lock, to use what was held without it
 * Return: false also when the process was forked since: then the record is gone
 */
HOT_WHOLE static inline bool lock_enter_held(struct lock *lock, const struct held *held)
{
	if (unlikely(!lock_enter(lock)))
		return false;
	if (likely(lock->generation == held->generation))
		return true;
	lock_leave(lock);
	return false;
}

/**
 * lock_thread() - a name for the calling thread, without a system call
 */
static inline const void *lock_thread(void)
{
	return (const void *)&lock_inside;
}

#endif
