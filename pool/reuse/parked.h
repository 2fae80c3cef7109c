// SPDX-License-Identifier: Apache-2.0
/* parked - the connections a program closed that are kept open for its next connect().
 *
 * keep.h says whether one may be parked, serve.h hands them out. In the list of all is the blank, too
 * (blank.h), which belongs to no destination. */
#ifndef HEADROOM_POOL_REUSE_PARKED_H
#define HEADROOM_POOL_REUSE_PARKED_H

#include "pool/reuse/retired.h"

/* What a connection must not have had done to it: it cannot be put back, or names it alone. */
enum {
	UNLIKE_OTHERS = HAS_PORT | OWN_NO_PORT | OWN_RANGE | PINNED | REUSES_PORT | ABORTS_ON_CLOSE | DEFERRED
};

/**
 * parked_enter() - put a connection into its pool; the lock is held
 * @fd:		our own fd of it
 * @retired:	gets an older one if there was no room
 */
void parked_enter(struct reusing *reusing, struct reuse *reuse, int fd, uint32_t rtt_us, uint64_t now_ns,
		  struct retired *retired);

/**
 * parked_take() - the youngest connection that can stand for a fresh socket; the lock is held
 * @fresh:	the program's socket
 * @retired:	filled with those that were too old; has room, and is left with room for one
 * @ready_ns:	out, if there is none: when the first that can stand for it will be ready; UINT64_MAX: never
 *
 * It is out of the pool then, with `fd` still set: to be looked at, and handed out or given to
 * parked_let_go().
 * Return: NULL if there is none
 */
struct reuse *parked_take(struct reusing *reusing, struct parked_pool *pool, struct tracked *fresh,
			  uint64_t now_ns, struct retired *retired, uint64_t *ready_ns);

/**
 * parked_alive() - is a connection that was taken from the pool still as it was?
 * Return: -1 if so, else an enum reuse_retirement
 */
int parked_alive(const struct reuse *reuse);

/**
 * parked_is_there() - is this connection still under its number, as no hook saw it closed?
 */
bool parked_is_there(const struct reuse *reuse);

/**
 * parked_let_go() - the end of a connection that is in no pool any more; the lock is held
 * @retired:	gets its fd; NULL if that is no concern of ours any more (RETIRED_LOST)
 */
void parked_let_go(struct reusing *reusing, struct reuse *reuse, enum reuse_retirement why, uint64_t now_ns,
		   struct retired *retired);

/**
 * parked_retire() - take a connection out of its pool, and parked_let_go() it; the lock is held
 */
void parked_retire(struct reusing *reusing, struct reuse *reuse, enum reuse_retirement why, uint64_t now_ns,
		   struct retired *retired);

/**
 * parked_is_waited_for() - is there somebody, be it another program, whom the server has not accepted yet,
 * and who may wait for the worker that this one holds? The lock is held
 *
 * Of a server of this host the kernel tells. One that serves all connections at once accepts what waits
 * before it answers what is asked later. So it is yes if somebody waited before this one was asked, and
 * somebody does now.
 */
bool parked_is_waited_for(const struct reuse *reuse, uint64_t now_ns);

/**
 * parked_make_way() - a new connection is about to be made though some are parked: one of them goes first, so
 * that the server never has more of them than it would have without reuse; the lock is held
 */
void parked_make_way(struct reusing *reusing, struct parked_pool *pool, uint64_t now_ns,
		     struct retired *retired);

/**
 * parked_look_for() - a new connection is about to be made, which may wait for the worker of one that is
 * parked; the lock is held
 * @pool:	to its destination, or NULL
 * Return: when to look for that; 0: there is no need, or somebody looks before
 */
uint64_t parked_look_for(struct reusing *reusing, const struct parked_pool *pool, uint64_t now_ns);

/**
 * parked_expire() - let go what has been idle for too long or is too old; the lock is held
 * Return: true if there is more to let go
 */
bool parked_expire(struct reusing *reusing, uint64_t now_ns, struct retired *retired);

/**
 * parked_give_up() - let some go, whatever their age; the lock is held
 * Return: false when none was parked
 */
bool parked_give_up(struct reusing *reusing, enum reuse_retirement why, uint64_t now_ns,
		    struct retired *retired);

/**
 * parked_lost() - the number of a parked connection belongs to somebody else now; the lock is held
 */
void parked_lost(struct reusing *reusing, struct reuse *reuse, uint64_t now_ns);

#endif
