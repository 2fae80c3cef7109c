// SPDX-License-Identifier: Apache-2.0
/* deferred - give deferred ports to fds before somebody else can look. */
#include "preload/fds/deferred.h"

#include "pool/socket/deferral.h"
#include "preload/base/fdtable.h"
#include "preload/base/message.h"
#include "preload/base/process.h"
#include "preload/base/readable.h"
#include "preload/parking/parking.h"

#include <string.h>

/* The one or the other. */
static inline void with_deferred(int fd,
				 long (*make)(struct sockets *sockets, const struct held *held, int fd))
{
	struct held held;

	if (!atomic_load_explicit(&shim.sockets.deferred_count, memory_order_relaxed) ||
	    !fdtable_hold(fd, &held))
		return;
	make(&shim.sockets, &held, fd);
	fdtable_release(&held);
}

void deferred_fd_make_real(int fd)
{
	with_deferred(fd, deferral_make_real);
}

void deferred_fd_show(int fd)
{
	with_deferred(fd, deferral_show);
}

void deferred_fds_make_real(void)
{
	if (!atomic_load_explicit(&shim.sockets.deferred_count, memory_order_relaxed))
		return;
	for (int fd = fdtable_next(0); fd >= 0; fd = fdtable_next(fd + 1))
		deferred_fd_make_real(fd);
}

bool fds_matter(void)
{
	return atomic_load_explicit(&shim.sockets.deferred_count, memory_order_relaxed) ||
	       shim.settings.reuses;
}

/* Calls @each for the fds in one part of the control data. */
static void each_fd(const char *data, size_t size, void (*each)(int fd))
{
	for (int fd; size >= sizeof(fd); data += sizeof(fd), size -= sizeof(fd)) {
		memcpy(&fd, data, sizeof(fd));
		each(fd);
	}
}

/* And for those in a message. As CMSG_NXTHDR(), with sizes that any libc means. */
static void walk_fds(const struct msghdr *message, void (*each)(int fd))
{
	size_t left = message->msg_control ? message_control_size(message) : 0, length, step;

	for (const char *at = message->msg_control; left >= sizeof(struct cmsghdr);
	     at += step, left -= step) {
		const struct cmsghdr *part = (const void *)at;
		length = message_control_length(part);
		if (length < CMSG_LEN(0) || length > left)
			return;
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
			each_fd(at + CMSG_LEN(0), length - CMSG_LEN(0), each);
		step = CMSG_ALIGN(length) < left ? CMSG_ALIGN(length) : left;
	}
}

static void about_to_go(int fd)
{
	deferred_fd_make_real(fd);
	if (shim.settings.reuses)
		parking_shared(fd);
}

static bool has_control(int fd, const struct msghdr *message)
{
	return readable_bytes(fd, message, sizeof(*message)) && message->msg_control &&
	       readable_bytes(fd, message->msg_control, message_control_size(message));
}

void fds_in_message(int fd, const struct msghdr *message)
{
	if (fds_matter() && has_control(fd, message))
		walk_fds(message, about_to_go);
}

COLD void fd_is_held_elsewhere(int fd)
{
	struct held held;

	if (!fdtable_hold(fd, &held))
		return;
	if (shim_enter_held(&shim, &held)) {
		held.tracked->flags |= HELD_ELSEWHERE;
		shim_leave(&shim);
	}
	fdtable_release(&held);
}

COLD void fds_were_sent(const struct msghdr *message)
{
	walk_fds(message, fd_is_held_elsewhere);
}

COLD void fds_may_be_sent(int fd, const struct msghdr *message)
{
	/* A message is no reason to wake: before that no socket is known. */
	if (!atomic_load_explicit(&process_active, memory_order_acquire) || !has_control(fd, message))
		return;
	walk_fds(message, about_to_go);
	walk_fds(message, fd_is_held_elsewhere);
}

COLD void fds_were_received(const struct msghdr *message)
{
	walk_fds(message, fdtable_new_number);
}
