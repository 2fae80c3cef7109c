// SPDX-License-Identifier: Apache-2.0
/* swap - put a parked connection under the program's fd, and take a connection from under it. */
#include "swap.h"

#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

bool swap_signals(int fd, long status)
{
	return status & O_ASYNC || kernel.fcntl(fd, F_GETOWN, 0) != 0;
}

bool swap_look(int fd, const struct reuse *reuse, struct fresh *fresh)
{
	long status = kernel.fcntl(fd, F_GETFL, 0), numbers = kernel.fcntl(fd, F_GETFD, 0);

	if (status < 0 || numbers < 0 || swap_signals(fd, status))
		return false;
	fresh->fd = fd;
	fresh->status = (int)status;
	fresh->numbers = (int)numbers;
	fresh->watches = 0;
	if (!reuse) {
		fresh->options = (struct option_log){ 0 };
		return true;
	}
	if (reuse->watches_unknown || reuse->shared)
		return false;
	fresh->options = reuse->options;
	fresh->watches = reuse->watches;
	memcpy(fresh->watch, reuse->watch, sizeof(fresh->watch));
	return true;
}

void swap_watch(const struct fresh *fresh)
{
	for (unsigned i = 0; i < fresh->watches; i++) {
		struct epoll_event event = { .events = fresh->watch[i].events,
					     .data.u64 = fresh->watch[i].data };
		kernel.epoll_ctl(fresh->watch[i].epoll, EPOLL_CTL_ADD, fresh->fd, &event);
	}
}

long swap_in(const struct fresh *fresh, int fd, int status, struct option_log *options)
{
	long rc = option_log_copy(fd, options, fresh->fd, &fresh->options);

	if (!rc && status != fresh->status)
		rc = kernel.fcntl(fd, F_SETFL, fresh->status);
	if (!rc)
		rc = kernel.dup3(fd, fresh->fd, fresh->numbers & FD_CLOEXEC ? O_CLOEXEC : 0);
	if (rc < 0)
		return rc;
	swap_watch(fresh);
	return 0;
}

bool swap_out(int fd, const struct reuse *reuse)
{
	bool out = true;

	for (unsigned i = 0; i < reuse->watches; i++) {
		struct epoll_event unused = { 0 };
		out &= !kernel.epoll_ctl(reuse->watch[i].epoll, EPOLL_CTL_DEL, fd, &unused);
	}
	return out;
}
