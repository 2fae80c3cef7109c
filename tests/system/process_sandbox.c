// SPDX-License-Identifier: Apache-2.0
/* process_sandbox - a client that shuts itself in: seccomp filters, chroot into nothing */
#include "process.h"

#include <err.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a client makes that does nothing but connect and close; the last of them to hold and to end. */
static const int least[] = { SYS_socket, SYS_connect, SYS_close,      SYS_write, SYS_rt_sigtimedwait,
			     SYS_futex,  SYS_exit,    SYS_exit_group, -1 };
/* What any plain client of libc's makes besides: memory, options, data, names. */
static const int plain[] = {
	SYS_setsockopt, SYS_getsockopt, SYS_getsockname, SYS_getpeername,   SYS_bind, SYS_recvfrom,
	SYS_sendto,     SYS_read,       SYS_mmap,        SYS_munmap,        SYS_brk,  SYS_fstat,
	SYS_fcntl,      SYS_ppoll,      SYS_getpid,      SYS_clock_gettime, -1
};
/* Reading small files as resolvers do, and finding interfaces. */
static const int reading[] = { SYS_openat, SYS_newfstatat, SYS_ioctl, SYS_recvmsg, SYS_sendmsg, -1 };

static unsigned allow(struct sock_filter *out, unsigned used, const int *calls)
{
	for (; *calls >= 0; calls++) {
		out[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)*calls, 0, 1);
		out[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	return used;
}

static void filter(const char *which)
{
	struct sock_filter code[128] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	unsigned otherwise = SECCOMP_RET_KILL_PROCESS, used = allow(code, 1, least);

	if (!strcmp(which, "refuse"))
		otherwise = SECCOMP_RET_ERRNO | 1 /* EPERM */;
	else if (strcmp(which, "kill-but-for-least") != 0)
		used = allow(code, used, plain);
	if (!strcmp(which, "kill-but-for-files"))
		used = allow(code, used, reading);
	code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise);
	struct sock_fprog program = { .len = (unsigned short)used, .filter = code };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		err(1, "seccomp");
}

static void use_sockets(void)
{
	int fds[10], closed = 0;

	open_some(fds, 10, MAIN_PORT);
	for (int i = 0; i < 5; i++)
		closed += close(fds[i]) == 0;
	say("closed %d; again fd %d", closed, opened(MAIN_PORT));
}

static void filtered(char **arguments)
{
	filter(arguments[0]);
	use_sockets();
}

static void shut_in(char **arguments)
{
	if (chroot(arguments[0]) || chdir("/"))
		err(1, "chroot");
	use_sockets();
}

const struct process_case sandbox_cases[] = {
	{ "seccomp", filtered },
	{ "chroot", shut_in },
	{ NULL, NULL },
};
