// SPDX-License-Identifier: Apache-2.0
/* files - calls that make fds: when there is none left for the program, parked connections go. */
#include "pool/base/hot.h"
#include "preload/base/fdtable.h"
#include "preload/base/hooks.h"
#include "preload/hooks/epoll.h"
#include "preload/parking/parking.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

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
	RETRY_CALL(real.epoll_create(size))
	new_number(rc);
	epoll_number_made(rc);
	return rc;
}

int hook_epoll_create1(int flags)
{
	RETRY_CALL(real.epoll_create1(flags))
	new_number(rc);
	epoll_number_made(rc);
	return rc;
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

int hook_timerfd_create(int clock, int flags)
{
	RETRY(real.timerfd_create(clock, flags));
}

int hook_signalfd(int fd, const sigset_t *mask, int flags)
{
	RETRY(real.signalfd(fd, mask, flags));
}

int hook_inotify_init(void)
{
	RETRY(real.inotify_init());
}

int hook_inotify_init1(int flags)
{
	RETRY(real.inotify_init1(flags));
}

int hook_memfd_create(const char *name, unsigned flags)
{
	RETRY(real.memfd_create(name, flags));
}

int hook_creat(const char *path, mode_t mode)
{
	RETRY(real.creat(path, mode));
}

int hook_creat64(const char *path, mode_t mode)
{
	RETRY(real.creat64(path, mode));
}

int hook_posix_openpt(int flags)
{
	RETRY(real.posix_openpt(flags));
}

/* These change their argument when they try, so what is parked goes before. */
int hook_mkstemp(char *pattern)
{
	parking_room_for_files();
	return real.mkstemp(pattern);
}

int hook_mkstemp64(char *pattern)
{
	parking_room_for_files();
	return real.mkstemp64(pattern);
}

int hook_mkostemp(char *pattern, int flags)
{
	parking_room_for_files();
	return real.mkostemp(pattern, flags);
}

int hook_mkostemp64(char *pattern, int flags)
{
	parking_room_for_files();
	return real.mkostemp64(pattern, flags);
}

#define RETRY_POINTER(type, call)             \
	type *made = (call);                  \
	if (parking_made_room(made ? 0 : -1)) \
		made = (call);                \
	return made

FILE *hook_fopen(const char *path, const char *mode)
{
	RETRY_POINTER(FILE, real.fopen(path, mode));
}

FILE *hook_fopen64(const char *path, const char *mode)
{
	RETRY_POINTER(FILE, real.fopen64(path, mode));
}

FILE *hook_tmpfile(void)
{
	RETRY_POINTER(FILE, real.tmpfile());
}

FILE *hook_tmpfile64(void)
{
	RETRY_POINTER(FILE, real.tmpfile64());
}

DIR *hook_opendir(const char *path)
{
	RETRY_POINTER(DIR, real.opendir(path));
}

/* What it cannot open it passes over, with another answer. */
int hook_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		     struct addrinfo **results)
{
	parking_room_for_files();
	return real.getaddrinfo(node, service, hints, results);
}
