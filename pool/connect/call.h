// SPDX-License-Identifier: Apache-2.0
/* call - the program's own call that connects, and what its result tells. */
#ifndef HEADROOM_POOL_CONNECT_CALL_H
#define HEADROOM_POOL_CONNECT_CALL_H

#include "pool/base/hot.h"

#include <errno.h>
#include <stdbool.h>

/* The program's own call: connect(), or sendto() or sendmsg() with MSG_FASTOPEN. Returns its result, or a
 * negative errno. It may be made several times, each time after the one before failed. */
typedef long real_call(void *argument);

/**
 * attempt_under_way() - has the socket taken a port? So it has by a connect() that is not done yet
 * (connect(2))
 * @rc:		what the call came to
 */
HOT_WHOLE static inline bool attempt_under_way(long rc)
{
	return likely(rc >= 0) || rc == -EINPROGRESS || rc == -EINTR;
}

#endif
