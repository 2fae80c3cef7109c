// SPDX-License-Identifier: Apache-2.0
/* undo - take back what an attempt bound. */
#ifndef HEADROOM_POOL_SOCKET_UNDO_H
#define HEADROOM_POOL_SOCKET_UNDO_H

#include "pool/base/lock.h"

/**
 * undo_binding() - take back the source we bound a socket to; it is not connected
 */
void undo_binding(struct lock *lock, const struct held *held, int fd);

#endif
