// SPDX-License-Identifier: Apache-2.0
/* option_log - which socket options a program set, so that another socket can be given the same. */
#include "pool/reuse/option_log.h"

#include "pool/base/kernel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#ifndef TCP_NOTSENT_LOWAT
#define TCP_NOTSENT_LOWAT 25
#endif

/* socket(7), ip(7), ipv6(7), tcp(7). What is not `final` can be set to any value at any time, its default
 * included. TCP_QUICKACK is not here though common: it is a hint that the kernel itself drops soon. */
static const struct row {
	int level, name;
	bool final; /* once set, only a socket with the same value is alike */
} rows[] = {
	{ SOL_SOCKET, SO_KEEPALIVE, false },
	{ SOL_SOCKET, SO_LINGER, true }, /* off, it still shows the time it had (sock_setsockopt()) */
	{ SOL_SOCKET, SO_RCVTIMEO, false },
	{ SOL_SOCKET, SO_SNDTIMEO, false },
	{ SOL_SOCKET, SO_RCVLOWAT, false },
	{ SOL_SOCKET, SO_OOBINLINE, false },
	{ SOL_SOCKET, SO_PRIORITY, true }, /* setting it back may need CAP_NET_ADMIN */
	{ SOL_SOCKET, SO_MARK, true },
	{ SOL_SOCKET, SO_SNDBUF, true },
	{ SOL_SOCKET, SO_RCVBUF, true },
	{ SOL_SOCKET, SO_REUSEADDR, true },
	{ IPPROTO_TCP, TCP_NODELAY, false },
	{ IPPROTO_TCP, TCP_CORK, false },
	{ IPPROTO_TCP, TCP_KEEPIDLE, false },
	{ IPPROTO_TCP, TCP_KEEPINTVL, false },
	{ IPPROTO_TCP, TCP_KEEPCNT, false },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, false },
	{ IPPROTO_TCP, TCP_SYNCNT, true },
	{ IPPROTO_TCP, TCP_MAXSEG, true },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, true },
	{ IPPROTO_TCP, TCP_CONGESTION, true },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, false },
	{ IPPROTO_IP, IP_TOS, true }, /* sets SO_PRIORITY, too (__ip_sock_set_tos()) */
	{ IPPROTO_IPV6, IPV6_TCLASS, false },
	{ IPPROTO_IPV6, IPV6_V6ONLY, true },
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == OPTIONS_KNOWN, "a row for each option");
_Static_assert(OPTIONS_KNOWN <= 32, "a bit for each option");

void option_log_note(struct option_log *log, int level, int name, const void *value, socklen_t length)
{
	if (level == IPPROTO_TCP && name == TCP_QUICKACK)
		return;
	for (unsigned i = 0; i < OPTIONS_KNOWN; i++) {
		if (rows[i].level != level || rows[i].name != name)
			continue;
		/* What is longer was cut by the kernel too, but not to a length we know. */
		if (length > OPTION_VALUE_MAX)
			break;
		log->set |= 1u << i;
		log->length[i] = (uint8_t)length;
		if (length)
			memcpy(log->value[i], value, length);
		return;
	}
	log->others = true;
}

static bool same(const struct option_log *a, const struct option_log *b, unsigned i)
{
	return a->set >> i & 1 && b->set >> i & 1 && a->length[i] == b->length[i] &&
	       !memcmp(a->value[i], b->value[i], a->length[i]);
}

bool option_log_has(const struct option_log *log, int level, int name)
{
	for (unsigned i = 0; i < OPTIONS_KNOWN; i++)
		if (rows[i].level == level && rows[i].name == name)
			return log->set >> i & 1;
	return false;
}

bool option_log_can_become(const struct option_log *from, const struct option_log *to)
{
	if (from->others || to->others)
		return false;
	for (uint32_t left = from->set | to->set; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		if (rows[i].final && !same(from, to, i))
			return false;
	}
	return true;
}

long option_log_copy(int fd, struct option_log *log, int fresh, const struct option_log *wanted)
{
	for (uint32_t left = log->set | wanted->set; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		uint8_t value[OPTION_VALUE_MAX];
		socklen_t length = sizeof(value);
		if (same(log, wanted, i))
			continue;
		long rc = kernel.getsockopt(fresh, rows[i].level, rows[i].name, value, &length);
		if (!rc)
			rc = kernel.setsockopt(fd, rows[i].level, rows[i].name, value, length);
		if (rc)
			return rc;
	}
	option_log_assign(log, wanted);
	return 0;
}

long option_log_replay(int fd, const struct option_log *log)
{
	for (uint32_t left = log->set; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		long rc = kernel.setsockopt(fd, rows[i].level, rows[i].name, log->value[i], log->length[i]);
		if (rc)
			return rc;
	}
	return 0;
}
