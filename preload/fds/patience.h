// SPDX-License-Identifier: Apache-2.0
/* patience - how long a connection that takes the place of another may take to come up.
 *
 * Never longer than the program allowed its own calls to take. What it was told to be writable is to take
 * what it sends, if a moment will do for that. */
#ifndef HEADROOM_PRELOAD_FDS_PATIENCE_H
#define HEADROOM_PRELOAD_FDS_PATIENCE_H

#include <stdbool.h>

enum { PATIENCE_MOST_MS = 1000 };

/* Why another connection is to take the place of this one. */
enum why {
	IT_IS_DEAD,
	IT_IS_DEAD_REPEAT, /* and what it was asked is to be repeated */
	IT_WAS_USED,       /* and is not to be asked what the program is about to ask */
};

/**
 * patience_ms() - how long to wait for it; 0: not at all
 * @status:	the flags of the program's fd (F_GETFL)
 */
unsigned patience_ms(int fd, int status, enum why why);

/**
 * patience_ends() - is it of no use when it is not there by then?
 *
 * Where it may still be under way, the program's send() waits, or its event loop.
 */
bool patience_ends(int status, enum why why);

#endif
