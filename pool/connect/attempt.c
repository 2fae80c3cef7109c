// SPDX-License-Identifier: Apache-2.0
/* attempt - one outgoing connect(): choose a source, apply it, judge the outcome, try the next.
 *
 * Theory of operation
 *
 * An attempt goes round a loop: under the lock it chooses a source and enters the port as taken, so that
 * other threads see it; without the lock it binds the socket to the source, sets the option that removes the
 * knee, and makes the program's own call; under the lock again it settles what came of it. EADDRNOTAVAIL
 * from the call means that the source is full: that is remembered, and the loop goes round with the next.
 * Everything else is the program's to see.
 *
 * While the lock is not held a signal handler may fork, and the child comes back here with the parent's
 * ledger gone. So whatever belongs to the shim is touched only after attempt_enter() said that the
 * generation is still the one the attempt began in. */
#include "pool/connect/attempt.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/resting.h"
#include "pool/connect/attempting.h"
#include "pool/connect/choice.h"
#include "pool/connect/pace.h"
#include "pool/connect/pending.h"
#include "pool/connect/settle.h"
#include "pool/ledger/freed.h"
#include "pool/libc/threads.h"
#include "pool/socket/binding.h"
#include "pool/socket/deferral.h"
#include "pool/socket/facts.h"
#include "pool/socket/shown_port.h"
#include "pool/spread/candidates.h"
#include "pool/spread/events.h"
#include "pool/spread/knee.h"
#include "pool/spread/resort.h"
#include "pool/spread/spread.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define SECOND_NS 1000000000ull

/* Each of them costs a few questions to the kernel. */
enum { PARTED_MAX = 8 };

/* Binds to the chosen source without a port. Return: 0 or a negative errno. */
HOT static long bind_source(struct attempt *a)
{
	if (!(a->flags & (OWN_NO_PORT | NO_PORT_BY_US))) {
		/* Whatever the errno (MPTCP of Linux 6.1: EOPNOTSUPP), it is not the source's fault. */
		if (unlikely(binding_set_no_port(a->fd, 1)))
			return -ENOPROTOOPT;
	}
	a->flags |= NO_PORT_BY_US;
	/* A source of the program's own has set IPV6_V6ONLY, which an MPTCP socket does not show yet. */
	long rc = unlikely(a->flags & HAS_SOURCE) ? binding_to(a->fd, a->family, &a->source)
						  : binding_to_ours(a->fd, a->family, &a->source);
	if (likely(!rc))
		a->flags |= SOURCE_BY_US | BOUND_ONCE;
	return rc;
}

/* connect() is a cancellation point: the thread may end in the program's call (pthreads(7)), before the
 * kernel is asked, or while it waits. */
static void on_cancel(void *argument)
{
	struct attempt *a = argument;
	bool asked = socket_tcp_state(a->fd) != TCP_CLOSE;

	if (!asked) {
		settle_unbind(a);
		shown_port_restore(a->spreading->sockets, &a->held, a->fd, &a->shown);
	}
	if (!attempt_enter(a))
		return;
	if (!asked && a->space && a->tracked->flags & IN_CALL) {
		space_released(a->space);
		a->tracked->space = NULL;
	}
	settle_let_go(a, asked ? -EINPROGRESS : -ECANCELED);
	lock_leave(a->spreading->lock);
}

COLD static long call_cancellable(struct attempt *a)
{
	return threads_call_cancellable(a->call, a->argument, on_cancel, a);
}

/* The option stays on a socket whose connect() failed, but for a part of the range (undo.h). */
COLD static void set_range(struct attempt *a)
{
	if ((a->flags & (RANGE_BY_US | PART_BY_US)) == RANGE_BY_US &&
	    knee_is_whole(&a->spreading->knee, &a->aid))
		return;
	if (!knee_remove(&a->spreading->knee, a->fd, &a->aid))
		return;
	a->flags = (a->flags & ~(uint32_t)PART_BY_US) | RANGE_BY_US;
	if (!knee_is_whole(&a->spreading->knee, &a->aid))
		a->flags |= PART_BY_US;
}

/* May there be a port that was not tried? */
COLD static bool has_more(struct attempt *a)
{
	if (!a->aid.on)
		a->aid.last = knee_keeps_for_last(a->to, a->space ? &a->source : NULL, &a->aid.range);
	return knee_has_more(&a->spreading->knee, &a->aid);
}

/* Makes the program's call; on a kernel that needs it, once for each window of the range. */
HOT static long ask_kernel(struct attempt *a)
{
	long rc;

	/* The first round's setting up counts as part of connect(): a look at the clock less. */
	a->asked_ns = unlikely(a->answered_ns) ? clock_ns() : a->began_ns;
	if (unlikely(a->shown.stage == SHOWN_MAY))
		shown_port_release(a->spreading->sockets, &a->held, a->fd, &a->shown);
	do {
		if (unlikely(a->aid.on))
			set_range(a);
		if (unlikely(a->slowness.measures))
			a->walked_ns = clock_thread_ns();
		rc = threads_is_one() ? a->call(a->argument) : call_cancellable(a);
		a->answered_ns = clock_ns();
		if (unlikely(a->slowness.measures))
			a->walked_ns = clock_thread_ns() - a->walked_ns;
	} while (unlikely(rc == -EADDRNOTAVAIL) &&
		 (has_more(a) || shown_port_again(a->spreading->sockets, &a->held, a->fd, &a->shown)));
	if (unlikely(a->shown.stage))
		shown_port_end(a->fd, &a->shown);
	return rc;
}

