// SPDX-License-Identifier: Apache-2.0
/* stake - may what the program is about to ask go out on a connection that was used before?
 *
 * Theory of operation
 *
 * Who is handed a connection is not known before the program has asked. A GET may be asked again if the
 * server ends the connection at that moment (renew.h). What may not be is lost then, on a connection that the
 * program thinks is new. So it is looked at before it is sent, by a copy of the guard:
 *  - what the guard cannot follow (MULTI, CONNECT, HEAD, a body), after which the connection is closed for
 *    real, goes out on a new one;
 *  - what is for another host than all that the connection was asked before (http), or may be, as its begin
 *    does not say so;
 *  - what may not be asked again, too, until the server has shown that it can be trusted
 *    (conduct_may_stake());
 *  - what goes round the guard (sendfile(), splice()), as nobody can say what it is.
 * Where no request may be asked again (redis, memcached, raw), that is decided before a connection is parked,
 * or handed out. */
#ifndef HEADROOM_POOL_REUSE_STAKE_H
#define HEADROOM_POOL_REUSE_STAKE_H

#include "pool/reuse/reuse.h"

/**
 * stake_by_request() - does it depend on the request whether it can be lost?
 */
static inline bool stake_by_request(const struct reuse *reuse)
{
	return reuse->guard.kind == GUARD_HTTP || reuse->guard.kind == GUARD_HTTP_BODIES;
}

/**
 * stake_depth() - the depth of a connection, if it bears on how long it is to be quiet; else 0
 */
static inline uint32_t stake_depth(const struct reuse *reuse)
{
	return reuse->guard.kind == GUARD_HTTP ? 0 : reuse->depth;
}

/**
 * stake_allows() - may this be sent on a connection that was handed out, and asked nothing in this use?
 * @pieces:	what the program is about to send, or the begin of it; readable
 *
 * If so, what may be lost is entered as being at risk.
 */
bool stake_allows(struct reusing *reusing, const struct held *held, const struct iovec *pieces, size_t count);

#endif
