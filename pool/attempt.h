// SPDX-License-Identifier: Apache-2.0
/* attempt - one outgoing connect(): choose a source, apply it, judge the outcome, try the next. */
#ifndef HEADROOM_POOL_ATTEMPT_H
#define HEADROOM_POOL_ATTEMPT_H

#include "shim.h"

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
 * Return: what the program is to get: the call's result or a negative errno. EADDRNOTAVAIL means that every
 *	source is full, and may come without the kernel having been asked.
 */
long attempt_run(struct shim *shim, struct tracked *tracked, int fd, const struct endpoint *to,
		 real_call *call, void *argument);

/**
 * attempt_again() - connect() on a socket whose attempt the kernel was left with, or that is open
 * @held:	the socket, SOCKET_CONNECTING, _OPEN or _BROKEN
 * Return: as attempt_run()
 */
long attempt_again(struct shim *shim, const struct held *held, int fd, real_call *call, void *argument);

/**
 * attempt_error_read() - the program read SO_ERROR of a socket whose attempt is under way
 * @error:	what it got, not 0
 */
void attempt_error_read(struct shim *shim, const struct held *held, int error);

/**
 * attempt_undo() - take back the source we bound a socket to; it is not connected
 */
void attempt_undo(struct shim *shim, const struct held *held, int fd);

#endif
