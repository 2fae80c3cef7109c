// SPDX-License-Identifier: Apache-2.0
/* reason - why a connection is never parked. */
#ifndef HEADROOM_POOL_GUARD_REASON_H
#define HEADROOM_POOL_GUARD_REASON_H

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
	GUARD_REASON_FRAMING,   /* http: a reply that ends by rule and not by its own length, or should not be
				   there */
	GUARD_REASON_AUTHORITY, /* http: a request to another host than the first one */
	GUARD_REASON_BODY,      /* http: a request with a body, which not every server reads */
	GUARD_REASON_UNSEEN,    /* bytes went round the hooks; only guard_refuse() gives this one */
	GUARD_REASONS
};

/**
 * guard_reason_name() - a short name for counters and log lines: lower case and `_`
 */
const char *guard_reason_name(enum guard_reason reason);

#endif
