// SPDX-License-Identifier: Apache-2.0
/* hook_close - close() and its kin, shutdown(). */
#include "closing.h"
#include "fdtable.h"
#include "hooks.h"
#include "hot.h"
#include "process.h"
#include "socket_facts.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <netinet/tcp.h>

HOT int hook_close(int fd)
{
	struct closing closing;

	if (!fdtable_look(fd) || !closing_begin(fd, &closing))
		return real.close(fd);
	int rc = real.close(fd);
	closing_end(&closing);
	return rc;
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

	if (fd < 0 || !fdtable_look(fd) || !closing_begin(fd, &closing))
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

int hook_close_range(unsigned first, unsigned last, int flags)
{
	if (first <= last && !(flags & (int)CLOSE_RANGE_CLOEXEC))
		close_all(first, last);
	return real.close_range(first, last, flags);
}

void hook_closefrom(int first)
{
	close_all(first < 0 ? 0 : (unsigned)first, INT_MAX);
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
	if (rc == 0 && shim_enter_held(&shim, &held)) {
		held.tracked->flags |= (uint16_t)(first ? WAS_SHUT | FIN_SENT_FIRST : WAS_SHUT);
		shim_leave(&shim);
	}
	fdtable_release(&held);
	return rc;
}
