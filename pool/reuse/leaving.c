// SPDX-License-Identifier: Apache-2.0
/* leaving - end a connection as a guest does: by FIN, as any client, and without a TIME_WAIT. */
#include "pool/reuse/leaving.h"

#include "pool/base/kernel.h"

#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55 /* from Linux 4.12 */
#endif

static uint32_t drops(int fd)
{
	uint32_t numbers[SK_MEMINFO_VARS] = { 0 };
	socklen_t length = sizeof(numbers);

	return kernel.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, numbers, &length) ? 0
									       : numbers[SK_MEMINFO_DROPS];
}

bool leaving_begins(int fd)
{
	/* RFC 9293, 3.1: the length of the header is in the upper four bits, in words of four bytes. */
	enum { OFFSET_AT = 12, OFFSET_MASK = 0x3c, FLAGS_AT = 13, FIN = 1 };
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FIN, 0, 7),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, OFFSET_AT),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 2),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, OFFSET_MASK),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (drops(fd) || kernel.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		return false;
	return kernel_syscall(SYS_shutdown, fd, SHUT_WR, 0, 0, 0, 0) == 0;
}

void leaving_given_up(int fd)
{
	int unused = 0;

	kernel.setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
}

bool leaving_is_over(int fd)
{
	return drops(fd);
}
