// SPDX-License-Identifier: Apache-2.0
/* connect - socket(), connect(), and what connects without it: sendto(), sendmsg() with MSG_FASTOPEN. */
#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/resting.h"
#include "pool/connect/attempt.h"
#include "pool/connect/ending.h"
#include "pool/libc/threads.h"
#include "pool/routes/network.h"
#include "pool/socket/facts.h"
#include "preload/base/fdtable.h"
#include "preload/base/hooks.h"
#include "preload/base/message.h"
#include "preload/base/process.h"
#include "preload/base/readable.h"
#include "preload/fds/deferred.h"
#include "preload/hooks/io.h"
#include "preload/parking/hand_out.h"
#include "preload/parking/parking.h"

#include <errno.h>
#include <netinet/in.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static bool is_tcp(int family, int type, int protocol)
{
	return (family == AF_INET || family == AF_INET6) &&
	       (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM &&
	       (protocol == 0 || protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

HOT static void socket_made(int fd, int family, int protocol, bool tcp)
{
	struct tracked facts = { .family = (uint8_t)family };

	if (unlikely(resting()))
		tcp = false;
	if (unlikely(network_left()) && tcp)
		tcp = network_is_home(fd);
	if (unlikely((!tcp && !fdtable_look(fd)) || !process_is_ours() || !shim_enter(&shim)))
		return;
	struct tracked *tracked = fdtable_track(fd, tcp ? &facts : NULL);
	/* From here on it is known what was set on it, and who may hold it besides. */
	if (unlikely(shim.settings.reuses) && tracked) {
		struct reuse *reuse = reuse_of(&shim.reusing, tracked);
		if (reuse)
			reuse->options.others = protocol == IPPROTO_MPTCP;
	}
	shim_leave(&shim);
}

/* What the first use of the shim opens is closed when the program gets its number: so another thread finds as
 * many free as it would if that had come a little earlier. It cannot be asked everywhere how many there are:
 * restraint.c.
 */
COLD static void wake(bool tcp)
{
	if (tcp && !resting())
		process_is_ours();
}

HOT int hook_socket(int family, int type, int protocol)
{
	bool tcp = is_tcp(family, type, protocol);

	if (unlikely(!atomic_load_explicit(&process_active, memory_order_relaxed)))
		wake(tcp);
	if (unlikely(shim.settings.reuses)) {
		parking_tidy();
		int blank = hand_out_blank(family, type, protocol);
		if (blank >= 0)
			return blank;
	}
	int fd = real.socket(family, type, protocol);
	if (unlikely(fd < 0) && parking_made_room(fd))
		fd = real.socket(family, type, protocol);
	if (fd >= 0)
		socket_made(fd, family, protocol, tcp);
	return fd;
}

TWIN(int, __socket, (int family, int type, int protocol), socket)

/* The record of a socket that is to be connected, made now if its making was not seen. An address of another
 * family the kernel refuses before it looks at anything else (tcp_v4_connect(), net/ipv4/tcp_ipv4.c;
 * tcp_v6_connect(), net/ipv6/tcp_ipv6.c): that tells nothing of a source, and none can be bound for it.
 * Return: with the lock held, or NULL. */
HOT static struct tracked *enter_for_connect(int fd, sa_family_t family)
{
	struct tracked facts, *tracked = NULL;

	if (unlikely(!process_is_ours()))
		return NULL;
	bool known = fdtable_look(fd);
	if ((unlikely(!known) && !socket_inquire_at_home(fd, &facts)) || unlikely(!shim_enter(&shim)))
		return NULL;
	tracked = likely(known) ? fdtable_look(fd) : fdtable_track(fd, &facts);
	if (unlikely(!known) && tracked)
		tracked->flags |= HELD_ELSEWHERE;
	/* What was set on it, and who has it besides, is not known. */
	if (unlikely(shim.settings.reuses) && tracked && !known) {
		struct reuse *reuse = reuse_of(&shim.reusing, tracked);
		if (reuse)
			reuse->shared = true;
	}
	if (unlikely(!tracked || (tracked->family != family && tracked->state == SOCKET_FRESH))) {
		shim_leave(&shim);
		return NULL;
	}
	return tracked;
}

/* Nothing is begun: but a socket that we have to do with already goes the way of all. */
COLD static bool left_alone(int fd)
{
	return resting_look(clock_coarse_ns()) && !fdtable_look(fd);
}

/* connect() to AF_UNSPEC takes a connection apart (connect(2)). */
COLD static long disconnect(int fd, real_call *call, void *argument)
{
	struct held held;
	bool ours = fdtable_hold(fd, &held);
	long rc = call(argument);

	if (!ours)
		return rc;
	if (rc == 0)
		ending_apart(&shim.spreading, &held, fd, ENDED_BY_RESET);
	fdtable_release(&held);
	return rc;
}

struct connect_call {
	int fd;
	const struct sockaddr *address;
	socklen_t length;
};

HOT static long call_connect(void *argument)
{
	const struct connect_call *c = argument;
	return unlikely(real.connect(c->fd, c->address, c->length)) ? -errno : 0;
}

/* The connect() of a socket whose destination has a rule with a guard, or may have. Return: true if it was
 * served from the pool. */
APART static bool reuse_instead(int fd, sa_family_t family, const struct endpoint *to,
				const struct rule *rule, long *result)
{
	if (rule->reuse.guard == GUARD_OFF || rule->leave_alone || !parking_is_on())
		return false;
	/* connect() is a cancellation point, and what takes its place may wait for nothing. */
	threads_test_cancel();
	return hand_out(fd, family, to, rule, result);
}

/* @family:	of the address: an IPv6 one may be of IPv4, mapped */
HOT static long connect_to(int fd, sa_family_t family, const struct endpoint *to, real_call *call,
			   void *argument)
{
	const struct rule *rule = settings_rule_for(&shim.settings, to, shim.process);
	long rc;

	if (unlikely(shim.settings.reuses) && !resting() && call == call_connect &&
	    reuse_instead(fd, family, to, rule, &rc))
		return rc;
	struct tracked *tracked = enter_for_connect(fd, family);
	if (unlikely(!tracked))
		return call(argument);
	if (unlikely(call != call_connect))
		tracked->flags |= LOOK_CLOSELY;
	if (unlikely(shim.settings.reuses) && reuse_connects(&shim.reusing, tracked, to, rule)) {
		shim_leave(&shim);
		return 0;
	}
	return attempt_run(&shim.spreading, tracked, fd, to, rule, call, argument);
}

/* Runs one outgoing call. Return: its result, with errno set on failure. */
HOT static long outgoing(int fd, const struct sockaddr *address, socklen_t length, real_call *call,
			 void *argument)
{
	struct endpoint to;
	long rc;
	int *error = process_errno(), saved = *error;

	bool known = !(unlikely(resting()) && left_alone(fd)) && readable(fd, address, length);
	if (likely(known && endpoint_from_sockaddr(address, length, &to)))
		rc = connect_to(fd, address->sa_family, &to, call, argument);
	else if (known && length >= sizeof(sa_family_t) && address->sa_family == AF_UNSPEC)
		rc = disconnect(fd, call, argument);
	else
		rc = call(argument);
	if (likely(rc >= 0)) {
		*error = saved;
		return rc;
	}
	*error = (int)-rc;
	return -1;
}

HOT int hook_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	struct connect_call call = { fd, address, length };
	if (unlikely(!atomic_load_explicit(&process_active, memory_order_acquire)) && !process_wakes())
		return real.connect(fd, address, length);
	return (int)outgoing(fd, address, length, call_connect, &call);
}

TWIN(int, __connect, (int fd, const struct sockaddr *address, socklen_t length), connect)

/* sendto(), sendmsg() or sendmmsg(): the other two have no messages, or no array of them. */
struct send_call {
	int fd, flags;
	const void *data;
	size_t size;
	const struct sockaddr *address;
	socklen_t length;
	const struct msghdr *message;
	struct mmsghdr *messages;
	unsigned count;
};

static long call_send(void *argument)
{
	const struct send_call *c = argument;
	ssize_t rc = c->messages  ? real.sendmmsg(c->fd, c->messages, c->count, c->flags)
		     : c->message ? real.sendmsg(c->fd, c->message, c->flags)
				  : real.sendto(c->fd, c->data, c->size, c->flags, c->address, c->length);
	return rc < 0 ? -errno : rc;
}

/* Does the call connect? @message: the first, or NULL */
static bool connects(int fd, int flags, const struct msghdr *message)
{
	return unlikely(flags & MSG_FASTOPEN) && process_is_ours() &&
	       readable_bytes(fd, message, sizeof(*message)) && message->msg_name;
}

ssize_t hook_sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *address,
		    socklen_t length)
{
	struct send_call call = {
		.fd = fd, .flags = flags, .data = data, .size = size, .address = address, .length = length
	};
	struct held held;
	if (!(flags & MSG_FASTOPEN) || !address || !process_is_ours()) {
		const struct iovec piece = { (void *)data, size };
		UNLESS_SEEN(fd, &piece, 1, &held, real.sendto(fd, data, size, flags, address, length));
		return sent(fd, &held, &piece, flags,
			    AGAIN(real.sendto(fd, data, size, flags, address, length)));
	}
	return outgoing(fd, address, length, call_send, &call);
}

static ssize_t send_message(int fd, const struct msghdr *message, int flags)
{
	struct held held;

	bool good = watched(fd) && message && readable_bytes(fd, message, sizeof(*message));
	UNLESS_SEEN(fd, good ? message->msg_iov : NULL, good ? message_pieces(message) : 0, &held,
		    real.sendmsg(fd, message, flags));
	ssize_t rc = AGAIN(real.sendmsg(fd, message, flags));
	return sent(fd, &held, rc >= 0 && message_pieces(message) ? message->msg_iov : NULL, flags, rc);
}

ssize_t hook_sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct send_call call = { .fd = fd, .flags = flags, .message = message };

	fds_in_message(fd, message);
	if (connects(fd, flags, message))
		return outgoing(fd, message->msg_name, message->msg_namelen, call_send, &call);
	ssize_t rc = send_message(fd, message, flags);
	if (unlikely(rc >= 0 && message->msg_control))
		fds_were_sent(message);
	return rc;
}

/* The first message connects, the others go the way it went. */
int hook_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	struct send_call call = { .fd = fd, .flags = flags, .messages = messages, .count = count };

	for (unsigned i = 0; fds_matter() && i < count && i < UIO_MAXIOV; i++) {
		if (!readable_bytes(fd, &messages[i], sizeof(messages[i])))
			break;
		fds_in_message(fd, &messages[i].msg_hdr);
	}
	if (count && connects(fd, flags, &messages->msg_hdr))
		return (int)outgoing(fd, messages->msg_hdr.msg_name, messages->msg_hdr.msg_namelen, call_send,
				     &call);
	int rc = send_messages(fd, messages, count, flags);
	for (int i = 0; i < rc; i++)
		if (unlikely(messages[i].msg_hdr.msg_control))
			fds_were_sent(&messages[i].msg_hdr);
	return rc;
}

TWIN(int, __sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags), sendmmsg)
