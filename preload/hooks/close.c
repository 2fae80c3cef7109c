// SPDX-License-Identifier: Apache-2.0
/* close - close() and its kin, shutdown(). */
#include "pool/base/hot.h"
#include "pool/connect/ending.h"
#include "pool/libc/threads.h"
#include "pool/socket/facts.h"
#include "preload/base/fdtable.h"
#include "preload/base/hooks.h"
#include "preload/base/process.h"
#include "preload/fds/closing.h"
#include "preload/fds/numbers.h"
#include "preload/hooks/epoll.h"
#include "preload/parking/parking.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <netinet/tcp.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2) /* from Linux 5.11 */
#endif

/* Where reuse is on: the number may be an epoll set's. */
APART static int close_other(int fd)
{
	parking_tidy();
	epoll_number_closed(fd);
	return real.close(fd);
}

static long call_close(void *argument)
{
	return real.close(*(const int *)argument);
}

/* Apart from hook_close(), which then needs no stack of its own for all the numbers that are not ours. */
HOT __attribute__((noinline)) static int close_tracked(int fd)
{
	struct closing closing;

	/* What is parked cannot be taken back. */
	if (unlikely(shim.settings.reuses) && !threads_is_one())
		threads_test_cancel();
	if (unlikely(!closing_begin(fd, &closing)))
		return shim.settings.reuses ? close_other(fd) : real.close(fd);
	if (unlikely(closing.ours)) {
		errno = EBADF;
		return -1;
	}
	if (!threads_is_one())
		return (int)closing_call(fd, &closing, call_close, &fd);
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

struct stream_call {
	FILE *stream, *result;
	const char *path, *mode;
	bool large;
};

static long call_fclose(void *argument)
{
	const struct stream_call *c = argument;
	return real.fclose(c->stream);
}

static long call_freopen(void *argument)
{
	struct stream_call *c = argument;
	c->result = (c->large ? real.freopen64 : real.freopen)(c->path, c->mode, c->stream);
	return 0;
}

/* The stream's number is closed whatever comes of the call (fclose(3), freopen(3)). */
static long close_stream(struct stream_call *call, long (*close_it)(void *))
{
	struct closing closing;
	int fd = number_of(call->stream);

	/* What is left in its buffer is still to be sent: no parking. */
	if (fd < 0 || !fdtable_look(fd) || !closing_begin_unparked(fd, &closing))
		return close_it(call);
	return closing_call(fd, &closing, close_it, call);
}

int hook_fclose(FILE *stream)
{
	struct stream_call call = { .stream = stream };
	return (int)close_stream(&call, call_fclose);
}

FILE *hook_freopen(const char *path, const char *mode, FILE *stream)
{
	struct stream_call call = { .stream = stream, .path = path, .mode = mode };
	close_stream(&call, call_freopen);
	return call.result;
}

FILE *hook_freopen64(const char *path, const char *mode, FILE *stream)
{
	struct stream_call call = { .stream = stream, .path = path, .mode = mode, .large = true };
	close_stream(&call, call_freopen);
	return call.result;
}

static bool any_between(unsigned first, unsigned last)
{
	int fd = first > INT_MAX ? -1 : fdtable_next((int)first);
	return fd >= 0 && (unsigned)fd <= last;
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

	if (first > INT_MAX || !shim.reusing.parked_count || !shim_enter(&shim))
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

/* Is there such a call (Linux 5.9), and may the program make it? Asked of a range that no number is in. */
static bool close_range_works(void)
{
	return !real.close_range(UINT_MAX, UINT_MAX, 0);
}

int hook_close_range(unsigned first, unsigned last, int flags)
{
	int saved = errno;

	if (first > last || flags & ~(int)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || !process_is_ours())
		return real.close_range(first, last, flags);
	bool parts = flags & (int)CLOSE_RANGE_UNSHARE;
	bool closes =
		!(flags & (int)CLOSE_RANGE_CLOEXEC) && (shim.settings.reuses || any_between(first, last));
	if (!(parts || closes) || !close_range_works())
		return real.close_range(first, last, flags);
	errno = saved;
	if (parts && numbers_will_part()) {
		int rc = real.close_range(first, last, flags);
		numbers_parted(rc == 0);
		return rc;
	}
	if (!closes)
		return real.close_range(first, last, flags);
	close_all(first, last);
	if (shim.settings.reuses)
		epoll_numbers_closed(first, last);
	return shim.reusing.parked_count ? close_between(first, last, flags)
					 : real.close_range(first, last, flags);
}

void hook_closefrom(int first)
{
	close_all(first < 0 ? 0 : (unsigned)first, INT_MAX);
	if (shim.settings.reuses)
		epoll_numbers_closed(first < 0 ? 0 : (unsigned)first, INT_MAX);
	/* closefrom() walks /proc where the kernel has no close_range() (closefrom(3)): before 5.9. */
	if (!shim.reusing.parked_count || close_between(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0))
		real.closefrom(first);
}

/* shutdown() takes apart what is under way, as connect() to AF_UNSPEC does: the socket may be connected again
 * (inet_shutdown(), net/ipv4/af_inet.c). A connect() that waits in another thread is told so itself. */
COLD static void given_up(int fd, const struct held *held)
{
	if (!shim_enter_held(&shim, held))
		return;
	bool ours = held->tracked->state == SOCKET_CONNECTING && !(held->tracked->flags & IN_CALL);
	shim_leave(&shim);
	if (ours)
		ending_given_up(&shim.spreading, held, fd);
}

int hook_shutdown(int fd, int how)
{
	struct held held;

	if (!fdtable_hold(fd, &held))
		return real.shutdown(fd, how);
	/* Who sends the first FIN gets the TIME_WAIT (RFC 9293, section 3.6). */
	unsigned before = socket_tcp_state(fd);
	bool first = how != SHUT_RD && before == TCP_ESTABLISHED;
	int rc = real.shutdown(fd, how);
	/* One that is not connected is shut all the same (inet_shutdown(), net/ipv4/af_inet.c). */
	int saved = errno;
	/* The peer's may have come after we had asked, and before ours. Where ours is answered at once
	 * (loopback) that does not show any more, and a TIME_WAIT too many is counted. */
	first = first && socket_tcp_state(fd) != TCP_LAST_ACK;
	if (unlikely(rc == 0 && before == TCP_SYN_SENT && socket_tcp_state(fd) == TCP_CLOSE)) {
		given_up(fd, &held);
	} else if ((rc == 0 || saved == ENOTCONN) && shim_enter_held(&shim, &held)) {
		held.tracked->flags |= (first ? WAS_SHUT | FIN_SENT_FIRST : WAS_SHUT);
		shim_leave(&shim);
	}
	fdtable_release(&held);
	errno = saved;
	return rc;
}
