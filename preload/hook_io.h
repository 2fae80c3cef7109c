// SPDX-License-Identifier: Apache-2.0
/* hook_io - show the bytes of a connection that may be parked to its guard. */
#ifndef HEADROOM_PRELOAD_HOOK_IO_H
#define HEADROOM_PRELOAD_HOOK_IO_H

#include "fdtable.h"
#include "process.h"

#include <sys/types.h>
#include <sys/uio.h>

/**
 * watched() - does a guard look at what goes over this fd? No lock, no system call.
 */
static inline bool watched(int fd)
{
	if (!shim.settings.reuses)
		return false;
	const struct tracked *tracked = fdtable_look(fd);
	return tracked && tracked->watched;
}

/**
 * before_sending() - on a connection that was just handed out: is there still somebody to send to?
 */
void before_sending(int fd);

/**
 * sent(), took() - a call has come back; errno stays
 * @pieces:	where the program's bytes are
 * @flags:	MSG_*, of send() and recv()
 * @rc:		what the call returned
 * Return: @rc
 */
ssize_t sent(int fd, const struct iovec *pieces, int flags, ssize_t rc);
ssize_t took(int fd, const struct iovec *pieces, int flags, ssize_t rc);

#endif
