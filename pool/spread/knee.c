// SPDX-License-Identifier: Apache-2.0
/* knee - make the kernel try every port once, so that connect() stays fast past half of the range. */
#include "pool/spread/knee.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/socket/binding.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

enum { SMALLEST_WINDOW = 64 };

/* Older kernels may have got the option later: 6.1 has it from 6.1.37 on, without 6.8's scan. A window is
 * right with either scan, so where the release does not promise the new one a window it is. */
enum knee_way knee_way_of_release(const char *release)
{
	uint64_t major = kernel_number(&release), minor = *release++ == '.' ? kernel_number(&release) : 0;

	return major > 6 || (major == 6 && minor >= 8) ? KNEE_WHOLE_RANGE : KNEE_WINDOW;
}

ONCE void knee_start(struct knee *knee)
{
	struct utsname name;
	knee->way = KNEE_WINDOW;
	if (kernel_syscall(SYS_uname, (long)&name, 0, 0, 0, 0, 0) == 0)
		knee->way = knee_way_of_release(name.release);
}

struct window {
	uint32_t low, high;
};

static unsigned windows_of(const struct knee *knee, const struct port_range *range)
{
	if (likely(knee->way != KNEE_WINDOW || !range->high))
		return 1;
	unsigned span = (unsigned)(range->high - range->low) + 1;
	unsigned windows = span / SMALLEST_WINDOW;
	return windows < 1 ? 1 : windows > KNEE_WINDOWS ? KNEE_WINDOWS : windows;
}

/* Of the range in windows. An end of 1 or 65535 stands for that of the range. */
static struct window window_of(const struct port_range *range, unsigned windows, unsigned i)
{
	unsigned span = (unsigned)(range->high - range->low) + 1;

	if (likely(windows == 1))
		return (struct window){ 1, 65535 };
	return (struct window){ range->low + span * i / windows, range->low + span * (i + 1) / windows - 1 };
}

/* The parts of the range when one port is to be the last: what is below it and what is above, from a random
 * one on, then it. At an end of the range there is one part less. */
static unsigned parts_of(const struct knee_aid *aid, struct window parts[3])
{
	const struct port_range *range = &aid->range;
	unsigned count = 0;

	if (aid->last > range->low)
		parts[count++] = (struct window){ range->low, aid->last - 1u };
	if (aid->last < range->high)
		parts[count++] = (struct window){ aid->last + 1u, range->high };
	if (count == 2 && aid->random % 2) {
		struct window first = parts[0];
		parts[0] = parts[1];
		parts[1] = first;
	}
	parts[count++] = (struct window){ aid->last, aid->last };
	return count;
}

/* Windows in turn from a random one on; the one with the port that is to be the last is the last. */
static struct window next_window(const struct knee_aid *aid, unsigned windows)
{
	unsigned start = aid->random % windows, last = windows;

	for (unsigned i = 0; aid->last && i < windows; i++) {
		struct window w = window_of(&aid->range, windows, i);
		if (w.low <= aid->last && aid->last <= w.high)
			last = i;
	}
	if (last == windows)
		return window_of(&aid->range, windows, (start + aid->tried) % windows);
	unsigned others = windows - 1, n = aid->tried % windows;
	return window_of(&aid->range, windows,
			 n == others ? last : (last + 1 + (start + n) % others) % windows);
}

/* A connection to 0.0.0.0 or :: is one to loopback. */
COLD bool knee_may_be_local(const struct endpoint *to, const struct address *source)
{
	return !source || address_is_unset(source) || address_equal(source, &to->ip) ||
	       address_is_unset(&to->ip);
}

COLD uint16_t knee_keeps_for_last(const struct endpoint *to, const struct address *source,
				  const struct port_range *range)
{
	bool in_range = to->port >= range->low && to->port <= range->high;

	return in_range && knee_may_be_local(to, source) ? to->port : 0;
}

bool knee_is_whole(const struct knee *knee, const struct knee_aid *aid)
{
	return !aid->last && windows_of(knee, &aid->range) == 1;
}

static unsigned rounds_of(const struct knee *knee, const struct knee_aid *aid)
{
	unsigned windows = windows_of(knee, &aid->range);
	struct window parts[3];

	return unlikely(aid->last) && windows == 1 ? parts_of(aid, parts) : windows;
}

COLD bool knee_has_more(const struct knee *knee, struct knee_aid *aid)
{
	if (aid->on)
		return aid->tried && aid->tried < rounds_of(knee, aid);
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
	unsigned windows = windows_of(knee, &aid->range);
	struct window window = { 1, 65535 }, parts[3];

	if (unlikely(knee->way == KNEE_UNAIDED))
		return false;
	if (unlikely(windows > 1))
		window = next_window(aid, windows);
	else if (unlikely(aid->last))
		window = parts[parts_of(aid, parts) > aid->tried ? aid->tried : 0];
	aid->tried++;
	long rc = binding_set_range(fd, window.low | window.high << 16);
	if (unlikely(rc) && kernel_lacks_option(fd, rc))
		knee->way = KNEE_UNAIDED;
	return rc == 0;
}
