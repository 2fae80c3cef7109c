// SPDX-License-Identifier: Apache-2.0
/* parking - fds and parked connections: park at close(), hand out at connect(), get out of the way. */
#include "parking.h"

#include "attempt.h"
#include "binding.h"
#include "clock.h"
#include "fdtable.h"
#include "hooks.h"
#include "hot.h"
#include "kernel.h"
#include "parked.h"
#include "process.h"
#include "socket_facts.h"
#include "swap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

/* Parked connections found dead one after the other: then the kernel is asked. */
enum { DEAD_MOST = 8 };

bool parking_is_on(void)
{
	return shim.settings.reuses && process_is_ours();
}

/* The numbers leave the table under the lock, before they are closed. */
static void leave_table(const struct retired *retired)
{
	for (unsigned i = 0; i < retired->count; i++)
		fdtable_take(retired->fds[i]);
}

COLD bool parking_park(int fd, const struct held *held)
{
	struct tracked *tracked = held->tracked;
	struct reuse *reuse = tracked->reuse;
	struct retired retired = { 0 };
	uint64_t now_ns = clock_ns();
	uint32_t rtt_us = 0;
	long own = -1;

	if (!shim_enter_held(&shim, held))
		return false;
	bool may = parked_may_enter(&shim, tracked, now_ns);
	uint64_t sent = reuse->guard.sent, received = reuse->guard.received;
	shim_leave(&shim);
	if (!may)
		return false;
	int refusal = parked_quiet(fd, sent, received, &rtt_us);
	if (refusal < 0) {
		own = swap_out(fd, reuse, shim.parked_from);
		refusal = own < 0 ? REFUSED_FDS : -1;
	}
	if (refusal < 0 && !reuse->cookie)
		reuse->cookie = socket_cookie((int)own);
	if (!shim_enter_held(&shim, held)) {
		if (own >= 0)
			kernel.close((int)own);
		return false;
	}
	bool parked = refusal < 0 && fdtable_set((int)own, tracked);
	if (parked) {
		reuse->watches = 0;
		reuse->handed_out = reuse->connect_to_come = false;
		parked_enter(&shim, reuse, (int)own, rtt_us, now_ns, &retired);
		leave_table(&retired);
	} else {
		parked_refused(reuse, refusal < 0 ? REFUSED_FDS : (enum reuse_refusal)refusal);
	}
	shim_leave(&shim);
	if (!parked && own >= 0)
		kernel.close((int)own);
	parked_close(&retired);
	return parked;
}

/* Enters the connection under the program's number, in place of the fresh socket. The lock is held. */
static void replace(int fd, struct tracked *with, const struct fresh *fresh)
{
	struct tracked *stale = fdtable_take(fd);
	struct reuse *reuse = with->reuse;

	if (stale)
		tracked_put(&shim, stale);
	/* The page of the number is there: the fresh socket was in it. */
	if (!fdtable_set(fd, with))
		tracked_put(&shim, with);
	with->state = SOCKET_OPEN;
	reuse->fd = -1;
	reuse->watches = fresh->watches;
	memcpy(reuse->watch, fresh->watch, sizeof(reuse->watch));
}

static void hand_out(int fd, struct reuse *reuse, const struct fresh *fresh)
{
	guard_reset(&reuse->guard);
	reuse->uses++;
	reuse->forks = shim.forks;
	reuse->handed_out = true;
	reuse->sent_since = reuse->received_since = false;
	reuse->connect_to_come = fresh->status & O_NONBLOCK;
	reuse->tracked->space->destination->parked->counts.hits++;
	replace(fd, reuse->tracked, fresh);
}

/* Return: the youngest that fits, out of the pool and of the table; NULL: none. The lock is held. */
static struct reuse *take(struct tracked *fresh, const struct endpoint *to, const struct rule *rule,
			  uint64_t now_ns, struct retired *retired)
{
	struct destination *destination = ledger_find(&shim.ledger, to, rule, now_ns);
	struct parked_pool *pool = destination ? destination->parked : NULL;
	struct reuse *reuse;

	if (!pool || !pool->count || pool->paused_until_ns > now_ns)
		return NULL;
	reuse = parked_take(&shim, pool, fresh, now_ns, retired);
	leave_table(retired);
	if (reuse)
		fdtable_take(reuse->fd);
	return reuse;
}

static bool may_be_swapped(const struct tracked *fresh)
{
	return fresh && fresh->state == SOCKET_FRESH && !(fresh->flags & IN_CALL) && fresh->fds == 1 &&
	       !(fresh->reuse && (fresh->reuse->shared || fresh->reuse->forks != shim.forks));
}

/* One try. Return: 1 done, 0 none to be had, -1 the one taken was dead. */
static int try_one(int fd, const struct endpoint *to, const struct rule *rule, long *result)
{
	struct retired retired = { 0 };
	uint64_t now_ns = clock_ns();
	struct fresh fresh;

	if (!shim_enter(&shim))
		return 0;
	struct tracked *tracked = fdtable_look(fd);
	struct reuse *reuse = may_be_swapped(tracked) ? take(tracked, to, rule, now_ns, &retired) : NULL;
	if (!reuse) {
		shim_leave(&shim);
		parked_close(&retired);
		return 0;
	}
	struct held held = { .tracked = reuse->tracked, .generation = shim.generation };
	const struct reuse *of_fresh = tracked->reuse;
	shim_leave(&shim);
	parked_close(&retired);
	int dead = parked_alive(reuse), own = reuse->fd;
	if (dead < 0 && (!swap_look(fd, of_fresh, &fresh) || swap_in(&fresh, own, &reuse->options)))
		dead = RETIRED_ROOM;
	if (!shim_enter_held(&shim, &held))
		return 0; /* this is a child now: parking_in_child() has closed it */
	if (dead < 0) {
		hand_out(fd, reuse, &fresh);
		*result = fresh.status & O_NONBLOCK ? -EINPROGRESS : 0;
	} else {
		parked_let_go(&shim, reuse, (enum reuse_retirement)dead, now_ns, &retired);
	}
	shim_leave(&shim);
	parked_close(&retired);
	if (dead < 0)
		kernel.close(own);
	return dead < 0 ? 1 : -1;
}

