// SPDX-License-Identifier: Apache-2.0
/* identity - what tells a process from all others: its pid, when that was its own, its namespaces. */
#include "pool/segment/identity.h"

#include "pool/base/kernel.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t usage_start_ticks(const char *stat)
{
	/* The name in field 2 may hold spaces and brackets; the fields go on after the last one (proc(5)). */
	const char *at = NULL;

	for (const char *c = stat; *c; c++)
		if (*c == ')')
			at = c;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? kernel_number(&at) : 0;
}

uint64_t usage_namespace(const char *path)
{
	struct stat st;

	if (kernel_syscall(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, 0, 0, 0))
		return 0;
	return st.st_ino;
}

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* from Linux 5.14, asm-generic/socket.h */
#endif

uint64_t usage_network_cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	return kernel.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) ? 0 : cookie;
}

uint64_t usage_network_cookie(void)
{
	long fd = kernel_private_fd(kernel.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	if (fd < 0)
		return 0;
	uint64_t cookie = usage_network_cookie_of((int)fd);
	kernel.close((int)fd);
	return cookie;
}

uint64_t usage_network_namespace(void)
{
	return usage_namespace("/proc/self/ns/net");
}

void usage_identify_network(uint64_t *inode, uint64_t *cookie)
{
	*inode = usage_network_namespace();
	*cookie = usage_network_cookie();
}

void usage_identify(struct usage_header *header)
{
	header->pid = (uint32_t)kernel.getpid();
	header->uid = (uint32_t)kernel_syscall(SYS_geteuid, 0, 0, 0, 0, 0, 0);
	header->pid_namespace = usage_namespace("/proc/self/ns/pid");
	if (!header->network_cookie)
		header->network_cookie = usage_network_cookie();
	if (!header->network_namespace)
		header->network_namespace = usage_network_namespace();
	long got = kernel_read_file("/proc/self/cmdline", header->command, sizeof(header->command));
	if (got < 0)
		memset(header->command, 0, sizeof(header->command));
}
