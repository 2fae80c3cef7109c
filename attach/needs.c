// SPDX-License-Identifier: Apache-2.0
/* needs - what this machine and this user lack for attaching. */
#include "attach/needs.h"

#include "attach/target.h"

#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The programs pass pointers to functions of their own that are verified alone (5.12), and look at a socket's
 * storage in the tracepoint (5.11). SO_REUSEADDR from a connect program: 6.1. A socket's cgroup is a plain
 * pointer since 5.16 (struct sock_cgroup_data). */
enum { VERSION_CHOICE = 5 << 8 | 12, VERSION_WALKS = 5 << 8 | 16, VERSION_OWN_PORTS = 6 << 8 | 1 };

static bool has(unsigned long long have, int capability)
{
	return have >> capability & 1 || have >> CAP_SYS_ADMIN & 1;
}

/* bpf() asks for rights of the machine (capable(), kernel/bpf/syscall.c): those of a user namespace of one's
 * own are none. */
static bool is_in_user_namespace(void)
{
	unsigned long inside = 0, outside = 0, count = 0;
	FILE *map = fopen("/proc/self/uid_map", "re");
	bool is = map && fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3 &&
		  (inside || outside || count != UINT32_MAX);

	if (map)
		fclose(map);
	return is;
}

bool attach_lacks_rights(char *reason)
{
	unsigned long long have = 0;
	char line[256];
	FILE *status = fopen("/proc/self/status", "re");

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "CapEff: %llx", &have) == 1)
			break;
	if (status)
		fclose(status);
	const char *lacks = !has(have, CAP_BPF)            ? "CAP_BPF"
			    : !(have >> CAP_NET_ADMIN & 1) ? "CAP_NET_ADMIN"
			    : !has(have, CAP_PERFMON)      ? "CAP_PERFMON"
							   : NULL;
	if (lacks)
		snprintf(reason, ATTACH_REASON_MAX,
			 "needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON: %s is missing", lacks);
	else if (is_in_user_namespace())
		snprintf(reason, ATTACH_REASON_MAX,
			 "needs root of the machine: in a user namespace its rights do not count");
	return lacks || is_in_user_namespace();
}

static bool is_at_least(unsigned wanted, struct utsname *kernel)
{
	unsigned major = 0, minor = 0;

	return !uname(kernel) && sscanf(kernel->release, "%u.%u", &major, &minor) == 2 &&
	       (major << 8 | minor) >= wanted;
}

bool attach_walks(void)
{
	struct utsname kernel;

	return is_at_least(VERSION_WALKS, &kernel);
}

bool attach_lacks(bool own_ports, char *reason)
{
	struct utsname kernel = { 0 };
	char mount[PATH_MAX];

	if (attach_lacks_rights(reason))
		return true;
	if (!is_at_least(own_ports ? VERSION_OWN_PORTS : VERSION_CHOICE, &kernel)) {
		snprintf(reason, ATTACH_REASON_MAX, "needs Linux %s: this is %s",
			 own_ports ? "6.1 for --own-ports" : "5.12", kernel.release);
		return true;
	}
	if (!attach_cgroup_mount(mount)) {
		snprintf(reason, ATTACH_REASON_MAX, "needs cgroup v2: it is not mounted here");
		return true;
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		snprintf(reason, ATTACH_REASON_MAX,
			 "needs the kernel's type information, CONFIG_DEBUG_INFO_BTF: there is no "
			 "/sys/kernel/btf/vmlinux");
		return true;
	}
	return false;
}
