// SPDX-License-Identifier: Apache-2.0
/* io - the calls by which a program sends and receives: a guard sees the bytes of its connections. */
#include "preload/hooks/io.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/reuse/reuse.h"
#include "preload/base/hooks.h"
#include "preload/base/message.h"
#include "preload/base/readable.h"
#include "preload/fds/deferred.h"
#include "preload/fds/renew.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>

/* Extra bytes, or none of the stream's: what recv(2) and send(2) do then no guard can follow. */
enum { FLAGS_UNSEEN = MSG_OOB | MSG_TRUNC | MSG_ERRQUEUE | MSG_ZEROCOPY };

APART bool io_begins(int fd, struct held *held)
{
	return fdtable_hold(fd, held);
}

/* How many of the pieces, or how much of the first one, can be looked at? */
static size_t readable_pieces(int fd, const struct iovec *pieces, size_t count)
{
	enum { PIECES_MOST = 16 };
	size_t n = 0;

	if (!pieces || !count || count > IOV_MAX || !readable_bytes(fd, pieces, count * sizeof(*pieces)))
		return 0;
	while (n < count && n < PIECES_MOST &&
	       (!pieces[n].iov_len || readable_bytes(fd, pieces[n].iov_base, pieces[n].iov_len)))
		n++;
	return n;
}

APART enum sending sending_begins(int fd, const struct iovec *pieces, size_t count, struct held *held)
{
	const struct tracked *tracked = fdtable_look(fd);

	if (tracked && __atomic_load_n(&tracked->watched, __ATOMIC_RELAXED) & (FIRST_SEND | LATER_SEND)) {
		int error = renew_before_send(fd, pieces, readable_pieces(fd, pieces, count));
		if (unlikely(error)) {
			errno = -error;
			return SENDING_FAILED;
		}
	}
	return fdtable_hold(fd, held) ? SENDING_SEEN : SENDING_UNSEEN;
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

static void show_sent(int fd, const struct held *held, const struct iovec *pieces, int flags, ssize_t rc)
{
	bool pushes = false;

	if (!held->tracked->watched)
		return;
	if (rc < 0 && over(rc, errno))
		reuse_ended(&shim.reusing, held, clock_coarse_ns());
	else if (rc > 0 && (!pieces || flags & FLAGS_UNSEEN))
		reuse_unseen(held);
	else if (rc > 0)
		pushes = reuse_sent(&shim.reusing, held, pieces, (size_t)rc) && !(flags & MSG_MORE);
	if (unlikely(pushes))
		prompt_push(fd);
}

static void show_received(int fd, const struct held *held, const struct iovec *pieces, int flags, ssize_t rc)
{
	bool asked_for_nothing = rc == 0 && !room_in(pieces), acknowledges = false;

	if (!held->tracked->watched || flags & MSG_PEEK || asked_for_nothing)
		return;
	if (rc <= 0 && over(rc, errno))
		reuse_ended(&shim.reusing, held, clock_coarse_ns());
	else if (rc > 0 && (!pieces || flags & FLAGS_UNSEEN))
		reuse_unseen(held);
	else if (rc > 0)
		acknowledges = reuse_received(&shim.reusing, held, pieces, (size_t)rc);
	if (unlikely(acknowledges))
		prompt_acknowledge(fd);
}

APART ssize_t sent(int fd, const struct held *held, const struct iovec *pieces, int flags, ssize_t rc)
{
	int saved = errno;

	show_sent(fd, held, pieces, flags, rc);
	fdtable_release(held);
	errno = saved;
	return rc;
}

APART ssize_t took(int fd, const struct held *held, const struct iovec *pieces, int flags, ssize_t rc)
{
	int saved = errno;

	show_received(fd, held, pieces, flags, rc);
	fdtable_release(held);
	errno = saved;
	return rc;
}

static const struct iovec *pieces_of(const struct mmsghdr *message)
{
	return message_pieces(&message->msg_hdr) ? message->msg_hdr.msg_iov : NULL;
}

#define ONE(data, size) (&(struct iovec){ (void *)(data), (size) })

/* Apart from the hook, which then needs no stack of its own for an fd that no guard watches. */
__attribute__((noinline)) static ssize_t read_watched(int fd, void *data, size_t size)
{
	struct held held;

	if (!watched(fd) || !io_begins(fd, &held))
		return real.read(fd, data, size);
	return took(fd, &held, ONE(data, size), 0, AGAIN(real.read(fd, data, size)));
}

HOT ssize_t hook_read(int fd, void *data, size_t size)
{
	return watched(fd) ? read_watched(fd, data, size) : real.read(fd, data, size);
}

TWIN(ssize_t, __read, (int fd, void *data, size_t size), read)

ssize_t hook___read_chk(int fd, void *data, size_t size, size_t room)
{
	struct held held;

	if (!watched(fd) || !io_begins(fd, &held))
		return real.__read_chk(fd, data, size, room);
	return took(fd, &held, ONE(data, size), 0, AGAIN(real.__read_chk(fd, data, size, room)));
}

ssize_t hook_readv(int fd, const struct iovec *pieces, int count)
{
	struct held held;

	if (!watched(fd) || !io_begins(fd, &held))
		return real.readv(fd, pieces, count);
	return took(fd, &held, count > 0 ? pieces : NULL, 0, AGAIN(real.readv(fd, pieces, count)));
}

/* With -1 for a place, the only one a socket takes, they are readv() and writev() (readv(2)). */
ssize_t hook_preadv2(int fd, const struct iovec *pieces, int count, off_t at, int flags)
{
	struct held held;

	if (!watched(fd) || !io_begins(fd, &held))
		return real.preadv2(fd, pieces, count, at, flags);
	return took(fd, &held, count > 0 ? pieces : NULL, 0,
		    AGAIN(real.preadv2(fd, pieces, count, at, flags)));
}

TWIN(ssize_t, preadv64v2, (int fd, const struct iovec *pieces, int count, off_t at, int flags), preadv2)

/* A call that waits for all pieces of an answer acknowledges each as it comes, once it is told to. */
static void waits_for_all(int fd, const struct held *held, int flags)
{
	const struct reuse *reuse = held->tracked->reuse;
	int saved = errno;

	if (likely(!(flags & MSG_WAITALL)) || !reuse || !reuse->handed_out || !reuse->prompt)
		return;
	prompt_acknowledge(fd);
	errno = saved;
}

__attribute__((noinline)) static ssize_t recv_watched(int fd, void *data, size_t size, int flags)
{
	struct held held;

	if (!watched(fd) || !io_begins(fd, &held))
		return real.recv(fd, data, size, flags);
	waits_for_all(fd, &held, flags);
	return took(fd, &held, ONE(data, size), flags, AGAIN(real.recv(fd, data, size, flags)));
}

HOT ssize_t hook_recv(int fd, void *data, size_t size, int flags)
{
	return watched(fd) ? recv_watched(fd, data, size, flags) : real.recv(fd, data, size, flags);
}

ssize_t hook___recv_chk(int fd, void *data, size_t size, size_t room, int flags)
{
	struct held held;

	if (!watched(fd) || !io_begins(fd, &held))
		return real.__recv_chk(fd, data, size, room, flags);
	return took(fd, &held, ONE(data, size), flags, AGAIN(real.__recv_chk(fd, data, size, room, flags)));
}

ssize_t hook_recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *address, socklen_t *length)
{
	struct held held;

	if (!watched(fd) || !io_begins(fd, &held))
		return real.recvfrom(fd, data, size, flags, address, length);
	waits_for_all(fd, &held, flags);
	return took(fd, &held, ONE(data, size), flags,
		    AGAIN(real.recvfrom(fd, data, size, flags, address, length)));
}