COLD bool parking_hand_out(int fd, const struct endpoint *to, const struct rule *rule, long *result)
{
	int tries = 0, rc;

	parking_tidy();
	while ((rc = try_one(fd, to, rule, result)) < 0 && ++tries < DEAD_MOST)
		;
	return rc > 0;
}

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

/* A new socket like the program's, connected to the same destination. Return: its fd, or a negative errno. */
static long connect_anew(const struct fresh *fresh, const struct tracked *like, const struct endpoint *to)
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
			reuse_begin(&shim, tracked, to, rule, clock_ns());
			rc = attempt_run(&shim, tracked, a.fd, to, call_connect, &a);
		}
	}
	if (rc >= 0 || rc == -EINPROGRESS)
		return fd;
	kernel.close(a.fd);
	return rc;
}

/* Puts a new connection in the place of a dead one. */
static void reconnect(int fd, const struct held *dead)
{
	struct tracked like = *dead->tracked;
	struct fresh fresh;
	struct endpoint to;

	if (!shim_enter_held(&shim, dead))
		return;
	bool counted = dead->tracked->space;
	if (counted)
		to = dead->tracked->space->destination->to;
	shim_leave(&shim);
	if (!counted || !swap_look(fd, dead->tracked->reuse, &fresh))
		return;
	long anew = connect_anew(&fresh, &like, &to);
	if (anew < 0)
		return;
	if (kernel.dup3((int)anew, fd, fresh.numbers & FD_CLOEXEC ? O_CLOEXEC : 0) >= 0 &&
	    shim_enter_held(&shim, dead)) {
		struct tracked *tracked = fdtable_take((int)anew);
		struct tracked *old = fdtable_look(fd);
		if (old && old->space) {
			old->space->destination->parked->counts.replaced++;
			space_ended(old->space, ENDED_BY_PEER, clock_ns());
			old->space = NULL;
		}
		if (tracked)
			replace(fd, tracked, &fresh);
		shim_leave(&shim);
		swap_watch(&fresh);
	}
	kernel.close((int)anew);
}

COLD void parking_check_first_send(int fd)
{
	struct held held;
	char byte;
	int saved = errno;

	if (!fdtable_hold(fd, &held))
		return;
	struct reuse *reuse = held.tracked->reuse;
	if (reuse && reuse->handed_out && !reuse->sent_since && !reuse->received_since &&
	    kernel.recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != -EAGAIN)
		reconnect(fd, &held);
	fdtable_release(&held);
	errno = saved;
}

COLD void parking_shared(int fd)
{
	struct held held;

	if (!fdtable_hold(fd, &held))
		return;
	if (shim_enter_held(&shim, &held)) {
		struct reuse *reuse = reuse_of(&shim, held.tracked);
		if (reuse)
			reuse->shared = true;
		shim_leave(&shim);
	}
	fdtable_release(&held);
}

COLD void parking_lost(int fd)
{
	if (!shim_enter(&shim))
		return;
	struct tracked *tracked = fdtable_look(fd);
	if (tracked && tracked->state == SOCKET_PARKED) {
		fdtable_take(fd);
		parked_lost(&shim, tracked->reuse, clock_ns());
	}
	shim_leave(&shim);
}

COLD void parking_give_way(int fd)
{
	struct retired retired = { 0 };

	if (!shim_enter(&shim))
		return;
	struct tracked *tracked = fdtable_look(fd);
	if (tracked && tracked->state == SOCKET_PARKED) {
		parked_retire(&shim, tracked->reuse, RETIRED_ROOM, clock_ns(), &retired);
		leave_table(&retired);
	}
	shim_leave(&shim);
	parked_close(&retired);
}

COLD bool parking_give_up(enum reuse_retirement why)
{
	struct retired retired = { 0 };
	bool any = false, more = true;
	int saved = errno;

	while (more && parking_is_on() && shim_enter(&shim)) {
		more = parked_give_up(&shim, why, clock_ns(), &retired);
		leave_table(&retired);
		any |= more;
		shim_leave(&shim);
		parked_close(&retired);
	}
	errno = saved;
	return any;
}

bool parking_made_room(int rc)
{
	return rc < 0 && errno == EMFILE && shim.settings.reuses && parking_give_up(RETIRED_ROOM);
}

COLD void parking_tidy(void)
{
	struct retired retired = { 0 };
	uint64_t now_ns = clock_coarse_ns();

	if (!shim.parked_count || now_ns < shim.parked_look_ns || !shim_enter(&shim))
		return;
	parked_expire(&shim, now_ns, &retired);
	leave_table(&retired);
	shim_leave(&shim);
	parked_close(&retired);
}

COLD void parking_epoll_closed(int epoll)
{
	if (!shim_enter(&shim))
		return;
	for (int fd = fdtable_next(0); fd >= 0; fd = fdtable_next(fd + 1)) {
		struct tracked *tracked = fdtable_look(fd);
		if (tracked && tracked->reuse)
			reuse_note_watch(tracked->reuse, epoll, EPOLL_CTL_DEL, 0, 0);
	}
	shim_leave(&shim);
}

COLD void parking_in_child(void)
{
	for (struct reuse *reuse = shim.parked_newest; reuse; reuse = reuse->all_older)
		kernel.close(reuse->fd);
}
