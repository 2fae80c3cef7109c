// SPDX-License-Identifier: Apache-2.0
/* hook_files - calls that make fds: when there is none left for the program, parked connections go. */
#include "fdtable.h"
#include "hooks.h"
#include "hot.h"
#include "parking.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* A number that the kernel gives out was closed, if not where a hook could see it. */
static inline int new_number(int fd)
{
	if (unlikely(fd >= 0 && fdtable_look(fd)))
		fdtable_new_number(fd);
	return fd;
}

static inline int new_numbers(int rc, const int *fds)
{
	if (rc == 0) {
		new_number(fds[0]);
		new_number(fds[1]);
	}
	return rc;
}

#define RETRY_CALL(call)           \
	int rc = (call);           \
	if (parking_made_room(rc)) \
		rc = (call);

#define RETRY(call)      \
	RETRY_CALL(call) \
	return new_number(rc)

#define RETRY_PAIR(call, fds) \
	RETRY_CALL(call)      \
	return new_numbers(rc, fds)

int hook_accept(int fd, struct sockaddr *address, socklen_t *length)
{
	RETRY(real.accept(fd, address, length));
}

int hook_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	RETRY(real.accept4(fd, address, length, flags));
}

int hook_pipe(int *fds)
{
	RETRY_PAIR(real.pipe(fds), fds);
}

TWIN(int, __pipe, (int *fds), pipe)

int hook_pipe2(int *fds, int flags)
{
	RETRY_PAIR(real.pipe2(fds, flags), fds);
}

int hook_socketpair(int family, int type, int protocol, int *fds)
{
	RETRY_PAIR(real.socketpair(family, type, protocol, fds), fds);
}

int hook_epoll_create(int size)
{
	RETRY(real.epoll_create(size));
}

int hook_epoll_create1(int flags)
{
	RETRY(real.epoll_create1(flags));
}

int hook_eventfd(unsigned value, int flags)
{
	RETRY(real.eventfd(value, flags));
}

/* The mode is variadic in libc: on the supported ABIs it arrives where a named argument would. */
int hook_open(const char *path, int flags, mode_t mode)
{
	RETRY(real.open(path, flags, mode));
}

TWIN(int, __open, (const char *path, int flags, mode_t mode), open)

int hook_open64(const char *path, int flags, mode_t mode)
{
	RETRY(real.open64(path, flags, mode));
}

TWIN(int, __open64, (const char *path, int flags, mode_t mode), open64)

int hook_openat(int directory, const char *path, int flags, mode_t mode)
{
	RETRY(real.openat(directory, path, flags, mode));
}

int hook_openat64(int directory, const char *path, int flags, mode_t mode)
{
	RETRY(real.openat64(directory, path, flags, mode));
}
