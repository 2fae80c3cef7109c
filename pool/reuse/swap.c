// SPDX-License-Identifier: Apache-2.0
/* swap - put a parked connection under the program's fd, and take a connection from under it. */
#include "pool/reuse/swap.h"

#include "pool/base/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

bool swap_look(int fd, const struct reuse *reuse, struct fresh *fresh)
{
	long status = kernel.fcntl(fd, F_GETFL, 0), numbers = kernel.fcntl(fd, F_GETFD, 0);

	if (status < 0 || numbers < 0 || status & O_ASYNC)
		return false;
	fresh->fd = fd;
	fresh->status = (int)status;
	fresh->numbers = (int)numbers;
	fresh->watches = 0;
	if (!reuse) {
		fresh->options.set = 0;
		fresh->options.others = false;
		return true;
	}
	if (reuse->watches_unknown || reuse->shared)
		return false;
	option_log_assign(&fresh->options, &reuse->options);
	fresh->watches = reuse->watches;
	memcpy(fresh->watch, reuse->watch, sizeof(fresh->watch));
	return true;
}

bool swap_reports_once(const struct fresh *fresh)
{
	for (unsigned i = 0; i < fresh->watches; i++)
		if (fresh->watch[i].events & EPOLLONESHOT)
			return true;
	return false;
}

/* `tfd: 5 events: 40000019 data: ...` (ep_show_fdinfo(), fs/eventpoll.c). Return: is it of @fd? */
static bool is_line_of(const char *line, int fd, uint32_t *events)
{
	static const char target[] = "tfd:", then[] = " events:";
	char *end;

	if (strncmp(line, target, sizeof(target) - 1) ||
	    strtoul(line + sizeof(target) - 1, &end, 10) != (unsigned)fd ||
	    strncmp(end, then, sizeof(then) - 1))
		return false;
	*events = (uint32_t)strtoul(end + sizeof(then) - 1, NULL, 16);
	return true;
}

/* What the set has of @fd now. Return: false if that cannot be told */
static bool see(struct watch *watch, int fd, char *text, size_t size)
{
	char path[sizeof("/proc/thread-self/fdinfo/") + 10];
	uint32_t events = 0;
	size_t kept = 0;
	unsigned found = 0;
	uint64_t at = 0;
	long got;

	snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", watch->epoll);
	long file = kernel_private_fd(kernel.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0));
	if (file < 0)
		return false;
	while ((got = kernel.pread((int)file, text + kept, size - 1 - kept, at)) > 0) {
		char *line = text, *end;
		at += (uint64_t)got;
		text[kept + (size_t)got] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1)
			found += is_line_of(line, fd, &events);
		kept = strlen(line);
		memmove(text, line, kept);
	}
	kernel.close((int)file);
	if (found != 1)
		return false;
	watch->events = events;
	return true;
}

bool swap_see(struct fresh *fresh, char *text, size_t size)
{
	bool seen = true;

	for (unsigned i = 0; i < fresh->watches; i++)
		if (fresh->watch[i].events & EPOLLONESHOT)
			seen &= see(&fresh->watch[i], fresh->fd, text, size);
	return seen;
}

/* Takes fd out of the first sets of those that are listed. Return: was it in all of them? */
static bool leave_sets(int fd, const struct watch *watch, unsigned count)
{
	bool left = true;

	for (unsigned i = 0; i < count; i++) {
		struct epoll_event unused = { 0 };
		left &= kernel.epoll_ctl(watch[i].epoll, EPOLL_CTL_DEL, fd, &unused) == 0;
	}
	return left;
}

static long enter_sets(const struct fresh *fresh)
{
	for (unsigned i = 0; i < fresh->watches; i++) {
		struct epoll_event event = { .events = fresh->watch[i].events,
					     .data.u64 = fresh->watch[i].data };
		long rc = kernel.epoll_ctl(fresh->watch[i].epoll, EPOLL_CTL_ADD, fresh->fd, &event);
		if (rc < 0) {
			leave_sets(fresh->fd, fresh->watch, i);
			return rc;
		}
	}
	return 0;
}

long swap_place(const struct fresh *fresh, int fd, bool held_elsewhere)
{
	int flags = fresh->numbers & FD_CLOEXEC ? O_CLOEXEC : 0;

	if (!fresh->watches)
		return kernel.dup3(fd, fresh->fd, flags);
	if (held_elsewhere && !leave_sets(fresh->fd, fresh->watch, fresh->watches)) {
		enter_sets(fresh);
		return -ENOENT;
	}
	/* A set may be full (ENOSPC), or there is no memory. The fresh socket stays in the sets for as long
	 * as we have it, so that it can be put back. */
	long kept = kernel.fcntl(fresh->fd, F_DUPFD_CLOEXEC, fd);
	if (kept < 0 && held_elsewhere)
		enter_sets(fresh);
	if (kept < 0)
		return kept;
	long rc = kernel.dup3(fd, fresh->fd, flags);
	if (rc >= 0) {
		rc = enter_sets(fresh);
		if (rc < 0)
			kernel.dup3((int)kept, fresh->fd, flags);
	}
	if (rc < 0 && held_elsewhere)
		enter_sets(fresh);
	kernel.close((int)kept);
	return rc;
}

long swap_in(const struct fresh *fresh, int fd, int status, struct option_log *options)
{
	long rc = option_log_copy(fd, options, fresh->fd, &fresh->options);

	if (!rc && status != fresh->status)
		rc = kernel.fcntl(fd, F_SETFL, fresh->status);
	if (!rc)
		rc = swap_place(fresh, fd, false);
	return rc < 0 ? rc : 0;
}

bool swap_out(int fd, const struct reuse *reuse)
{
	return leave_sets(fd, reuse->watch, reuse->watches);
}
