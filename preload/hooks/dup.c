// SPDX-License-Identifier: Apache-2.0
/* dup - calls that give a socket another fd number: dup() and its kin, fcntl(F_DUPFD). */
#include "preload/hooks/dup.h"

#include "pool/base/kernel.h"
#include "preload/base/fdtable.h"
#include "preload/base/hooks.h"
#include "preload/base/process.h"
#include "preload/fds/closing.h"
#include "preload/hooks/epoll.h"
#include "preload/hooks/owner.h"
#include "preload/parking/parking.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* @copy is a new number of the socket behind @fd. */
static void share(int fd, int copy)
{
	struct held held;
	int saved = errno;

	if (copy < 0 || copy == fd)
		return;
	if (shim.settings.reuses) {
		epoll_number_doubled(fd);
		epoll_number_closed(copy);
	}
	/* What had it was closed unseen: how it ended the copy would tell of itself. dup2() has looked
	 * before. */
	fdtable_new_number(copy);
	if (!fdtable_hold(fd, &held))
		return;
	if (held.tracked->reuse)
		parking_shared(fd);
	if (shim_enter_held(&shim, &held)) {
		held.tracked->references++;
		if (!fdtable_set(copy, held.tracked))
			tracked_put(&shim.sockets, held.tracked);
		shim_leave(&shim);
	}
	fdtable_release(&held);
	errno = saved;
}

int hook_dup(int fd)
{
	int copy = real.dup(fd);
	if (parking_made_room(copy))
		copy = real.dup(fd);
	share(fd, copy);
	return copy;
}

/* Are flags refused that do not exist? The kernel does so before it looks at the numbers (ksys_dup3(),
 * fs/file.c), and musl up to 1.2.4 goes on as dup2() without a look at them (src/unistd/dup3.c): no fd is -1.
 */
static bool refuses(int (*make)(int fd, int target, int flags), int flags)
{
	int saved = errno;
	bool refused = make(-1, 0, flags) < 0 && errno == EINVAL;

	errno = saved;
	return refused;
}

/* Will the kernel close @target? It does nothing if the call fails (do_dup2(), ksys_dup3(), fs/file.c). What
 * is taken out of the table can be put back; what is parked can not, so more is asked then. */
static bool will_replace(int fd, int target, int flags, int (*make)(int fd, int target, int flags))
{
	struct rlimit files;

	if (fd == target || kernel.fcntl(fd, F_GETFD, 0) < 0 || (flags & ~O_CLOEXEC && refuses(make, flags)))
		return false;
	return !shim.settings.reuses ||
	       kernel_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&files, 0, 0) ||
	       (rlim_t)target < files.rlim_cur;
}

/* The number @target is closed first: that may end a connection (Java closes a socket so). */
static int dup_onto(int fd, int target, int flags, int (*make)(int fd, int target, int flags))
{
	struct closing closing;
	bool closes = fdtable_look(target) && will_replace(fd, target, flags, make) &&
		      closing_begin(target, &closing);
	if (closes && closing.ours)
		parking_give_way(target);
	int copy = make(fd, target, flags);

	if (closes && copy < 0)
		closing_undo(target, &closing);
	else if (closes)
		closing_end(&closing);
	if (copy >= 0 && fd != target && shim.settings.reuses)
		epoll_number_closed(target);
	share(fd, copy);
	return copy;
}

static int by_dup2(int fd, int target, int flags)
{
	(void)flags;
	return real.dup2(fd, target);
}

static int by_dup3(int fd, int target, int flags)
{
	return real.dup3(fd, target, flags);
}

static int by_kernel(int fd, int target, int flags)
{
	long rc = kernel_syscall(SYS_dup3, fd, target, flags, 0, 0, 0);
	if (rc < 0)
		errno = (int)-rc;
	return rc < 0 ? -1 : (int)rc;
}

int hook_dup2(int fd, int target)
{
	if (!shim.settings.reuses && !fdtable_look(fd) && !fdtable_look(target))
		return real.dup2(fd, target);
	return dup_onto(fd, target, 0, by_dup2);
}

TWIN(int, __dup2, (int fd, int target), dup2)

int hook_dup3(int fd, int target, int flags)
{
	if (!shim.settings.reuses && !fdtable_look(fd) && !fdtable_look(target))
		return real.dup3(fd, target, flags);
	return dup_onto(fd, target, flags, by_dup3);
}

int dup3_by_number(int fd, int target, int flags)
{
	if (!shim.settings.reuses && !fdtable_look(fd) && !fdtable_look(target))
		return by_kernel(fd, target, flags);
	return dup_onto(fd, target, flags, by_kernel);
}

/* The third argument is variadic in libc: on the supported ABIs it arrives where a named one would. */
int hook_fcntl(int fd, int command, long argument)
{
	int rc = real.fcntl(fd, command, argument);
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) {
		if (parking_made_room(rc))
			rc = real.fcntl(fd, command, argument);
		share(fd, rc);
	} else if (fdtable_look(fd)) {
		owner_by_fcntl(fd, command);
	}
	return rc;
}

TWIN(int, __fcntl, (int fd, int command, long argument), fcntl)

int hook_fcntl64(int fd, int command, long argument)
{
	int rc = real.fcntl64(fd, command, argument);
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) {
		if (parking_made_room(rc))
			rc = real.fcntl64(fd, command, argument);
		share(fd, rc);
	} else if (fdtable_look(fd)) {
		owner_by_fcntl(fd, command);
	}
	return rc;
}
