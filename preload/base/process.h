// SPDX-License-Identifier: Apache-2.0
/* process - whose memory is this? The shim of this process, and its children in the same memory. */
#ifndef HEADROOM_PRELOAD_BASE_PROCESS_H
#define HEADROOM_PRELOAD_BASE_PROCESS_H

#include "pool/base/hot.h"
#include "pool/shim.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

extern struct shim shim;

/* Set at the first use of a socket, and never if the shim is switched off: until then every hook passes
 * through. */
extern atomic_bool process_active;

/* What process_is_ours() looks at. */
extern atomic_bool process_shares_memory;
extern atomic_int *process_fork_mark;
extern __thread bool process_vforked __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Where errno of this thread is. What libc has to tell it is 64 KiB of code that a forked child, which knows
 * what its parent knew, need not come to. */
extern __thread int *process_errno_at __attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline int *process_errno(void)
{
	if (unlikely(!process_errno_at))
		process_errno_at = &errno;
	return process_errno_at;
}

/**
 * process_wakes() - a hook wants the shim for the first time: may it be used? Makes process_active true; not
 * while it is disabled (resting.h)
 *
 * Most programs that are started make no connection: what takes time (restraint_look()) waits until here.
 */
bool process_wakes(void);

/**
 * process_sleeps_on() - the program puts itself under a seccomp filter, and the shim was not used so far: it
 * is not to be used at all
 * @on:	false: the program could not, all is as before
 * Return: true when it was so
 */
bool process_sleeps_on(bool on);

/**
 * process_is_ours_surely() - the same as process_is_ours(), by the raw pid; false as well while the shim was
 * not used
 */
bool process_is_ours_surely(void);

/**
 * process_is_ours() - may a hook use the shim's state?
 *
 * No before the start, and no in a child of vfork(), which runs in its parent's memory: what it did here it
 * would do to its parent. In a child of a fork that went round libc the state is made anew first. Costs no
 * system call, but for the first time after vfork(), or always after a clone() that shares memory. A child
 * made by a raw vfork system call is not told from its parent here: its hooks can put the counts out.
 */
static inline bool process_is_ours(void)
{
	if (unlikely(!atomic_load_explicit(&process_active, memory_order_acquire)))
		return process_wakes();
	if (likely(!process_vforked && !atomic_load_explicit(&process_shares_memory, memory_order_relaxed) &&
		   atomic_load_explicit(process_fork_mark, memory_order_relaxed)))
		return true;
	return process_is_ours_surely();
}

/**
 * process_has_one_thread() - the kernel is asked where libc does not say; opens a file then
 */
bool process_has_one_thread(void);

/**
 * process_will_be_ours() - the same as process_is_ours_surely(), before a call that changes what the shim
 * finds when it is used first: its files, its network, who has which numbers. So it is used from here on
 */
static inline bool process_will_be_ours(void)
{
	return process_is_ours() && process_is_ours_surely();
}

/**
 * process_mark_vfork() - this thread is about to call vfork()
 */
void process_mark_vfork(void);

/**
 * process_mark_shared_memory() - a process was made that runs in this memory, besides
 */
void process_mark_shared_memory(void);

/**
 * process_start() - from here on process_wakes() may say yes
 * @in_child:	called when a hook finds itself in a forked child that nothing else has told so
 */
void process_start(void (*in_child)(void));

/**
 * process_forked() - in a child, by libc's fork(), before it has another thread: begin anew
 */
void process_forked(void);

#endif
