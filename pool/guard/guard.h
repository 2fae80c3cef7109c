// SPDX-License-Identifier: Apache-2.0
/* guard - is the exchange on a connection complete, so that another may follow on it?
 *
 * Theory of operation
 *
 * A guard is fed what the program sent and received, makes no system call, takes no memory, and keeps
 * counts, sizes and the first letters of words: 384 bytes. How the bytes are cut into calls makes no
 * difference, and a refusal lasts. What is not known to be safe is refused. guard.c hands the bytes to the
 * guard of the kind; what each keeps is in state.h, why it refuses in reason.h. */
#ifndef HEADROOM_POOL_GUARD_GUARD_H
#define HEADROOM_POOL_GUARD_GUARD_H

#include "pool/guard/state.h"

enum guard_verdict {
	GUARD_OPEN,    /* nothing sent yet, or an exchange is under way */
	GUARD_CLEAN,   /* as many complete replies as requests, and nothing else: may be parked */
	GUARD_REFUSED, /* this connection is never parked; guard_refusal() says why */
};

/**
 * guard_from_name() - the guard that a rule names: off, http, http+bodies, redis, memcached, raw
 * @name:	as in the rule file, lower case
 * @kind:	written to if the name is known
 * Return: whether it is known
 */
bool guard_from_name(const char *name, enum guard_kind *kind);

/**
 * guard_name() - the name that guard_from_name() reads
 */
const char *guard_name(enum guard_kind kind);

/**
 * guard_start() - a connection was made
 */
void guard_start(struct guard *guard, enum guard_kind kind);

/**
 * guard_reset() - the connection is handed out once more
 *
 * The byte counts go on. A connection that is not clean is refused from here on.
 */
void guard_reset(struct guard *guard);

/**
 * guard_next() - the program, which has the connection still, is about to ask again
 *
 * What is sent from here on is judged as after guard_reset(). What the server promised stays.
 * Return: false, and nothing is changed, if an exchange is not complete. What is in doubt stays so.
 */
bool guard_next(struct guard *guard);

/**
 * guard_sent() - the program sent bytes, as many as the kernel took, in the order of the stream
 * @bytes:	readable memory; only read during the call
 * @size:	in bytes; 0 is nothing
 */
void guard_sent(struct guard *guard, const void *bytes, size_t size);

/**
 * guard_received() - the program took bytes out of the socket (not with MSG_PEEK), in the order of the stream
 * @bytes:	readable memory; only read during the call
 * @size:	in bytes; 0 is nothing: the end of the stream is not the guard's to see
 */
void guard_received(struct guard *guard, const void *bytes, size_t size);

/**
 * guard_verdict() - may the connection be parked now?
 *
 * How the bytes were cut into calls makes no difference. GUARD_REFUSED stays until guard_start().
 * GUARD_RAW is clean when the program has sent and the last bytes were received: the caller checks that the
 * connection has been quiet. If it speaks HTTP, it is held to what GUARD_HTTP asks.
 */
enum guard_verdict guard_verdict(const struct guard *guard);

/**
 * guard_repeats() - does its protocol have requests that may be sent once more?
 */
bool guard_repeats(const struct guard *guard);

/**
 * guard_asks_anew() - does each request stand for itself, so that a later one may go over another connection?
 *
 * Not in redis, whose WAIT is for what was written on this connection, nor in raw, which may have sessions.
 */
bool guard_asks_anew(const struct guard *guard);

/**
 * guard_may_be_for_another() - was the begin of a request sent that may be for another host than all before
 * it, or is, so that it has no place on this connection?
 *
 * What is complete and for another host is refused.
 */
bool guard_may_be_for_another(const struct guard *guard);

/**
 * guard_may_repeat() - is all that was sent in this use one request, or the begin of one, that may be sent
 * once more, as it has the same effect (RFC 9110, 9.2.2), and was nothing of an answer received?
 */
bool guard_may_repeat(const struct guard *guard);

/**
 * guard_refusal() - the reason of GUARD_REFUSED, else GUARD_REASON_NONE
 */
static inline enum guard_reason guard_refusal(const struct guard *guard)
{
	return (enum guard_reason)(guard->doubt ? guard->doubt : guard->reason);
}

/**
 * guard_server_first() - did the server send before the program did?
 */
static inline bool guard_server_first(const struct guard *guard)
{
	return guard->reason == GUARD_REASON_SERVER_FIRST;
}

#endif
