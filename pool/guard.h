// SPDX-License-Identifier: Apache-2.0
/* guard - is the exchange on a connection complete, so that another may follow on it? */
#ifndef HEADROOM_POOL_GUARD_H
#define HEADROOM_POOL_GUARD_H

#include "guard_http.h"
#include "guard_memcached.h"
#include "guard_redis.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum guard_kind { GUARD_OFF, GUARD_HTTP, GUARD_REDIS, GUARD_MEMCACHED, GUARD_RAW, GUARD_KINDS };

enum guard_verdict {
	GUARD_OPEN,    /* nothing sent yet, or an exchange is under way */
	GUARD_CLEAN,   /* as many complete replies as requests, and nothing else: may be parked */
	GUARD_REFUSED, /* this connection is never parked; guard_refusal() says why */
};

/* Why a connection is never parked. */
enum guard_reason {
	GUARD_REASON_NONE,
	GUARD_REASON_OFF,          /* no guard */
	GUARD_REASON_PROTOCOL,     /* what the program sent first is not of the guard's protocol */
	GUARD_REASON_SERVER_FIRST, /* the server sent before the program did */
	GUARD_REASON_UNASKED,      /* a reply, or more of one, that no request is waiting for */
	GUARD_REASON_EARLY,        /* a reply to a request that was not sent completely */
	GUARD_REASON_BAD_REQUEST,  /* what the program sent breaks the protocol, or is not understood */
	GUARD_REASON_BAD_REPLY,    /* what the server sent breaks the protocol, or is not understood */
	GUARD_REASON_LENGTH,       /* http: ends with the connection, or has two lengths */
	GUARD_REASON_VERSION,      /* http: not HTTP/1.1 */
	GUARD_REASON_CLOSE,        /* one side said that it will close */
	GUARD_REASON_UPGRADE,      /* http: CONNECT, Upgrade, 101 */
	GUARD_REASON_AUTH,         /* a login that belongs to the connection */
	GUARD_REASON_COMMAND,      /* redis, memcached: a command that may leave state, or an unknown one */
	GUARD_REASON_PUSH,         /* redis: a push message */
	GUARD_REASON_ERROR,        /* an error reply after which the connection is in doubt */
	GUARD_REASON_LIMIT,        /* more requests in flight, or deeper nesting, than is kept track of */
	GUARD_REASON_UNSEEN,       /* bytes went round the hooks; only guard_refuse() gives this one */
	GUARD_REASONS
};

/* The longest start of a protocol that is told from others (PROXY version 2). */
enum { GUARD_FIRST_MAX = 14 };

/* What is known of one connection. Its owner sees to it that one thread at a time calls. */
struct guard {
	uint64_t sent, received; /* bytes since guard_start() */
	uint8_t kind;            /* enum guard_kind */
	uint8_t reason;          /* enum guard_reason */
	bool was_clean;          /* when guard_reset() was called */
	bool asked, answered;    /* since then: the program sent, received */
	bool last_received;      /* the last bytes were received */
	uint8_t first_size;
	uint8_t first[GUARD_FIRST_MAX]; /* the first bytes that the program sent */
	union {
		struct guard_http http;
		struct guard_redis redis;
		struct guard_memcached memcached;
	};
};

/**
 * guard_from_name() - the guard that a rule names: off, http, redis, memcached, raw
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
 * guard_refuse() - what the caller knows rules out parking; an earlier reason stays
 */
void guard_refuse(struct guard *guard, enum guard_reason reason);

/**
 * guard_verdict() - may the connection be parked now?
 *
 * How the bytes were cut into calls makes no difference. GUARD_REFUSED stays until guard_start().
 * GUARD_RAW is clean when the program has sent and the last bytes were received: the caller checks that the
 * connection has been quiet.
 */
enum guard_verdict guard_verdict(const struct guard *guard);

/**
 * guard_refusal() - the reason of GUARD_REFUSED, else GUARD_REASON_NONE
 */
static inline enum guard_reason guard_refusal(const struct guard *guard)
{
	return (enum guard_reason)guard->reason;
}

/**
 * guard_reason_name() - a short name for counters and log lines: lower case and `_`
 */
const char *guard_reason_name(enum guard_reason reason);

/**
 * guard_server_first() - did the server send before the program did?
 */
static inline bool guard_server_first(const struct guard *guard)
{
	return guard->reason == GUARD_REASON_SERVER_FIRST;
}

#endif
