// SPDX-License-Identifier: Apache-2.0
/* trial - would this process be killed for a system call? A child tries them and may die of it. */
#include "pool/base/trial.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { SIGNAL_SET_BYTES = 8 };

struct call {
	short number;
	long a, b, c, d;
};

/* tests/system/test_restraint.py holds this against what the shim's sources call. */
static const struct call calls[] = {
	/* On sockets, with the arguments that a filter may look at. */
	{ SYS_setsockopt, -1, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, 0 },
	{ SYS_setsockopt, -1, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, 0 },
	{ SYS_setsockopt, -1, SOL_SOCKET, SO_ATTACH_FILTER, 0 },
	{ SYS_setsockopt, -1, IPPROTO_TCP, TCP_NODELAY, 0 },
	{ SYS_getsockopt, -1, SOL_SOCKET, SO_TYPE, 0 },
	{ SYS_getsockopt, -1, SOL_SOCKET, 57 /* SO_COOKIE */, 0 },
	{ SYS_getsockopt, -1, IPPROTO_TCP, TCP_INFO, 0 },
	{ SYS_bind, -1, 0, 0, 0 },
	{ SYS_connect, -1, 0, 0, 0 },
	{ SYS_listen, -1, 0, 0, 0 },
	{ SYS_shutdown, -1, SHUT_WR, 0, 0 },
	{ SYS_getsockname, -1, 0, 0, 0 },
	{ SYS_ioctl, -1, SIOCINQ, 0, 0 },
	{ SYS_ioctl, -1, TIOCGPGRP, 0, 0 },
	{ SYS_ioctl, -1, TCGETS, 0, 0 },
	{ SYS_sendto, -1, 0, 0, MSG_NOSIGNAL },
	{ SYS_recvfrom, -1, 0, 0, MSG_DONTWAIT | MSG_PEEK },
	{ SYS_ppoll, 0, 0, 1 /* no address: without a time it would wait */, 0 },
	{ SYS_epoll_ctl, -1, 0, -1, 0 },
	{ SYS_dup3, -1, -1, O_CLOEXEC, 0 },
	{ SYS_fcntl, -1, F_GETFL, 0, 0 },
	{ SYS_fcntl, -1, F_SETFL, 0, 0 },
	{ SYS_fcntl, -1, F_GETFD, 0, 0 },
	{ SYS_fcntl, -1, F_DUPFD_CLOEXEC, 0, 0 },
	{ SYS_fcntl, -1, F_OFD_SETLK, 0, 0 },
	{ SYS_fcntl, -1, F_OFD_GETLK, 0, 0 },
	{ SYS_close, -1, 0, 0, 0 },
	/* On files and memory. */
	{ SYS_openat, -1, 0, O_RDONLY | O_CLOEXEC, 0 },
	{ SYS_openat, -1, 0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600 },
	{ SYS_read, -1, 0, 0, 0 },
	{ SYS_pread64, -1, 0, 0, 0 },
	{ SYS_write, -1, 0, 0, 0 },
	{ SYS_pwrite64, -1, 0, 0, 0 },
	{ SYS_fstat, -1, 0, 0, 0 },
	{ SYS_newfstatat, -1, 0, 0, 0 },
#if defined(SYS_access)
	{ SYS_access, 0, 0, 0, 0 },
#else
	{ SYS_faccessat, -1, 0, 0, 0 },
#endif
	{ SYS_fstatfs, -1, 0, 0, 0 },
	{ SYS_lseek, -1, 0, 0, 0 },
	{ SYS_getdents64, -1, 0, 0, 0 },
	{ SYS_fchmod, -1, 0, 0, 0 },
	{ SYS_ftruncate, -1, 0, 0, 0 },
	{ SYS_fallocate, -1, 0, 0, 0 },
	{ SYS_linkat, -1, 0, -1, 0 },
	{ SYS_mkdirat, -1, 0, 0, 0 },
	{ SYS_unlinkat, -1, 0, 0, 0 },
	{ SYS_utimensat, -1, 0, 0, 0 },
	{ SYS_mmap, 0, 0, PROT_READ | PROT_WRITE, MAP_SHARED },
	{ SYS_munmap, 0, 0, 0, 0 },
	{ SYS_mprotect, 0, 0, PROT_NONE, 0 },
	{ SYS_madvise, 0, 0, MADV_DONTNEED, 0 },
	/* On the process. */
	{ SYS_getpid, 0, 0, 0, 0 },
	{ SYS_tgkill, 0, 0, 0, 0 },
	{ SYS_geteuid, 0, 0, 0, 0 },
	{ SYS_getpgid, 0, 0, 0, 0 },
	{ SYS_prctl, PR_GET_SECCOMP, 0, 0, 0 },
	{ SYS_prlimit64, 0, 0, 0, 0 },
	{ SYS_rt_sigprocmask, SIG_SETMASK, 0, 0, SIGNAL_SET_BYTES },
	{ SYS_uname, 0, 0, 0, 0 },
	{ SYS_clock_gettime, -1, 0, 0, 0 },
	{ SYS_futex, 0, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 0, 0 },
	{ SYS_waitid, P_PID, 0, 0, WEXITED | WNOHANG },
	{ SYS_clone, CLONE_THREAD | CLONE_VM /* not without CLONE_SIGHAND: none is made */, 0, 0, 0 },
};

static _Noreturn void end(long status)
{
	for (;;)
		kernel_syscall(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

static void try_calls(void)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		kernel_syscall(calls[i].number, calls[i].a, calls[i].b, calls[i].c, calls[i].d, 0, 0);
	end(0);
}

static void try_netlink(void)
{
	end(kernel_syscall(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0, 0, 0, 0) < 0);
}

/* With all signals blocked, so that the child runs no handler of the program's. */
COLD static enum trial run(void (*what)(void))
{
	uint64_t all = ~0ull, before = 0;
	int status = -1;
	long rc;

	kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, SIGNAL_SET_BYTES, 0, 0);
	long child = kernel_syscall(SYS_clone, 0, 0, 0, 0, 0, 0);
	if (!child)
		what();
	kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, SIGNAL_SET_BYTES, 0, 0);
	if (child < 0)
		return TRIAL_UNKNOWN;
	do
		rc = kernel_syscall(SYS_wait4, child, (long)&status, __WALL, 0, 0, 0);
	while (rc == -EINTR);
	if (rc != child)
		return TRIAL_UNKNOWN;
	return WIFSIGNALED(status) ? TRIAL_DIED : WEXITSTATUS(status) ? TRIAL_UNKNOWN : TRIAL_PASSED;
}

enum trial trial_of_calls(void)
{
	return run(try_calls);
}

enum trial trial_of_netlink(void)
{
	return run(try_netlink);
}
