// SPDX-License-Identifier: Apache-2.0
/* pending - a connection whose connect() the program was told is under way: what becomes of it later. */
#ifndef HEADROOM_POOL_CONNECT_PENDING_H
#define HEADROOM_POOL_CONNECT_PENDING_H

#include "pool/connect/call.h"
#include "pool/spread/spreading.h"

/**
 * pending_again() - connect() on a socket whose attempt the kernel was left with, or that is open
 *
 * Called with the lock held, returns without it.
 *
 * @tracked:	the socket, SOCKET_CONNECTING, _OPEN or _BROKEN, or in the attempt of another thread
 * Return: as attempt_run()
 */
long pending_again(struct spreading *spreading, struct tracked *tracked, int fd, real_call *call,
		   void *argument);

/**
 * pending_error_read() - the program read SO_ERROR of a socket whose attempt is under way
 * @error:	what it got, not 0
 */
void pending_error_read(struct spreading *spreading, const struct held *held, int error);

#endif
