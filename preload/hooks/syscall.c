// SPDX-License-Identifier: Apache-2.0
/* syscall - syscall() of libc: what a program does by it that a hook of its name would see.
 * trampoline_*.S comes here. */
#include "preload/base/hooks.h"

#include "pool/base/kernel.h"
#include "preload/base/fdtable.h"
#include "preload/base/process.h"
#include "preload/base/syscalls.h"
#include "preload/fds/closing.h"
#include "preload/fds/deferred.h"
#include "preload/hooks/dup.h"
#include "preload/hooks/epoll.h"
#include "preload/hooks/owner.h"
#include "preload/hooks/process.h"
#include "preload/hooks/sandbox.h"
#include "preload/parking/parking.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>

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
	if (!seen && shim.settings.reuses)
		epoll_number_closed(fd);
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
		return dup3_by_number((int)a, (int)b, (int)c);
	default: /* SYS_dup2, which aarch64 has not */
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
	parking_stand_back_for_thread();
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

/* A bit for each number that before_syscall() wants to know of. */
extern uint64_t syscall_seen[SYSCALL_BITS / 64] __attribute__((visibility("hidden")));

/* aarch64 has fewer (asm-generic/unistd.h). */
#if !defined(SYS_fork)
#define SYS_fork (-1)
#endif
#if !defined(SYS_vfork)
#define SYS_vfork (-2)
#endif

#define BIT(word, number) ((number) >= 0 && (number) / 64 == (word) ? 1ull << ((number)&63) : 0)
#define WORD(word)                                                                                           \
	[word] = BIT(word, SYS_dup) | BIT(word, SYS_fcntl) | BIT(word, SYS_ioctl) | BIT(word, SYS_sendmsg) | \
		 BIT(word, SYS_sendmmsg) | BIT(word, SYS_epoll_ctl) | BIT(word, SYS_fork) |                  \
		 BIT(word, SYS_vfork) | BIT(word, SYS_clone) | BIT(word, SYS_clone3) |                       \
		 BIT(word, SYS_execve) | BIT(word, SYS_execveat) | BIT(word, SYS_setuid) |                   \
		 BIT(word, SYS_setgid) | BIT(word, SYS_setreuid) | BIT(word, SYS_setregid) |                 \
		 BIT(word, SYS_setresuid) | BIT(word, SYS_setresgid) | BIT(word, SYS_setgroups) |            \
		 BIT(word, SYS_setfsuid) | BIT(word, SYS_setfsgid) | BIT(word, SYS_capset) |                 \
		 BIT(word, SYS_prctl) | BIT(word, SYS_chroot) | BIT(word, SYS_pivot_root)

uint64_t syscall_seen[SYSCALL_BITS / 64] = { WORD(0), WORD(1), WORD(2), WORD(3),
					     WORD(4), WORD(5), WORD(6), WORD(7) };

void before_syscall(long number, long a, long b, long c); /* called by trampoline_*.S */

/* The kernel takes no more (__sys_sendmmsg(), net/socket.c). */
static void messages_with_fds(int fd, const struct mmsghdr *messages, unsigned count)
{
	for (unsigned i = 0; messages && i < count && i < UIO_MAXIOV; i++)
		fds_may_be_sent(fd, &messages[i].msg_hdr);
}

/* The call itself follows, whatever is done here. */
COLD void before_syscall(long number, long a, long b, long c)
{
	int saved = errno;

	switch (number) {
	case SYS_ioctl:
		owner_by_ioctl((int)a, (unsigned long)b);
		break;
	case SYS_fcntl:
		owner_by_fcntl((int)a, (int)b);
		if (b != F_DUPFD && b != F_DUPFD_CLOEXEC)
			break;
		__attribute__((fallthrough));
	case SYS_dup:
		/* Which number the copy gets is not seen: the socket stays open when this one is closed. */
		fd_is_held_elsewhere((int)a);
		if (!shim.settings.reuses)
			break;
		epoll_number_doubled((int)a);
		if (fdtable_look((int)a))
			parking_shared((int)a);
		break;
	case SYS_epoll_ctl:
		if (shim.settings.reuses && fdtable_look((int)c))
			parking_watches_unknown((int)c);
		break;
	case SYS_sendmsg:
		fds_may_be_sent((int)a, (const struct msghdr *)b);
		break;
	case SYS_sendmmsg:
		messages_with_fds((int)a, (const struct mmsghdr *)b, (unsigned)c);
		break;
	case SYS_fork:
	case SYS_clone:
	case SYS_clone3:
		before_raw_fork(number, (unsigned long)a);
		break;
	case SYS_vfork:
	case SYS_execve:
	case SYS_execveat:
		others_will_see();
		break;
	case SYS_chroot:
		before_sandbox();
		break;
	case SYS_prctl:
		before_prctl((int)a);
		break;
	case SYS_pivot_root:
		parking_stand_back();
		break;
	default: /* by number, setuid() and kin are for the thread alone */
		parking_stand_back_for_thread();
	}
	errno = saved;
}
