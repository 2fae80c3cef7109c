// SPDX-License-Identifier: Apache-2.0
/* hook_close - close() and its kin, shutdown(). */
#include "closing.h"
#include "fdtable.h"
#include "hook_epoll.h"
#include "hooks.h"
#include "hot.h"
#include "parking.h"
#include "process.h"
#include "socket_facts.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <netinet/tcp.h>

/* Where reuse is on: the number may be an epoll set's. */
APART static int close_other(int fd)
{
	parking_tidy();
	epoll_number_closed(fd);
	return real.close(fd);
}

/* Apart from hook_close(), which then needs no stack of its own for all the numbers that are not ours. */
HOT __attribute__((noinline)) static int close_tracked(int fd)
{
	struct closing closing;

	if (unlikely(!closing_begin(fd, &closing)))
		return shim.settings.reuses ? close_other(fd) : real.close(fd);
	if (unlikely(closing.ours)) {
		errno = EBADF;
		return -1;
	}
	int rc = real.close(fd);
	closing_end(&closing);
	return rc;
}

HOT int hook_close(int fd)
{
	if (fdtable_look(fd))
		return close_tracked(fd);
	if (shim.settings.reuses)
		return close_other(fd);
	return real.close(fd);
}

TWIN(int, __close, (int fd), close)

/* Return: -1 for a stream without an fd. */
static int number_of(FILE *stream)
{
	int saved = errno;
	int fd = stream ? fileno(stream) : -1;
	errno = saved;
	return fd;
}

int hook_fclose(FILE *stream)
{
	struct closing closing;
	int fd = number_of(stream);

	/* What is left in its buffer is still to be sent. */
	if (fd < 0 || !fdtable_look(fd) || !closing_begin_unparked(fd, &closing))
		return real.fclose(stream);
	int rc = real.fclose(stream);
	closing_end(&closing);
	return rc;
}

static void close_all(unsigned first, unsigned last)
{
	struct closing closing;

	if (first > INT_MAX)
		return;
	for (int fd = fdtable_next((int)first); fd >= 0 && (unsigned)fd <= last; fd = fdtable_next(fd + 1))
		if (closing_begin(fd, &closing))
			closing_end(&closing);
}

/* The next number from @first on that a parked connection has; INT_MAX + 1 if there is none. */
static unsigned next_parked(unsigned first)
{
	unsigned found = (unsigned)INT_MAX + 1;

	if (first > INT_MAX || !shim.parked_count || !shim_enter(&shim))
		return found;
	for (int fd = fdtable_next((int)first); fd >= 0 && found > INT_MAX; fd = fdtable_next(fd + 1))
		if (fdtable_look(fd)->state == SOCKET_PARKED)
			found = (unsigned)fd;
	shim_leave(&shim);
	return found;
}

/* Steps round what is parked. */
static int close_between(unsigned first, unsigned last, int flags)
{
	for (;;) {
		unsigned parked = next_parked(first);
		if (parked > last || parked > INT_MAX)
			return real.close_range(first, last, flags);
		if (parked > first && real.close_range(first, parked - 1, flags))
			return -1;
		if (parked == last)
			return 0;
		first = parked + 1;
	}
}

int hook_close_range(unsigned first, unsigned last, int flags)
{
	if (first <= last && !(flags & (int)CLOSE_RANGE_CLOEXEC)) {
		close_all(first, last);
		if (shim.settings.reuses)
			epoll_numbers_closed(first, last);
	}
	return first <= last && shim.parked_count ? close_between(first, last, flags)
						  : real.close_range(first, last, flags);
}

void hook_closefrom(int first)
{
	close_all(first < 0 ? 0 : (unsigned)first, INT_MAX);
	if (shim.settings.reuses)
		epoll_numbers_closed(first < 0 ? 0 : (unsigned)first, INT_MAX);
	/* closefrom() walks /proc where the kernel has no close_range() (closefrom(3)): before 5.9. */
	if (!shim.parked_count || close_between(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0))
		real.closefrom(first);
}

int hook_shutdown(int fd, int how)
{
	struct held held;

	if (!fdtable_hold(fd, &held))
		return real.shutdown(fd, how);
	/* Who sends the first FIN gets the TIME_WAIT (RFC 9293, section 3.6). */
	bool first = how != SHUT_RD && socket_tcp_state(fd) == TCP_ESTABLISHED;
	int rc = real.shutdown(fd, how);
	/* One that is not connected is shut all the same (inet_shutdown(), net/ipv4/af_inet.c). */
	int saved = errno;
	if ((rc == 0 || saved == ENOTCONN) && shim_enter_held(&shim, &held)) {
		held.tracked->flags |= (first ? WAS_SHUT | FIN_SENT_FIRST : WAS_SHUT);
		shim_leave(&shim);
	}
	fdtable_release(&held);
	errno = saved;
	return rc;
}
