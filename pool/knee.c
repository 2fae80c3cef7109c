// SPDX-License-Identifier: Apache-2.0
/* knee - make the kernel try every port once, so that connect() stays fast past half of the range. */
#include "knee.h"

#include "kernel.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

enum { SMALLEST_WINDOW = 64 };

/* Older kernels may have got the option later: 6.1 has it from 6.1.37 on, without 6.8's scan. A window is
 * right with either scan, so where the release does not promise the new one a window it is. */
enum knee_way knee_way_of_release(const char *release)
{
	char *end;
	unsigned long major = strtoul(release, &end, 10);
	unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return major > 6 || (major == 6 && minor >= 8) ? KNEE_WHOLE_RANGE : KNEE_WINDOW;
}

void knee_start(struct knee *knee)
{
	struct utsname name;
	knee->way = KNEE_WINDOW;
	if (kernel_syscall(SYS_uname, (long)&name, 0, 0, 0, 0, 0) == 0)
		knee->way = knee_way_of_release(name.release);
}

static unsigned windows_of(const struct knee *knee, const struct port_range *range)
{
	if (likely(knee->way != KNEE_WINDOW || !range->high))
		return 1;
	unsigned span = (unsigned)(range->high - range->low) + 1;
	unsigned windows = span / SMALLEST_WINDOW;
	return windows < 1 ? 1 : windows > KNEE_WINDOWS ? KNEE_WINDOWS : windows;
}

COLD bool knee_has_more(const struct knee *knee, struct knee_aid *aid)
{
	if (aid->on)
		return aid->tried && aid->tried < windows_of(knee, &aid->range);
	bool odd = (aid->range.high - aid->range.low) % 2 == 0;
	aid->on = aid->possible && knee->way != KNEE_UNAIDED && odd;
	return aid->on;
}

/* MPTCP had a list of the options it takes, without this one, before it had the option
 * (mptcp_setsockopt_v4(), net/mptcp/sockopt.c): its refusal is not the kernel's. */
COLD static bool kernel_lacks_option(int fd, long rc)
{
	int protocol = 0;
	socklen_t length = sizeof(protocol);

	return rc == -ENOPROTOOPT &&
	       kernel.getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
	       protocol != IPPROTO_MPTCP;
}

HOT bool knee_remove(struct knee *knee, int fd, struct knee_aid *aid)
{
	const struct port_range *range = &aid->range;
	uint32_t low = 1, high = 65535;
	unsigned windows = windows_of(knee, range);

	if (unlikely(knee->way == KNEE_UNAIDED))
		return false;
	if (unlikely(windows > 1)) {
		unsigned span = (unsigned)(range->high - range->low) + 1;
		unsigned window = (aid->random % windows + aid->tried) % windows;
		low = range->low + span * window / windows;
		high = range->low + span * (window + 1) / windows - 1;
	}
	aid->tried++;
	/* Both ends in one word: low half is the lower end (ip(7), IP_LOCAL_PORT_RANGE). */
	uint32_t value = low | high << 16;
	long rc = kernel.setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &value, sizeof(value));
	if (unlikely(rc) && kernel_lacks_option(fd, rc))
		knee->way = KNEE_UNAIDED;
	return rc == 0;
}