ssize_t hook___recvfrom_chk(int fd, void *data, size_t size, size_t room, int flags, struct sockaddr *address,
			    socklen_t *length)
{
	struct held held;

	if (!watched(fd) || !io_begins(fd, &held))
		return real.__recvfrom_chk(fd, data, size, room, flags, address, length);
	return took(fd, &held, ONE(data, size), flags,
		    AGAIN(real.__recvfrom_chk(fd, data, size, room, flags, address, length)));
}

static ssize_t receive_message(int fd, struct msghdr *message, int flags)
{
	struct held held;

	if (!watched(fd) || !io_begins(fd, &held))
		return real.recvmsg(fd, message, flags);
	waits_for_all(fd, &held, flags);
	ssize_t rc = AGAIN(real.recvmsg(fd, message, flags));
	return took(fd, &held, rc >= 0 && message_pieces(message) ? message->msg_iov : NULL, flags, rc);
}

ssize_t hook_recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t rc = receive_message(fd, message, flags);

	if (unlikely(rc >= 0 && message_control_size(message)))
		fds_were_received(message);
	return rc;
}

static int receive_messages(int fd, struct mmsghdr *messages, unsigned count, int flags,
			    struct timespec *timeout)
{
	struct held held;

	if (!watched(fd) || !io_begins(fd, &held))
		return real.recvmmsg(fd, messages, count, flags, timeout);
	int rc = real.recvmmsg(fd, messages, count, flags, timeout);
	/* An end is as many messages of no bytes as there is room for. */
	bool ends = rc <= 0 || !messages->msg_len;
	if (unlikely(ends) && renew_after_end(fd, &held, rc < 0 ? rc : 0))
		rc = real.recvmmsg(fd, messages, count, flags, timeout);
	int saved = errno;
	for (int i = 0; i < rc; i++)
		show_received(fd, &held, pieces_of(&messages[i]), flags, (ssize_t)messages[i].msg_len);
	if (rc < 0)
		show_received(fd, &held, NULL, flags, rc);
	fdtable_release(&held);
	errno = saved;
	return rc;
}

