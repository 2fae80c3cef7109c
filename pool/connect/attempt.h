// SPDX-License-Identifier: Apache-2.0
/* attempt - one outgoing connect(): choose a source, apply it, judge the outcome, try the next. */
#ifndef HEADROOM_POOL_CONNECT_ATTEMPT_H
#define HEADROOM_POOL_CONNECT_ATTEMPT_H

#include "pool/base/hot.h"
#include "pool/connect/connecting.h"

#include <errno.h>

/* The program's own call: connect(), or sendto() or sendmsg() with MSG_FASTOPEN. Returns its result, or a
 * negative errno. It may be made several times, each time after the one before failed. */
typedef long real_call(void *argument);

/**
 * attempt_run() - make the program's call, from the best source
 *
 * Called with the lock held, returns without it: each time it is taken costs a connect() something.
 *
 * @tracked:	the socket, SOCKET_FRESH
 * @fd:		its number
 * @to:		where to
 * @rule:	settings_rule_for() that
 * Return: what the program is to get: the call's result or a negative errno. EADDRNOTAVAIL means that every
 *	source is full, and may come without the kernel having been asked.
 */
long attempt_run(struct connecting *connecting, struct tracked *tracked, int fd, const struct endpoint *to,
		 const struct rule *rule, real_call *call, void *argument);

/**
 * attempt_under_way() - has the socket taken a port? So it has by a connect() that is not done yet
 * (connect(2))
 * @rc:		what the call came to
 */
static inline bool attempt_under_way(long rc)
{
	return likely(rc >= 0) || rc == -EINPROGRESS || rc == -EINTR;
}

#endif
