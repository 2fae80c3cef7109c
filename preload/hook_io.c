// SPDX-License-Identifier: Apache-2.0
/* hook_io - the calls by which a program sends and receives: a guard sees the bytes of its connections. */
#include "hook_io.h"

#include "clock.h"
#include "hooks.h"
#include "hot.h"
#include "parking.h"

#include <errno.h>
#include <netinet/in.h>

/* Extra bytes, or none of the stream's: what recv(2) and send(2) do then no guard can follow. */
enum { FLAGS_UNSEEN = MSG_OOB | MSG_TRUNC | MSG_ERRQUEUE | MSG_ZEROCOPY };

COLD void before_sending(int fd)
{
	const struct tracked *tracked = fdtable_look(fd);
	const struct reuse *reuse = tracked ? tracked->reuse : NULL;

	if (reuse && reuse->handed_out && !reuse->sent_since)
		parking_check_first_send(fd);
}

/* The other end has gone, or so it looks. */
static bool over(ssize_t rc, int error)
{
	return rc == 0 || error == ECONNRESET || error == EPIPE || error == ETIMEDOUT;
}

static size_t room_in(const struct iovec *pieces)
{
	return pieces ? pieces->iov_len : 0;
}

COLD ssize_t sent(int fd, const struct iovec *pieces, int flags, ssize_t rc)
{
	int saved = errno;
	struct held held;

	if ((rc > 0 || (rc < 0 && over(rc, errno))) && fdtable_hold(fd, &held)) {
		if (!held.tracked->watched)
			;
		else if (rc < 0)
			reuse_ended(&shim, &held, clock_coarse_ns());
		else if (!pieces || flags & FLAGS_UNSEEN)
			reuse_unseen(&held);
		else
			reuse_sent(&held, pieces, (size_t)rc);
		fdtable_release(&held);
	}
	errno = saved;
	return rc;
}

COLD ssize_t took(int fd, const struct iovec *pieces, int flags, ssize_t rc)
{
	int saved = errno;
	struct held held;

	if (flags & MSG_PEEK || (rc == 0 && !room_in(pieces)) || (rc < 0 && !over(rc, errno)) ||
	    !fdtable_hold(fd, &held))
		return rc;
	if (!held.tracked->watched)
		;
	else if (rc <= 0)
		reuse_ended(&shim, &held, clock_coarse_ns());
	else if (!pieces || flags & FLAGS_UNSEEN)
		reuse_unseen(&held);
	else
		reuse_received(&held, pieces, (size_t)rc);
	fdtable_release(&held);
	errno = saved;
	return rc;
}

#define ONE(data, size) (&(struct iovec){ (void *)(data), (size) })

HOT ssize_t hook_read(int fd, void *data, size_t size)
{
	if (!watched(fd))
		return real.read(fd, data, size);
	return took(fd, ONE(data, size), 0, real.read(fd, data, size));
}

TWIN(ssize_t, __read, (int fd, void *data, size_t size), read)

ssize_t hook___read_chk(int fd, void *data, size_t size, size_t room)
{
	if (!watched(fd))
		return real.__read_chk(fd, data, size, room);
	return took(fd, ONE(data, size), 0, real.__read_chk(fd, data, size, room));
}

ssize_t hook_readv(int fd, const struct iovec *pieces, int count)
{
	if (!watched(fd))
		return real.readv(fd, pieces, count);
	return took(fd, count > 0 ? pieces : NULL, 0, real.readv(fd, pieces, count));
}

HOT ssize_t hook_recv(int fd, void *data, size_t size, int flags)
{
	if (!watched(fd))
		return real.recv(fd, data, size, flags);
	return took(fd, ONE(data, size), flags, real.recv(fd, data, size, flags));
}

ssize_t hook___recv_chk(int fd, void *data, size_t size, size_t room, int flags)
{
	if (!watched(fd))
		return real.__recv_chk(fd, data, size, room, flags);
	return took(fd, ONE(data, size), flags, real.__recv_chk(fd, data, size, room, flags));
}

ssize_t hook_recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *address, socklen_t *length)
{
	if (!watched(fd))
		return real.recvfrom(fd, data, size, flags, address, length);
	return took(fd, ONE(data, size), flags, real.recvfrom(fd, data, size, flags, address, length));
}

ssize_t hook___recvfrom_chk(int fd, void *data, size_t size, size_t room, int flags, struct sockaddr *address,
			    socklen_t *length)
{
	if (!watched(fd))
		return real.__recvfrom_chk(fd, data, size, room, flags, address, length);
	return took(fd, ONE(data, size), flags,
		    real.__recvfrom_chk(fd, data, size, room, flags, address, length));
}

ssize_t hook_recvmsg(int fd, struct msghdr *message, int flags)
{
	if (!watched(fd))
		return real.recvmsg(fd, message, flags);
	ssize_t rc = real.recvmsg(fd, message, flags);
	return took(fd, rc >= 0 && message->msg_iovlen ? message->msg_iov : NULL, flags, rc);
}

int hook_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	int rc = real.recvmmsg(fd, messages, count, flags, timeout);
	for (int i = 0; watched(fd) && i < rc; i++)
		took(fd, messages[i].msg_hdr.msg_iov, flags, (ssize_t)messages[i].msg_len);
	return rc;
}

HOT ssize_t hook_write(int fd, const void *data, size_t size)
{
	if (!watched(fd))
		return real.write(fd, data, size);
	before_sending(fd);
	return sent(fd, ONE(data, size), 0, real.write(fd, data, size));
}

TWIN(ssize_t, __write, (int fd, const void *data, size_t size), write)

ssize_t hook_writev(int fd, const struct iovec *pieces, int count)
{
	if (!watched(fd))
		return real.writev(fd, pieces, count);
	before_sending(fd);
	return sent(fd, pieces, 0, real.writev(fd, pieces, count));
}

HOT ssize_t hook_send(int fd, const void *data, size_t size, int flags)
{
	if (!watched(fd))
		return real.send(fd, data, size, flags);
	before_sending(fd);
	return sent(fd, ONE(data, size), flags, real.send(fd, data, size, flags));
}

TWIN(ssize_t, __send, (int fd, const void *data, size_t size, int flags), send)

/* What goes from one fd to another inside the kernel no hook sees. */
ssize_t hook_sendfile(int to, int from, off_t *offset, size_t size)
{
	if (!watched(to))
		return real.sendfile(to, from, offset, size);
	before_sending(to);
	return sent(to, NULL, 0, real.sendfile(to, from, offset, size));
}

ssize_t hook_sendfile64(int to, int from, off_t *offset, size_t size)
{
	if (!watched(to))
		return real.sendfile64(to, from, offset, size);
	before_sending(to);
	return sent(to, NULL, 0, real.sendfile64(to, from, offset, size));
}

ssize_t hook_splice(int from, off_t *from_at, int to, off_t *to_at, size_t size, unsigned flags)
{
	if (!watched(from) && !watched(to))
		return real.splice(from, from_at, to, to_at, size, flags);
	if (watched(to))
		before_sending(to);
	ssize_t rc = real.splice(from, from_at, to, to_at, size, flags);
	if (watched(to))
		sent(to, NULL, 0, rc);
	return watched(from) ? took(from, NULL, 0, rc) : rc;
}