/* Does bind() refuse because of the source (bind(2), ipv6(7), bpf(2))? Not if the socket has a port that we
 * did not see it get, no port can be left to connect() with it, IPV6_ADDRFORM has made it one of IPv4
 * (ipv6(7)), or another thread has closed it since. */
static bool tells_of_source(long rc)
{
	return rc == -EADDRNOTAVAIL || rc == -EACCES || rc == -EPERM || rc == -ENODEV;
}

/* bind() refused the source: nothing can leave from it. Return: true with the lock held. */
COLD static bool set_aside(struct attempt *a, long rc)
{
	if (!attempt_enter(a))
		return false;
	space_released(a->space);
	a->tracked->space = NULL;
	if (!tells_of_source(rc)) {
		a->spreads = false;
		return true;
	}
	a->destination->load_valid = false;
	space_aside(a->space);
	a->space->aside_until_ns = attempt_time(a) + SPREAD_ASIDE_S * SECOND_NS;
	spread_aside(a->spreading, &a->source, attempt_time(a));
	events_aside(&a->spreading->journal, a->events, &a->source, NULL, (int)-rc, attempt_time(a));
	return true;
}

/* The chosen source may be on another link than the destination. Return: true to bind to it; else the lock is
 * held again, unless it could not be had. */
COLD static bool is_not_parted(struct attempt *a, bool *lost)
{
	bool parted = candidates_parted(a->to, &a->source);

	*lost = !attempt_enter(a);
	if (*lost)
		return false;
	if (!parted) {
		a->space->doubtful = false;
		lock_leave(a->spreading->lock);
		return true;
	}
	space_released(a->space);
	a->tracked->space = NULL;
	a->destination->load_valid = false;
	a->space->aside_until_ns = attempt_time(a) + SPREAD_ASIDE_S * SECOND_NS;
	/* Of a long list all may be: this one goes without. */
	if (++a->parted == PARTED_MAX)
		a->spreads = false;
	return false;
}

/* Every source is known to be full: the kernel is not asked. The lock is held; it is let go. */
COLD static long refuse(struct attempt *a)
{
	if (likely(a->destination))
		settle_exhausted(a);
	lock_leave(a->spreading->lock);
	settle_unbind(a);
	if (attempt_enter(a)) {
		settle_let_go(a, -EADDRNOTAVAIL);
		lock_leave(a->spreading->lock);
	}
	/* connect() is a cancellation point, and the program's own call was not made. */
	threads_test_cancel();
	return -EADDRNOTAVAIL;
}

/* The deferral is taken back: bind() as the program did it, for connect() once more. The lock is held.
 * Return: 0 with the lock held, or what the program gets, with the lock let go */
COLD static long take_port(struct attempt *a)
{
	a->port = PORT_TAKEN;
	a->full = NULL;
	lock_leave(a->spreading->lock);
	/* bind() looks where connect() has looked last. */
	if (a->flags & PART_BY_US) {
		binding_set_range(a->fd, 0);
		a->flags &= ~(uint32_t)(RANGE_BY_US | PART_BY_US);
	}
	long rc = deferral_make_real(a->spreading->sockets, &a->held, a->fd);
	if (!rc)
		a->flags &= ~(uint32_t)(SOURCE_BY_US | NO_PORT_BY_US);
	if (!attempt_enter(a))
		return -EADDRNOTAVAIL;
	if (rc)
		return refuse(a);
	a->flags = a->tracked->flags;
	a->spreads = a->aid.possible = a->aid.on = false;
	return 0;
}

/* A source of the list has failed, soon and for good: the kernel's own choice, if it is another one, is tried
 * in the same call. The lock is held. Return: 0 with the lock held, or what the program gets, with the lock
 * let go */
COLD static long turn_to_kernel(struct attempt *a)
{
	struct destination *d = a->destination;

	a->resort = KERNEL_ASKED;
	if (!choice_learn_natural(a))
		return a->failed;
	uint64_t now_ns = attempt_time(a);
	if (a->tracked->flags & IN_CALL && resort_is_another(d->natural) && d->natural_until_ns > now_ns &&
	    d->natural->full_until_ns <= now_ns &&
	    !board_failing(a->spreading->board, a->to, &d->natural->source, now_ns)) {
		a->resort = KERNEL_TAKEN;
		return 0;
	}
	settle_let_go(a, a->failed);
	lock_leave(a->spreading->lock);
	return a->failed;
}

/* Every source is known to be full: a port may come free yet. The lock is held.
 * Return: 1 to look again, once, 0 to refuse; -1 if the lock could not be had again */
