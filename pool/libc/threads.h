// SPDX-License-Identifier: Apache-2.0
/* threads - what libc says about the program's threads, and their cancellation.
 *
 * Theory of operation
 *
 * The library is one file for several C libraries, so what it wants of threads it takes only where it is:
 *
 *			glibc 2.34	glibc 2.17		musl
 * one thread?		2.32		never said		never said
 * pthread_testcancel()	libc		if libpthread is there	libc
 * cleanup handlers	libc		if libpthread is there	libc
 *
 * Where nobody says that there is one thread, there may be two: what follows is right for both.
 *
 * The handler is of the old kind, _pthread_cleanup_push(), whose buffer all have. glibc's newer one is a
 * jump buffer: when a signal handler of the program leaves connect() by siglongjmp() it stays in the
 * thread's list, and at the thread's end glibc jumps there. The old one is taken out of the list then, and
 * called (nptl/cleanup_compat.c, __pthread_cleanup_upto()).
 *
 * musl's longjmp() leaves its list as it is, and the thread would call, at its end, a handler whose frame
 * is gone. So there the entry is in memory that stays, one for each thread, and the handler looks whether
 * its frame is still there: a little above, and with a word of ours in it. While the one entry is taken, by
 * a call that a signal handler of the program came into, or was left by a jump, another call has none, and
 * a thread that is cancelled in it leaves its record behind. */
#ifndef HEADROOM_POOL_LIBC_THREADS_H
#define HEADROOM_POOL_LIBC_THREADS_H

#include <stdbool.h>

/* What it points to is 0 while there may be a second thread (<sys/single_threaded.h>). */
extern const char *threads_one;

/**
 * threads_start() - find out what this libc says; before any other thread is there
 */
void threads_start(void);

/**
 * threads_is_one() - is the program known to have one thread? Costs no system call
 */
static inline bool threads_is_one(void)
{
	return *threads_one;
}

/**
 * threads_is_told() - does libc say how many there are? If not, threads_is_one() is always false
 */
bool threads_is_told(void);

/**
 * threads_call_cancellable() - make a call that is a cancellation point
 * @on_cancel:	called with @what if the thread is cancelled in it, or leaves it by longjmp()
 * Return: the call's
 */
long threads_call_cancellable(long (*call)(void *), void *argument, void (*on_cancel)(void *), void *what);

/**
 * threads_test_cancel() - end here if the thread is cancelled, as pthread_testcancel()
 */
void threads_test_cancel(void);

#endif
