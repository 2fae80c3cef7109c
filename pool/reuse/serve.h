// SPDX-License-Identifier: Apache-2.0
/* serve - a connect() that the pool may serve: which connection, made like the program's socket, and put
 * under its number.
 *
 * The youngest that fits is looked at (SO_COOKIE, a peek), gets what differs of options and status flags,
 * is put under the program's number by dup3() and into the fresh socket's epoll sets. A blocking connect()
 * then returns 0; a non-blocking one EINPROGRESS, and one more connect() on it 0.
 *
 * Reuse is never load for the server: a connect() that the pool cannot serve waits for the rest of a quiet
 * time (2.5 ms at most, 1 ms if it is non-blocking and the server is known), or one that is parked goes
 * before it connects. */
#ifndef HEADROOM_POOL_REUSE_SERVE_H
#define HEADROOM_POOL_REUSE_SERVE_H

#include "pool/reuse/parked.h"

/* What has become of the numbers; to be entered into the fd table. */
struct served {
	struct reuse *reuse; /* the connection that is under the program's number now; NULL: none */
	int own;             /* our number of it, to be kept or closed */
	int status;          /* F_GETFL of the program's socket, and of this one */
	int blank;           /* our number of the program's socket, for blank_enter(); -1: it is gone */
	uint64_t wait_ns;    /* where there is none: so long, and one may be ready; 0: not worth it */
};

/**
 * serve_connect() - hand out the youngest connection that fits; the lock is held
 * @fresh:	the record of the program's socket, or NULL
 * @fd:		its number
 * @waited_ns:	so long it was waited for one already
 * @served:	filled
 * @retired:	empty; filled with those that were dead or too old
 *
 * The program's number stays that of its socket until then, as its other threads cannot close it meanwhile.
 * Return: was one handed out?
 */
bool serve_connect(struct reusing *reusing, struct parked_pool *pool, struct tracked *fresh, int fd,
		   uint64_t waited_ns, uint64_t now_ns, struct served *served, struct retired *retired);

/**
 * serve_number() - a connection is under a number of the program's; the lock is held
 * @fresh:	how the program watches the number
 */
struct fresh;
void serve_number(struct reuse *reuse, const struct fresh *fresh);

#endif
