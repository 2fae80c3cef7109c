// SPDX-License-Identifier: Apache-2.0
/* used - the end of a connection that is handed out, alive, and not to be asked what the program is about to
 * ask.
 *
 * Theory of operation
 *
 * Another takes its place (renew.h), and its server is to see its end before that comes. A shutdown() of both
 * ways would show in the program, too: a thread that waits in epoll_wait() would be told of an end (EPOLLHUP)
 * of what goes on as ever. So it ends as leaving.h has it, of which nothing shows, and both ways only when
 * the other is under the program's number: a thread that waits in a recv() on it comes back then. */
#ifndef HEADROOM_PRELOAD_FDS_USED_H
#define HEADROOM_PRELOAD_FDS_USED_H

#include "pool/base/lock.h"

#include <stdbool.h>
#include <stdint.h>

struct used {
	int fd;          /* the program's number */
	int rest;        /* ours, while another has its place; -1: none */
	uint64_t cookie; /* SO_COOKIE */
	bool leaving;    /* its end has begun, and nothing shows of it */
	bool over;       /* the server has closed it, too */
};

/**
 * used_let_go() - its end begins; the lock is held
 */
void used_let_go(struct used *used);

/**
 * used_stays() / used_stays_not() - another is about to get its number, or did not get it; the lock is held
 * @from:	our number of it is higher
 */
void used_stays(struct used *used, int from);
void used_stays_not(struct used *used);

/**
 * used_end() - another has its number; without the lock
 */
void used_end(struct used *used);

/**
 * used_give_up() - there is no other: now its end shows; without the lock
 * @held:	a reference to its record
 */
void used_give_up(struct used *used, const struct held *held);

#endif