COLD static int wait_for_one(struct attempt *a)
{
	uint64_t cost_ns = a->destination->refusal_ns;

	if (a->paced || !cost_ns)
		return 0;
	a->paced = true;
	lock_leave(a->spreading->lock);
	pace_refusal(a->fd, a->turn, cost_ns, a->began_ns);
	return !attempt_enter(a) ? -1 : freed_turn() != a->turn;
}

/* The rounds of an attempt. The lock is held at first, and let go. */
HOT static long go_round(struct attempt *a)
{
	long rc;

	for (;;) {
		if (unlikely(a->port == PORT_WANTED) && (rc = take_port(a)))
			return rc;
		if (unlikely(a->resort == KERNEL_WANTED) && (rc = turn_to_kernel(a)))
			return rc;
		enum verdict verdict = choice_make(a);
		if (unlikely(verdict == NONE_LEFT)) {
			if (settle_wants_port(a))
				continue;
			int waited = wait_for_one(a);
			if (waited <= 0)
				return waited ? -EADDRNOTAVAIL : refuse(a);
			continue;
		}
		lock_leave(a->spreading->lock);
		if (verdict == CHOSEN_SOURCE) {
			bool lost;
			if (unlikely(a->doubtful) && !is_not_parted(a, &lost)) {
				if (lost)
					return a->call(a->argument);
				continue;
			}
			rc = bind_source(a);
			if (unlikely(rc) && set_aside(a, rc))
				continue;
		} else if (unlikely(a->flags & (SOURCE_BY_US | NO_PORT_BY_US)) &&
			   (a->flags & SOURCE_BY_US || !(a->flags & DEFERRED))) {
			settle_unbind(a);
		}
		rc = ask_kernel(a);
		if (likely(!settle_call(a, rc)))
			return rc;
	}
}

/* The destination's rule says so, or the shim is disabled. But a bind(ip, 0) was deferred before that was
 * known; connect() has given the socket its port now. The lock is held; it is let go. */
COLD static long leave_alone(struct attempt *a)
{
	a->flags = a->tracked->flags;
	lock_leave(a->spreading->lock);
	long rc = a->call(a->argument);
	if (rc == -EADDRNOTAVAIL && a->flags & DEFERRED &&
	    !deferral_make_real(a->spreading->sockets, &a->held, a->fd)) {
		a->flags &= ~(uint32_t)NO_PORT_BY_US;
		rc = a->call(a->argument);
	}
	if (attempt_enter(a)) {
		if (a->tracked->flags & DEFERRED && attempt_under_way(rc))
			settle_deferral(a);
		tracked_put(a->spreading->sockets, a->tracked);
		lock_leave(a->spreading->lock);
	}
	return rc;
}

/* The lock is held; it is let go meanwhile, and another thread may connect or close the socket then. Return:
 * true with the lock held, unless @lost. */
COLD static bool is_left_alone(struct attempt *a, bool *lost)
{
	*lost = false;
	if (a->rule->leave_alone)
		return true;
	a->flags = a->tracked->flags;
	lock_leave(a->spreading->lock);
	bool rests = resting_look(a->began_ns);
	*lost = !attempt_enter(a);
	return *lost || rests || !a->tracked->fds || a->tracked->state != SOCKET_FRESH ||
	       a->tracked->flags & IN_CALL;
}

HOT long attempt_run(struct spreading *spreading, struct tracked *tracked, int fd, const struct endpoint *to,
		     const struct rule *rule, real_call *call, void *argument)
{
	struct events events;
	struct attempt a; /* what is not set here is set before it is read: to clear all takes long */

	if (unlikely(tracked->state != SOCKET_FRESH || tracked->flags & IN_CALL))
		return pending_again(spreading, tracked, fd, call, argument);
	a.spreading = spreading;
	a.tracked = tracked;
	a.fd = fd;
	a.to = to;
	a.call = call;
	a.argument = argument;
	a.rule = rule;
	a.destination = NULL;
	a.space = a.full = NULL;
	attempt_hold(&a);
	a.began_ns = clock_ns();
	if (unlikely(rule->leave_alone) || resting_may_be(a.began_ns)) {
		bool lost;
		if (is_left_alone(&a, &lost))
			return lost ? call(argument) : leave_alone(&a);
	}
	events.count = 0;
	a.events = &events;
	a.candidates = a.parted = 0;
	a.spreads = a.doubtful = a.waits = false;
	a.port = PORT_AS_IT_IS;
	a.resort = KERNEL_UNASKED;
	a.shown = (struct shown_port){ 0 };
	a.answered_ns = a.walked_ns = a.past_until_ns = 0;
	a.paced = false;
	a.aid.random = 0;
	a.aid.on = a.aid.possible = false;
	a.slowness = (struct slowness){ 0 };
	if (unlikely(!choice_begin(&a)))
		return call(argument);
	long rc = go_round(&a);
	if (unlikely(a.past_until_ns))
		board_put(spreading->board, &a.held, to, &a.source, a.past_until_ns, a.answered_ns);
	board_tell(spreading->board, a.answered_ns);
	if (unlikely(a.shown.stage == SHOWN_KEPT))
		shown_port_say_kept(spreading->sockets);
	events_write(&spreading->journal, &events);
	return rc;
}
