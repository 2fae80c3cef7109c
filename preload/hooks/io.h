// SPDX-License-Identifier: Apache-2.0
/* io - show the bytes of a connection that may be parked to its guard. */
#ifndef HEADROOM_PRELOAD_HOOKS_IO_H
#define HEADROOM_PRELOAD_HOOKS_IO_H

#include "preload/base/fdtable.h"
#include "preload/base/process.h"
#include "preload/fds/renew.h"

#include <sys/socket.h>
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
	return tracked && __atomic_load_n(&tracked->watched, __ATOMIC_RELAXED);
}

/**
 * io_begins() - a call on a watched fd is about to be made
 * @held:	filled: a reference, so that the connection is not parked while a thread is in the call
 * Return: false if it is not watched after all
 */
bool io_begins(int fd, struct held *held);

enum sending {
	SENDING_UNSEEN, /* no guard looks */
	SENDING_SEEN,   /* it does: @held is filled */
	SENDING_FAILED, /* there is no connection, errno says why: the call is not to be made */
};

/**
 * sending_begins() - the same of a call that sends
 * @pieces:	as the program gave them, or NULL
 *
 * On a connection that was just handed out: is there still somebody to send to, and may it go there?
 */
enum sending sending_begins(int fd, const struct iovec *pieces, size_t count, struct held *held);

/**
 * sent(), took() - the call has come back; errno stays, and the reference goes
 * @pieces:	where the program's bytes are
 * @flags:	MSG_*, of send() and recv()
 * @rc:		what the call returned
 * Return: @rc
 */
ssize_t sent(int fd, const struct held *held, const struct iovec *pieces, int flags, ssize_t rc);
ssize_t took(int fd, const struct held *held, const struct iovec *pieces, int flags, ssize_t rc);

/**
 * send_messages() - sendmmsg() on a socket that is connected, or need not be
 */
int send_messages(int fd, struct mmsghdr *messages, unsigned count, int flags);

/* A hook that sends: the rest of it is for an fd that a guard watches. */
#define UNLESS_SEEN(fd, pieces, count, held, call)                                              \
	do {                                                                                    \
		enum sending sending_ =                                                         \
			watched(fd) ? sending_begins(fd, pieces, count, held) : SENDING_UNSEEN; \
		if (sending_ != SENDING_SEEN)                                                   \
			return sending_ == SENDING_FAILED ? -1 : (call);                        \
	} while (0)

/* Makes the call, and once more on a connection that took the place of one that had ended. */
#define AGAIN(call)                                                        \
	({                                                                 \
		ssize_t rc_ = (call);                                      \
		if (unlikely(rc_ <= 0) && renew_after_end(fd, &held, rc_)) \
			rc_ = (call);                                      \
		rc_;                                                       \
	})

#endif
