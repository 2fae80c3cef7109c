// SPDX-License-Identifier: Apache-2.0
/* fdtable - which fd number stands for which tracked socket.
 *
 * Looking is free of locks and system calls: every close() of the program looks. An entry may be stale, as
 * a close inside libc or by a raw system call is not seen. It is forgotten when its number comes back from
 * socket() or dup(). Where being wrong would change another socket - giving a deferred port - its SO_COOKIE
 * is compared first. At close() it is not: the connection that was entered is over either way, and only how
 * it ended may be counted wrong.
 *
 * When is what trusted?
 *
 *  - socket() on a number that has an entry: the old one is ended as unseen, a new record is made.
 *  - close(): recv() tells a number that is no socket now. If it is another TCP socket, from accept() say,
 *    its end is entered as that of the lost connection: a count of one, once.
 *  - accept(), pipe(), open(), recvmsg() and their kin on a number that has an entry: that was closed
 *    unseen, and is ended. An fd from accept() or recvmsg() has no record until it is connected.
 *  - A call that was to close a number and failed, or was cancelled (closing_undo()): the entry comes
 *    back.
 *  - dup(), F_DUPFD and so on enter the record under the new number too. Another record there is ended
 *    first.
 *  - A thread with fd numbers of its own (fds/numbers.c): which thread has which table nobody tells, so
 *    the shim is passive then.
 *  - A deferred port is made real only if SO_COOKIE is that of the socket that was bound
 *    (socket/deferral.c): binding a stranger would do harm. */
#ifndef HEADROOM_PRELOAD_BASE_FDTABLE_H
#define HEADROOM_PRELOAD_BASE_FDTABLE_H

#include "preload/base/process.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* A million fds; a number beyond is not tracked. A page is small, as most programs have few, and those that
 * are below SHIM_LOW_FDS take no page: they are beside what a forked child writes anyway. */
enum { FD_PAGE = 256, FD_PAGES = 4096 };

struct fd_page {
	_Atomic(struct tracked *) socket[FD_PAGE];
};

extern _Atomic(struct fd_page *) fd_pages[FD_PAGES];

/**
 * fdtable_look() - the record an fd number stands for
 * Return: NULL if none; only to be compared with NULL, unless the shim's lock is held
 */
HOT_WHOLE static inline struct tracked *fdtable_look(int fd)
{
	if (likely((unsigned)fd < (unsigned)SHIM_LOW_FDS))
		return atomic_load_explicit(&shim.low_fds[fd], memory_order_acquire);
	if ((unsigned)fd >= (unsigned)FD_PAGE * FD_PAGES)
		return NULL;
	struct fd_page *page = atomic_load_explicit(&fd_pages[fd / FD_PAGE], memory_order_acquire);
	return page ? atomic_load_explicit(&page->socket[fd % FD_PAGE], memory_order_acquire) : NULL;
}

/* Of a number that has a page, or needs none. */
static inline _Atomic(struct tracked *) *fdtable_place(int fd)
{
	if (likely((unsigned)fd < (unsigned)SHIM_LOW_FDS))
		return &shim.low_fds[fd];
	return &atomic_load_explicit(&fd_pages[fd / FD_PAGE], memory_order_relaxed)->socket[fd % FD_PAGE];
}

/**
 * fdtable_set() - enter a record, which takes over one reference of the caller's; the lock is held
 * Return: false if there is no room: then the reference stays the caller's
 */
bool fdtable_set(int fd, struct tracked *tracked);

/**
 * fdtable_take() - remove an entry; its reference goes to the caller; the lock is held
 */
static inline struct tracked *fdtable_take(int fd)
{
	struct tracked *tracked = fdtable_look(fd);
	if (!tracked)
		return NULL;
	atomic_store_explicit(fdtable_place(fd), NULL, memory_order_release);
	tracked->fds--;
	return tracked;
}

/**
 * fdtable_replace() - enter a record in the place of another, whose reference goes to the caller; the lock is
 * held
 * @before:	what fdtable_look() says of the number
 */
void fdtable_replace(int fd, struct tracked *before, struct tracked *with);

/**
 * fdtable_lose() - what a number stood for was closed unseen: tracked_lost(); the lock is held
 */
void fdtable_lose(int fd);

/**
 * fdtable_track() - enter a new record, in place of one that was closed unseen; the lock is held
 * @facts:	family, flags and bound source; NULL if nothing is to be known of the number
 * Return: the record, or NULL
 */
struct tracked *fdtable_track(int fd, const struct tracked *facts);

/**
 * fdtable_new_number() - forget what a number stood for: the kernel has given it out anew; takes the lock
 */
void fdtable_new_number(int fd);

/**
 * fdtable_next() - the next number at or after @from that has an entry
 * Return: -1 if there is none
 */
int fdtable_next(int from);

/**
 * fdtable_hold() - look and take a reference
 * Return: false if there is no entry, or that of a parked connection, which is no concern of the program, or
 * the shim must not be used now
 */
bool fdtable_hold(int fd, struct held *held);

/**
 * fdtable_release() - give the reference back
 */
void fdtable_release(const struct held *held);

/**
 * fdtable_forget_all() - in a forked child; the memory was released with the shim's arena
 */
void fdtable_forget_all(void);

#endif
