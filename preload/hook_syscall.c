// SPDX-License-Identifier: Apache-2.0
/* hook_syscall - syscall() of libc: the closes that libuv makes by it, seccomp(),
 * landlock_restrict_self(), io_uring_setup(), unshare().
 * trampoline_x86_64.S comes here. */
#include "hooks.h"

#include "closing.h"
#include "fdtable.h"
#include "hook_sandbox.h"
#include "kernel.h"
#include "parking.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

long syscall_on_fds(long number, long a, long b, long c);
long syscall_seccomp(long number, long a, long b, long c);
long syscall_landlock(long number, long a, long b, long c);
long syscall_io_uring(long number, long a, long b, long c);
long syscall_unshare(long number, long a);
long syscall_setns(long number, long a, long b);

static long raw_close(int fd)
{
	struct closing closing;
	bool seen = fdtable_look(fd) && closing_begin(fd, &closing);

	if (seen && closing.ours)
		return -EBADF;
	long rc = kernel_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
	if (seen)
		closing_end(&closing);
	return rc;
}

/* Return: as libc's syscall(), -1 and errno on failure. */
long syscall_on_fds(long number, long a, long b, long c)
{
	int saved = errno;
	long rc;

	switch (number) {
	case SYS_close:
		rc = raw_close((int)a);
		break;
	case SYS_close_range:
		return hook_close_range((unsigned)a, (unsigned)b, (int)c);
	case SYS_dup3:
		return hook_dup3((int)a, (int)b, (int)c);
	default:
		return hook_dup2((int)a, (int)b);
	}
	errno = rc < 0 ? (int)-rc : saved;
	return rc < 0 ? -1 : rc;
}

static long to_errno(long rc)
{
	if (rc < 0)
		errno = (int)-rc;
	return rc < 0 ? -1 : rc;
}

/* SECCOMP_SET_MODE_STRICT and _FILTER; the other operations only ask (seccomp(2)). */
long syscall_seccomp(long number, long a, long b, long c)
{
	bool begun = (a == SECCOMP_SET_MODE_STRICT || a == SECCOMP_SET_MODE_FILTER) && filter_begins();
	long rc = kernel_syscall(number, a, b, c, 0, 0, 0);

	/* With SECCOMP_FILTER_FLAG_TSYNC a thread that could not follow is what is returned. */
	filter_began(begun, rc < 0 || (rc > 0 && b & (long)SECCOMP_FILTER_FLAG_TSYNC));
	return to_errno(rc);
}

/* landlock(7) may take bind() and files away; it answers with EACCES, and kills for nothing. */
long syscall_landlock(long number, long a, long b, long c)
{
	before_sandbox();
	return to_errno(kernel_syscall(number, a, b, c, 0, 0, 0));
}

long syscall_setns(long number, long a, long b)
{
	(void)number;
	return hook_setns((int)a, (int)b);
}

/* What goes over a ring no hook sees: neither bytes, nor epoll_ctl(), nor a recv() that waits (libuv). */
long syscall_io_uring(long number, long a, long b, long c)
{
	long rc = kernel_syscall(number, a, b, c, 0, 0, 0);
	if (rc >= 0)
		parking_off("the program uses io_uring: connections are no longer reused in this process",
			    RETIRED_ROOM);
	else
		errno = (int)-rc;
	return rc < 0 ? -1 : rc;
}

long syscall_unshare(long number, long a)
{
	(void)number;
	return hook_unshare((int)a);
}
