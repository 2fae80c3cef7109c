// SPDX-License-Identifier: Apache-2.0
/* fds - the fd numbers of the fake kernel: dup3(), fcntl(), close(), and the epoll sets they are in.
 *
 * A second number for a socket is a copy of it with the same cookie: what is done to the one later is not
 * seen through the other. */
#include "tests/unit/fake/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>

struct fake_fd *fake_look(int fd)
{
	if (fd < FAKE_FIRST_FD || fd >= FAKE_FIRST_FD + FAKE_FDS || !fake.fds[fd - FAKE_FIRST_FD].used)
		return NULL;
	return &fake.fds[fd - FAKE_FIRST_FD];
}

struct fake_fd *fake_look_socket(int fd)
{
	struct fake_fd *s = fake_look(fd);
	return s && !s->file && !s->log_file && !s->epoll ? s : NULL;
}

struct fake_fd *fake_fd(int fd)
{
	struct fake_fd *s = fake_look(fd);
	if (!s)
		abort();
	return s;
}

int fake_new_fd(int from, const struct fake_fd *what)
{
	for (int i = from > FAKE_FIRST_FD ? from - FAKE_FIRST_FD : 0; i < FAKE_FDS; i++)
		if (!fake.fds[i].used && !fake.fds[i].time_wait) {
			fake.fds[i] = *what;
			fake.fds[i].used = true;
			if (!what->cookie) {
				fake.fds[i].cookie = ++fake.last_cookie;
				fake.fds[i].network = fake.network;
			}
			return FAKE_FIRST_FD + i;
		}
	return -EMFILE;
}

static bool still_open(uint64_t cookie)
{
	for (int i = 0; i < FAKE_FDS; i++)
		if (fake.fds[i].used && fake.fds[i].cookie == cookie)
			return true;
	return false;
}

/* A socket leaves its epoll sets when its last number has gone (epoll(7), Q6). */
static void let_go(struct fake_fd *s)
{
	unsigned kept = 0;

	s->used = false;
	if (still_open(s->cookie))
		return;
	fake.resets += s->connected && s->linger.l_onoff && !s->linger.l_linger;
	for (unsigned i = 0; i < fake.watch_count; i++)
		if (fake.watches[i].cookie != s->cookie)
			fake.watches[kept++] = fake.watches[i];
	fake.watch_count = kept;
}

long fake_close(int fd)
{
	struct fake_fd *s = fake_look(fd);
	/* As the kernel's, it closes even when it reports a failure (close(2)). */
	if (s)
		let_go(s);
	long rc = fake_enter(CALL_CLOSE, 0);
	return rc ? rc : s ? 0 : -EBADF;
}

long fake_fcntl(int fd, int command, long argument)
{
	struct fake_fd *s = fake_look(fd);
	long rc = fake_enter(CALL_FCNTL, command);

	if (rc)
		return rc;
	if (!s)
		return -EBADF;
	switch (command) {
	case F_GETFL:
		return O_RDWR | s->status;
	case F_SETFL:
		s->status = (int)argument & ~O_ACCMODE;
		return 0;
	case F_GETFD:
		return s->cloexec ? FD_CLOEXEC : 0;
	case F_DUPFD:
	case F_DUPFD_CLOEXEC: {
		struct fake_fd copy = *s;
		copy.cloexec = command == F_DUPFD_CLOEXEC;
		return fake_new_fd((int)argument, &copy);
	}
	default:
		return -EINVAL;
	}
}

long fake_dup3(int fd, int target, int flags)
{
	struct fake_fd *s = fake_look(fd), *old = fake_look(target);
	long rc = fake_enter(CALL_DUP3, 0);

	if (rc)
		return rc;
	if (!s || target < FAKE_FIRST_FD || target >= FAKE_FIRST_FD + FAKE_FDS)
		return -EBADF;
	if (fd == target)
		return -EINVAL;
	if (old)
		let_go(old);
	fake.fds[target - FAKE_FIRST_FD] = *s;
	fake.fds[target - FAKE_FIRST_FD].cloexec = flags & O_CLOEXEC;
	return target;
}

struct fake_watch *fake_watch(int epoll, int fd)
{
	for (unsigned i = 0; i < fake.watch_count; i++)
		if (fake.watches[i].epoll == epoll && fake.watches[i].fd == fd &&
		    fake.watches[i].cookie == fake_fd(fd)->cookie)
			return &fake.watches[i];
	return NULL;
}

long fake_epoll_ctl(int epoll, int operation, int fd, void *event)
{
	struct fake_fd *set = fake_look(epoll), *s = fake_look(fd);
	const struct epoll_event *wanted = event;
	long rc = fake_enter(CALL_EPOLL_CTL, operation);

	if (rc)
		return rc;
	if (!set || !s)
		return -EBADF;
	if (!set->epoll)
		return -EINVAL;
	struct fake_watch *watch = fake_watch(epoll, fd);
	if (operation != EPOLL_CTL_ADD && !watch)
		return -ENOENT;
	if (operation == EPOLL_CTL_DEL) {
		*watch = fake.watches[--fake.watch_count];
		return 0;
	}
	if (operation == EPOLL_CTL_ADD && watch)
		return -EEXIST;
	if (!watch && fake.watch_count == FAKE_WATCHES)
		abort();
	if (!watch)
		watch = &fake.watches[fake.watch_count++];
	*watch = (struct fake_watch){ .epoll = epoll,
				      .fd = fd,
				      .cookie = s->cookie,
				      .events = wanted->events,
				      .data = wanted->data.u64 };
	return 0;
}

int fake_epoll(void)
{
	return fake_new_fd(0, &(struct fake_fd){ .epoll = true });
}

unsigned fake_open_fds(void)
{
	unsigned open = 0;
	for (int i = 0; i < FAKE_FDS; i++)
		open += fake.fds[i].used;
	return open;
}
