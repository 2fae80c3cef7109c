// SPDX-License-Identifier: Apache-2.0
/* first_send - a connection that was handed out, and has died before the program sent anything on it. */
#include "first_send.h"

#include "attempt.h"
#include "binding.h"
#include "clock.h"
#include "closing.h"
#include "ending.h"
#include "fdtable.h"
#include "hot.h"
#include "kernel.h"
#include "parking.h"
#include "process.h"
#include "reuse.h"
#include "socket_facts.h"
#include "swap.h"
#include "undo.h"

#include <errno.h>
#include <fcntl.h>

struct anew {
	int fd;
	struct sockaddr_storage sa;
	socklen_t length;
};

static long call_connect(void *argument)
{
	const struct anew *a = argument;
	return kernel.connect(a->fd, &a->sa, a->length);
}

/* A new socket like the program's, connected to the same destination. Return: its fd, or a negative errno;
 * *asked: the kernel was asked for the connection. */
static long connect_anew(const struct fresh *fresh, const struct tracked *like, const struct endpoint *to,
			 bool *asked)
{
	struct tracked facts = { .family = like->family, .flags = like->flags & HAS_SOURCE };
	struct anew a = { .fd = -1 };
	long fd = kernel_private_fd(
		kernel.socket(like->family, SOCK_STREAM | SOCK_CLOEXEC | (fresh->status & O_NONBLOCK), 0));

	if (fd < 0)
		return fd;
	a.fd = (int)fd;
	a.length = endpoint_to_sockaddr(to, like->family, &a.sa);
	long rc = option_log_replay(a.fd, &fresh->options);
	if (!rc && facts.flags & HAS_SOURCE)
		rc = binding_set_no_port(a.fd, 1) ?: binding_to(a.fd, like->family, &like->bound);
	facts.bound = like->bound;
	if (!rc && shim_enter(&shim)) {
		struct tracked *tracked = fdtable_track(a.fd, &facts);
		if (!tracked) {
			shim_leave(&shim);
			rc = -ENOMEM;
		} else {
			const struct rule *rule = settings_rule_for(&shim.settings, to, shim.process);
			struct reuse *reuse = reuse_of(&shim, tracked);
			if (reuse)
				reuse->options = fresh->options;
			reuse_begin(&shim, tracked, to, rule);
			*asked = true;
			rc = attempt_run(&shim, tracked, a.fd, to, rule, call_connect, &a);
		}
	}
	if (rc >= 0 || rc == -EINPROGRESS)
		return fd;
	kernel.close(a.fd);
	return rc;
}

/* Puts a new connection under the program's number, if that is still the dead one's. The lock is held. */
static bool put_in_place(int fd, int anew, const struct tracked *dead, const struct fresh *fresh)
{
	struct tracked *tracked = fdtable_look(anew), *old = fdtable_look(fd);

	if (!tracked || old != dead || old->fds != 1 || swap_place(fresh, anew) < 0)
		return false;
	fdtable_take(anew);
	if (old->space) {
		old->space->destination->parked->counts.replaced++;
		space_ended(old->space, ENDED_BY_PEER, clock_ns());
		old->space = NULL;
	}
	old->state = SOCKET_FRESH;
	tracked_put(&shim, parking_enter_number(fd, tracked, fresh));
	kernel.close(anew);
	return true;
}

/* Return: was the dead connection taken apart? Then its socket is as it was before connect() (connect(2)). */
static bool disconnect(int fd, const struct held *dead)
{
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	static const struct ending_facts facts = { .how = ENDED_BY_PEER };
	struct tracked *tracked = dead->tracked;

	if (!shim_enter_held(&shim, dead))
		return false;
	/* Nobody else has the socket, nor can close the number while the lock is held. */
	bool gone = fdtable_look(fd) == tracked && tracked->fds == 1 && tracked->space && tracked->reuse &&
		    !tracked->reuse->shared && tracked->reuse->forks == shim.forks &&
		    !kernel.connect(fd, &nobody, sizeof(nobody));
	if (gone)
		tracked->space->destination->parked->counts.replaced++;
	shim_leave(&shim);
	if (gone) {
		ending_enter(&shim, dead, &facts, false);
		undo_binding(&shim, dead, fd);
	}
	return gone;
}

/* Connects the dead connection's own socket once more, where another cannot be had or put in its place. An
 * epoll set may show it as ended for a moment, so this comes second. */
static void connect_itself(int fd, const struct held *dead, const struct tracked *like,
			   const struct endpoint *to)
{
	const struct rule *rule = settings_rule_for(&shim.settings, to, shim.process);
	struct anew a = { .fd = fd };

	a.length = endpoint_to_sockaddr(to, like->family, &a.sa);
	if (!disconnect(fd, dead) || !shim_enter_held(&shim, dead))
		return;
	if (fdtable_look(fd) != dead->tracked) {
		shim_leave(&shim);
		return;
	}
	reuse_begin(&shim, dead->tracked, to, rule);
	attempt_run(&shim, dead->tracked, fd, to, rule, call_connect, &a);
}

/* Makes a new connection in the place of a dead one. Return: true if there is no more to be tried. */
static bool connect_another(int fd, const struct held *dead, const struct tracked *like,
			    const struct endpoint *to, const struct fresh *fresh)
{
	struct closing closing;
	bool asked = false;

	int anew = (int)connect_anew(fresh, like, to, &asked);
	if (anew < 0)
		return asked;
	if (shim_enter_held(&shim, dead)) {
		bool placed = put_in_place(fd, anew, dead->tracked, fresh);
		shim_leave(&shim);
		if (placed)
			return true;
	}
	bool known = closing_begin_unparked(anew, &closing);
	kernel.close(anew);
	if (known)
		closing_end(&closing);
	return false;
}

static void reconnect(int fd, const struct held *dead)
{
	struct fresh *fresh; /* too large for the stack of a small thread */
	struct tracked like;
	struct endpoint to;

	if (!shim_enter_held(&shim, dead))
		return;
	like = *dead->tracked;
	fresh = arena_alloc(&shim.arena, sizeof(*fresh));
	bool known = fresh && like.space && swap_look(fd, like.reuse, fresh);
	if (like.space)
		to = like.space->destination->to;
	shim_leave(&shim);
	if (like.space && (!known || !connect_another(fd, dead, &like, &to, fresh)))
		connect_itself(fd, dead, &like, &to);
	/* In a child that a signal handler forked meanwhile it is gone with all others of its parent. */
	if (shim_enter_held(&shim, dead)) {
		arena_free(&shim.arena, fresh, sizeof(*fresh));
		shim_leave(&shim);
	}
}

APART void first_send_look(int fd)
{
	struct held held;
	int saved = errno;

	if (!fdtable_hold(fd, &held))
		return;
	bool first = held.tracked->watched & FIRST_SEND;
	held.tracked->watched &= (uint8_t)~FIRST_SEND;
	if (first && held.tracked->reuse && !held.tracked->reuse->received_since && !socket_is_quiet(fd))
		reconnect(fd, &held);
	fdtable_release(&held);
	errno = saved;
}