int hook_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	int rc = receive_messages(fd, messages, count, flags, timeout);

	for (int i = 0; i < rc; i++)
		if (unlikely(message_control_size(&messages[i].msg_hdr)))
			fds_were_received(&messages[i].msg_hdr);
	return rc;
}

int send_messages(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	struct held held;

	const struct msghdr *first = messages && count && readable_bytes(fd, messages, sizeof(*messages))
					     ? &messages->msg_hdr
					     : NULL;
	UNLESS_SEEN(fd, first ? first->msg_iov : NULL, first ? message_pieces(first) : 0, &held,
		    real.sendmmsg(fd, messages, count, flags));
	int rc = (int)AGAIN(real.sendmmsg(fd, messages, count, flags));
	int saved = errno;
	for (int i = 0; i < rc; i++)
		show_sent(fd, &held, pieces_of(&messages[i]), flags, (ssize_t)messages[i].msg_len);
	if (rc < 0)
		show_sent(fd, &held, NULL, flags, rc);
	fdtable_release(&held);
	errno = saved;
	return rc;
}

__attribute__((noinline)) static ssize_t write_watched(int fd, const void *data, size_t size)
{
	struct held held;

	UNLESS_SEEN(fd, ONE(data, size), 1, &held, real.write(fd, data, size));
	return sent(fd, &held, ONE(data, size), 0, AGAIN(real.write(fd, data, size)));
}

HOT ssize_t hook_write(int fd, const void *data, size_t size)
{
	return watched(fd) ? write_watched(fd, data, size) : real.write(fd, data, size);
}

TWIN(ssize_t, __write, (int fd, const void *data, size_t size), write)

ssize_t hook_writev(int fd, const struct iovec *pieces, int count)
{
	struct held held;

	UNLESS_SEEN(fd, pieces, count > 0 ? (size_t)count : 0, &held, real.writev(fd, pieces, count));
	return sent(fd, &held, pieces, 0, AGAIN(real.writev(fd, pieces, count)));
}

ssize_t hook_pwritev2(int fd, const struct iovec *pieces, int count, off_t at, int flags)
{
	struct held held;

	UNLESS_SEEN(fd, pieces, count > 0 ? (size_t)count : 0, &held,
		    real.pwritev2(fd, pieces, count, at, flags));
	return sent(fd, &held, pieces, 0, AGAIN(real.pwritev2(fd, pieces, count, at, flags)));
}

TWIN(ssize_t, pwritev64v2, (int fd, const struct iovec *pieces, int count, off_t at, int flags), pwritev2)

__attribute__((noinline)) static ssize_t send_watched(int fd, const void *data, size_t size, int flags)
{
	struct held held;

	UNLESS_SEEN(fd, ONE(data, size), 1, &held, real.send(fd, data, size, flags));
	return sent(fd, &held, ONE(data, size), flags, AGAIN(real.send(fd, data, size, flags)));
}

HOT ssize_t hook_send(int fd, const void *data, size_t size, int flags)
{
	return watched(fd) ? send_watched(fd, data, size, flags) : real.send(fd, data, size, flags);
}

TWIN(ssize_t, __send, (int fd, const void *data, size_t size, int flags), send)

/* An error may be that of the other fd: a pipe that nobody reads gives EPIPE. */
static bool may_be_of_source(ssize_t rc)
{
	return rc >= 0 || errno == ECONNRESET || errno == ETIMEDOUT;
}

static void took_inside(int fd, const struct held *held, ssize_t rc)
{
	int saved = errno;

	if (may_be_of_source(rc))
		show_received(fd, held, NULL, 0, rc);
	fdtable_release(held);
	errno = saved;
}

/* What goes from one fd to another inside the kernel no hook sees. */
#define MOVE(from, to, call)                                                                                \
	({                                                                                                  \
		struct held source_, target_;                                                               \
		bool takes_ = watched(from) && io_begins(from, &source_);                                   \
		enum sending sends_ = watched(to) ? sending_begins(to, NULL, 0, &target_) : SENDING_UNSEEN; \
		ssize_t moved_ = sends_ == SENDING_FAILED ? -1 : (call);                                    \
		if (takes_ && unlikely(moved_ <= 0) && may_be_of_source(moved_) &&                          \
		    renew_after_end(from, &source_, moved_))                                                \
			moved_ = (call);                                                                    \
		if (takes_)                                                                                 \
			took_inside(from, &source_, moved_);                                                \
		sends_ == SENDING_SEEN ? sent(to, &target_, NULL, 0, moved_) : moved_;                      \
	})

ssize_t hook_sendfile(int to, int from, off_t *offset, size_t size)
{
	return MOVE(from, to, real.sendfile(to, from, offset, size));
}

ssize_t hook_sendfile64(int to, int from, off_t *offset, size_t size)
{
	return MOVE(from, to, real.sendfile64(to, from, offset, size));
}

ssize_t hook_splice(int from, off_t *from_at, int to, off_t *to_at, size_t size, unsigned flags)
{
	return MOVE(from, to, real.splice(from, from_at, to, to_at, size, flags));
}
