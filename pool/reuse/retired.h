// SPDX-License-Identifier: Apache-2.0
/* retired - our fds that are to be closed once the lock is not held any more. */
#ifndef HEADROOM_POOL_REUSE_RETIRED_H
#define HEADROOM_POOL_REUSE_RETIRED_H

#include "pool/reuse/reuse.h"

enum { RETIRED_AT_ONCE = 8 };

struct retired {
	struct {
		int fd;
		bool kept;    /* the program has the connection, and it goes on: see second.h */
		bool lingers; /* SO_LINGER is set */
		bool leaving; /* see leaving.h */
		bool reset;   /* the server has closed it, too */
		uint64_t cookie;
	} fds[RETIRED_AT_ONCE];
	unsigned count;
	unsigned gone; /* so many of them have left the fd table */
};

/**
 * retired_none() - nothing yet. Mostly nothing comes: what is not filled is not cleared.
 */
static inline void retired_none(struct retired *retired)
{
	retired->count = retired->gone = 0;
}

/**
 * retired_has_room() - is there room for one more?
 */
bool retired_has_room(const struct retired *retired);

/**
 * retired_add() - our fd of a connection; there is room
 */
void retired_add(struct retired *retired, const struct reuse *reuse);

/**
 * retired_close() - close what was retired, as the program would have, but without waiting. Without the lock.
 */
void retired_close(struct retired *retired);

#endif
