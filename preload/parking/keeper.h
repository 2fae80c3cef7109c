// SPDX-License-Identifier: Apache-2.0
/* keeper - a thread of ours, while connections are parked: it lets them go when their time is over.
 *
 * Theory of operation
 *
 * A parked connection that is idle for too long keeps a worker of the server from somebody else, whether or
 * not the program makes another call. So while there is one, there is a thread that waits for its end. It is
 * made by clone(2) and not by pthread_create(), as libc is to know nothing of it: the program has one thread
 * for __libc_single_threaded, setuid() and pthread_exit() if it had one before; no memory is taken from the
 * program's heap. All signals are blocked in it. It has a block of thread-local storage of its own, all zero,
 * so it calls nothing of libc that looks there. It ends when nothing was parked for a second, and before the
 * program does what a second thread would be seen by: fork, unshare(), setns(), a change of rights. */
#ifndef HEADROOM_PRELOAD_PARKING_KEEPER_H
#define HEADROOM_PRELOAD_PARKING_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

/**
 * keeper_looks_by() - will what is parked until @until_ns be looked at in time? The lock is held
 */
bool keeper_looks_by(uint64_t until_ns);

/**
 * keeper_see_to() - something is parked until @until_ns; call without the lock
 * @tend:	lets go what is over, as of now_ns; called by the thread with the lock, which it lets go;
 *true: there is more Return: false if no thread can be had: then nothing is to stay parked
 */
bool keeper_see_to(uint64_t until_ns, bool (*tend)(uint64_t now_ns));

/**
 * keeper_stop() - end the thread, and wait for its end; call without the lock, and when nothing is parked
 */
void keeper_stop(void);

/**
 * keeper_in_child() - in a forked child: the thread is its parent's
 */
void keeper_in_child(void);

#endif
