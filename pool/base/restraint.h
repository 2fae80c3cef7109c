// SPDX-License-Identifier: Apache-2.0
/* restraint - when the shim makes no system calls of its own, or fewer.
 *
 * Theory of operation
 *
 * A program may lose the right to make a call: seccomp(2) can kill it for one. Two cases are told apart.
 *
 * A filter that was there when the program was started (a container, systemd's SystemCallFilter=) let the
 * loader open, read and map libraries, after us too. So reading /proc/self/status is safe, and says that
 * there is a filter. Then a child tries what else the shim calls (trial.h), before the shim makes any of
 * these: if it is killed for one, nothing at all is done in this process. Netlink, which few programs need
 * and many filters forbid, is tried apart and only when wanted: see restraint_filtered().
 *
 * A filter that the program puts itself under is made for what that program does from then on, and nothing is
 * known of it. So nothing at all is done from then on: each call of kernel.h's table fails with EPERM,
 * unmade, and the hooks pass through. What had to be done is done just before (preload/hooks/sandbox.c).
 *
 * A program may also be near its limit of fds: one of ours, be it for a microsecond, can then be the one that
 * another thread of the program does not get. So none is opened while one of some numbers below the limit is
 * taken, the last RESTRAINT_FD_ROOM of them; see kernel_private_fd(). That is asked anew each time, as
 * nothing else tells: the program opens files in ways that no hook sees. A program of one thread, which waits
 * until we are done, with signals blocked, is not asked: nobody else opens anything meanwhile. */
#ifndef HEADROOM_POOL_BASE_RESTRAINT_H
#define HEADROOM_POOL_BASE_RESTRAINT_H

#include <stdatomic.h>
#include <stdbool.h>

/* How far below RLIMIT_NOFILE fd numbers must be free. */
enum { RESTRAINT_FD_ROOM = 32 };

extern atomic_bool restraint_is_shut_in;

/* Set while this thread runs on a stack of ours: then no signal handler of the program comes between. In the
 * static TLS block: no allocation at first access. */
extern __thread bool restraint_on_own_stack __attribute__((tls_model("initial-exec"), visibility("hidden")));

/**
 * restraint_start() - from here on we are in a program that is not ours; the command never calls it
 */
void restraint_start(void);

/**
 * restraint_is_joined() - somebody whom libc does not count among the threads is about to share our fds
 */
void restraint_is_joined(void);

/**
 * restraint_shut_in() - has the program put itself under a seccomp filter?
 *
 * Then the shim makes no system call of its own any more, of any kind.
 */
static inline bool restraint_shut_in(void)
{
	return atomic_load_explicit(&restraint_is_shut_in, memory_order_relaxed);
}

/**
 * restraint_look() - is there a seccomp filter from before the start, and does it let the shim's calls pass?
 *
 * Looks the first time, which takes some microseconds, with a filter a fork and its end; threads that come
 * meanwhile wait for the answer.
 * Return: false when the shim may make no call in this process; then restraint_begin() was called
 */
bool restraint_look(void);

/**
 * restraint_in_child() - a thread of the parent may have been looking at the fork: here nobody is
 */
void restraint_in_child(void);

/**
 * restraint_filtered() - does a seccomp filter forbid netlink?
 * Return: true also while that cannot be found out
 */
bool restraint_filtered(void);

/**
 * restraint_may_look() - may a call be made that the loader made at the program's start, and that opens
 * nothing?
 */
bool restraint_may_look(void);

/**
 * restraint_begin() - the program is about to put itself under a filter: make no call from now on
 */
void restraint_begin(void);

/**
 * restraint_end() - it could not: go on as before
 */
void restraint_end(void);

#endif
