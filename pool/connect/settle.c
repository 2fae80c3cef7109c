// SPDX-License-Identifier: Apache-2.0
/* settle - what came of the program's call, entered where it belongs. */
#include "pool/connect/settle.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/connect/pace.h"
#include "pool/ledger/entries.h"
#include "pool/ledger/named.h"
#include "pool/routes/route.h"
#include "pool/socket/facts.h"
#include "pool/socket/shown_port.h"
#include "pool/socket/undo.h"
#include "pool/spread/candidates.h"
#include "pool/spread/events.h"
#include "pool/spread/knee.h"
#include "pool/spread/resort.h"
#include "pool/spread/slowness.h"
#include "pool/spread/spread.h"
#include "pool/spread/trust.h"

#include <errno.h>
#include <sys/socket.h>

#define SECOND_NS 1000000000ull

/* What fails by the second SYN (TCP_TIMEOUT_INIT, include/net/tcp.h) has failed soon. */
#define SOON_NS (SECOND_NS + SECOND_NS / 2)

/* What a connect() that has failed leaves on the socket, and is taken back. */
enum { UNDONE = BOUND_ONCE | NO_PORT_BY_US | PART_BY_US };

/* It has not failed. The lock is held. */
COLD static void make_entry(struct attempt *a)
{
	struct ledger *ledger = a->spreading->ledger;

	a->waits = false;
	a->destination = ledger_find(ledger, a->to, a->rule, a->began_ns);
	if (a->destination)
		a->destination->users++;
	else
		ledger->untracked++;
}

/* Takes back what an earlier round or an earlier connect() bound. */
COLD void settle_unbind(struct attempt *a)
{
	struct undo undo;

	if (!(a->flags & UNDONE) || !attempt_enter(a))
		return;
	undo_note(a->tracked, &undo);
	lock_leave(a->spreading->lock);
	undo_apply(a->fd, &undo);
	a->flags = undo_flags(a->flags);
}

/* The answers a route can be the reason for, at once or by ICMP (connect(2), ip_route_output_flow()). */
static bool may_be_routing(long rc)
{
	return rc == -ENETUNREACH || rc == -EHOSTUNREACH || rc == -EINVAL || rc == -EACCES;
}

/* Which source did the kernel take, or would it take? */
ONCE static bool learn_source(struct attempt *a, long rc, struct address *source)
{
	struct endpoint local;

	/* Of many destinations that fail, which source it would have been is not worth a question each. */
	if (!attempt_under_way(rc))
		return !(a->flags & PINNED) && (rc == -EADDRNOTAVAIL || !a->many) &&
		       route_source(a->to, NULL, source) == 0;
	if (!socket_local(a->fd, &local))
		return false;
	*source = local.ip;
	return true;
}

/* Enters the port under the source that was learned. The lock is held. */
ONCE static void enter_learned(struct attempt *a, const struct address *source, bool known)
{
	struct destination *d = a->destination;
	static const struct address unknown;

	a->space = ledger_space(a->spreading->ledger, d, known ? source : &unknown);
	if (!a->space)
		return;
	if (known && !(a->flags & (HAS_SOURCE | PINNED)))
		spread_natural(d, a->space, a->answered_ns + CANDIDATES_NATURAL_LIFE_S * SECOND_NS);
	space_taken(a->space, &a->spreading->ledger->range, a->answered_ns);
	a->tracked->space = a->space;
	a->source = a->space->source;
}

/* connect() has returned success. */
static inline void trust_enter(struct attempt *a)
{
	struct tuple_space *space = a->space;

	if (likely((space->doubt & ~TRUST_UNSERVED) <= 1 && !a->destination->doubted))
		space->doubt &= TRUST_UNSERVED;
	else
		trust_connected(a->spreading->ledger, space, a->fd, a->answered_ns);
}

/* The call held the socket, which goes now that it has returned (fput(), fs/file_table.c). */
COLD static void end_closed_in_call(struct attempt *a, long rc)
{
	if (rc < 0)
		space_failed(a->space, 0);
	else
		space_ended(a->space,
			    a->tracked->flags & (ABORTS_ON_CLOSE | NO_TIME_WAIT) ? ENDED_BY_RESET
										 : ENDED_TIME_WAIT,
			    a->answered_ns);
	a->tracked->space = NULL;
}

HOT static void settle_under_way(struct attempt *a, long rc, uint16_t named)
{
	struct tracked *tracked = a->tracked;

	tracked->state = rc >= 0 ? SOCKET_OPEN : SOCKET_CONNECTING;
	tracked->flags &= ~(uint32_t)IN_CALL;
	if (unlikely(!a->space))
		return;
	uint64_t spent_ns = a->answered_ns - a->asked_ns;
	space_opened(a->space, spent_ns);
	if (unlikely(named))
		named_taken(a->spreading->ledger, a->space, named, a->answered_ns);
	if (unlikely(a->space->full_until_ns))
		spread_not_full(a->space);
	if (a->spreads && rc >= 0)
		trust_enter(a);
	if (unlikely(spent_ns > KNEE_SLOW_NS || a->slowness.measures || a->space->knee) && a->aid.possible &&
	    !a->aid.on)
		a->past_until_ns = slowness_enter(a->space, &a->spreading->ledger->range, spent_ns,
						  a->walked_ns, &a->slowness, a->answered_ns);
	if (unlikely(tracked->watched))
		SPACE_REUSE_ADD(a->space, reuse_misses, 1);
	if (unlikely(a->space->apart))
		usage_promote(a->spreading->ledger->writer, a->spreading->ledger->arena, a->space);
	events_use_changed(&a->spreading->journal, a->events, a->space, a->answered_ns);
	if (unlikely(tracked->flags & CLOSED_IN_CALL))
		end_closed_in_call(a, rc);
}

/* EISCONN and EALREADY: a connection nobody saw being made; nothing was tried. */
static bool is_no_attempt(long rc)
{
	return rc == -EISCONN || rc == -EALREADY || rc == -EOPNOTSUPP;
}

COLD static void enter_failed(struct attempt *a, long rc)
{
	a->tracked->space = NULL;
	if (a->space && is_no_attempt(rc))
		space_released(a->space);
	else if (a->space) {
		space_failed(a->space, (int)-rc);
		if (a->spreads)
			spreading_failed(a->spreading, a->space, (int)-rc, attempt_time(a));
	}
}

/* It has failed soon, so that what the program waits for is no longer than without. Of a program with many
 * destinations most may be of no use: it makes no more attempts than without. */
COLD static bool wants_kernel(struct attempt *a, long rc)
{
	if (!a->spreads || a->many || a->flags & HAS_SOURCE || a->resort != KERNEL_UNASKED || !a->space ||
	    !a->space->listed || a->answered_ns - a->asked_ns > SOON_NS ||
	    !resort_may_be_asked(a->destination, (int)-rc))
		return false;
	a->resort = KERNEL_WANTED;
	a->failed = rc;
	return true;
}

COLD static void settle_full(struct attempt *a)
{
	space_released(a->space);
	a->tracked->space = NULL;
	a->full = a->space;
	if (a->flags & ITS_OWN_SPACE) {
		spread_full_for_one(a->space, a->answered_ns);
		return;
	}
	uint64_t took_ns = a->answered_ns - a->asked_ns;
	a->destination->refusal_ns = pace_cost(a->destination->refusal_ns, took_ns);
	spread_full(a->space, took_ns, a->candidates, a->answered_ns);
}

/* connect() has given the socket its port: nothing is deferred any longer. */
COLD void settle_deferral(struct attempt *a)
{
	if (a->tracked->flags & DEFERRED)
		a->spreading->sockets->deferred_count--;
	a->tracked->flags &= ~(uint32_t)DEFERRED;
	a->spreading->sockets->deferrals++;
	if (a->space)
		space_deferred(a->space);
}

/* The program gets EADDRNOTAVAIL, as no source is left. */
COLD static void enter_exhausted(struct attempt *a, struct tuple_space *space)
{
	a->destination->exhausted++;
	if (space)
		space_exhausted(space);
	events_exhausted(&a->spreading->journal, a->events, a->destination, a->candidates, attempt_time(a));
}

/* The same, for an attempt that took no port. The lock is held. */
COLD void settle_exhausted(struct attempt *a)
{
	struct destination *d = a->destination;
	struct tuple_space *space = a->space ? a->space : d->natural ? d->natural : d->spaces;

	if (space)
		space_refused(space, EADDRNOTAVAIL);
	if (!(a->flags & ITS_OWN_SPACE))
		enter_exhausted(a, space);
	a->tracked->state = SOCKET_FRESH;
	a->tracked->flags &= ~(uint32_t)IN_CALL;
	a->tracked->space = NULL;
}

/* The attempt is over. The lock is held. */
HOT void settle_let_go(struct attempt *a, long rc)
{
	struct tracked *tracked = a->tracked;

	/* Still marked: nothing was settled, for want of an entry in the ledger. */
	if (unlikely(tracked->flags & IN_CALL))
		tracked->state = rc >= 0                 ? SOCKET_OPEN
				 : attempt_under_way(rc) ? SOCKET_CONNECTING
							 : SOCKET_FRESH;
	tracked->flags &= ~(uint32_t)IN_CALL;
	if (unlikely(tracked->flags & DEFERRED || shown_port_is_shared(&a->shown)) && attempt_under_way(rc))
		settle_deferral(a);
	if (likely(a->destination))
		a->destination->users--;
	tracked_put(a->spreading->sockets, tracked);
}

/* A source bound by us that no packet can leave from towards this destination is not the program's error.
 * Where the routes cannot be asked, as under a filter without netlink, the kernel's own choice is to say so.
 */
static bool source_to_blame(struct attempt *a, long rc)
{
	struct address ignored;

	if (!(a->flags & SOURCE_BY_US) || !may_be_routing(rc) || !route_source(a->to, &a->source, &ignored))
		return false;
	int own = route_source(a->to, NULL, &ignored);
	return !own || !may_be_routing(own);
}

/* A bind(ip, 0) that was deferred would have found a port that connect() cannot take by itself: one that a
 * socket bound to another address holds (inet_csk_get_port() and __inet_hash_connect(), net/ipv4/). So before
 * the program gets EADDRNOTAVAIL the port is taken as it asked. */
static bool may_take_port(const struct attempt *a)
{
	return a->tracked->flags & DEFERRED && a->port == PORT_AS_IT_IS && !(a->spreads && a->rule->strict);
}

bool settle_wants_port(struct attempt *a)
{
	if (!may_take_port(a))
		return false;
	a->port = PORT_WANTED;
	return true;
}

/* What came of the call, when it took no port. Return: true to go round again. The lock is held. */
COLD static bool settle_refused(struct attempt *a, long rc, bool full, bool blame)
{
	if (a->space && full) {
		settle_full(a);
		if (a->spreads || settle_wants_port(a))
			return true;
		settle_exhausted(a);
		return false;
	}
	if (a->space && blame) {
		space_released(a->space);
		a->destination->load_valid = false;
		space_aside(a->space);
		a->space->aside_until_ns = a->answered_ns + SPREAD_ASIDE_S * SECOND_NS;
		events_aside(&a->spreading->journal, a->events, &a->source, a->to, (int)-rc, a->answered_ns);
		return true;
	}
	enter_failed(a, rc);
	if (wants_kernel(a, rc))
		return true;
	a->tracked->state = SOCKET_FRESH;
	a->tracked->flags &= ~(uint32_t)IN_CALL;
	if (unlikely(a->port == PORT_TAKEN) && rc == -EADDRNOTAVAIL)
		enter_exhausted(a, a->space);
	return false;
}

/* Without an entry in the ledger. Return: true to go round again. The lock is held. */
COLD static bool settle_uncounted(struct attempt *a, long rc)
{
	if (a->waits && !attempt_under_way(rc) && !is_no_attempt(rc))
		ledger_failed(a->spreading->ledger, a->to, (int)-rc, a->answered_ns);
	return rc == -EADDRNOTAVAIL && settle_wants_port(a);
}

/* The kernel takes the port from a socket whose attempt has come to nothing (tcp_set_state(),
 * net/ipv4/tcp.c): what was deferred is gone, and bind() may come again. Where the route alone was refused it
 * leaves it: then connect() had not come to choosing one, and none shows. The same errno, EHOSTUNREACH say,
 * may be either. */
static bool came_to_nothing(const struct attempt *a, long rc)
{
	return rc == -ECONNREFUSED || rc == -ETIMEDOUT || rc == -ECONNRESET || socket_port(a->fd);
}

COLD static void drop_deferral(struct attempt *a)
{
	if (!attempt_enter(a))
		return;
	if (a->tracked->flags & DEFERRED) {
		a->tracked->flags &= ~(uint32_t)DEFERRED;
		a->spreading->sockets->deferred_count--;
	}
	a->flags &= ~(uint32_t)DEFERRED;
	lock_leave(a->spreading->lock);
}

COLD static void take_back(struct attempt *a, long rc)
{
	if (a->flags & DEFERRED && came_to_nothing(a, rc))
		drop_deferral(a);
	settle_unbind(a);
}

/* Enters the outcome. Return: true to go round again; then, and only then, the lock is held. */
HOT bool settle_call(struct attempt *a, long rc)
{
	bool to_blame = a->destination && source_to_blame(a, rc);
	bool full = rc == -EADDRNOTAVAIL && (a->spreads || !(a->flags & ITS_OWN_SPACE));
	bool may_try_next = full;
	bool learned = false, again = false;
	struct address source;
	uint16_t named = 0;

	if (unlikely(a->flags & HAS_PORT) && named_is_any(a->spreading->ledger) && attempt_under_way(rc))
		named = socket_port(a->fd);
	if (unlikely((a->destination || a->waits) && !a->space))
		learned = learn_source(a, rc, &source);
	if (unlikely(full) && a->spreading->ledger->range_until_ns <= a->answered_ns)
		ledger_refresh_range(a->spreading->ledger, a->answered_ns);
	if (unlikely(!attempt_under_way(rc) && !full))
		take_back(a, rc);
	if (unlikely(!attempt_enter(a)))
		return false;
	if (unlikely(!(a->tracked->flags & IN_CALL))) {
		/* A signal handler of this thread has closed the fd, and entered the end. */
		settle_let_go(a, rc);
		lock_leave(a->spreading->lock);
		return false;
	}
	if (unlikely(a->waits) && (full || attempt_under_way(rc)))
		make_entry(a);
	if (unlikely(a->destination && !a->space)) {
		/* No source for this destination at all (IPv6 without an address) is no exhaustion. */
		full = full && learned;
		enter_learned(a, &source, learned);
	}
	if (likely(a->destination && attempt_under_way(rc)))
		settle_under_way(a, rc, named);
	else if (unlikely(!a->destination))
		again = settle_uncounted(a, rc);
	else
		again = settle_refused(a, rc, full, to_blame);
	if (unlikely(again))
		return true;
	if (unlikely(may_try_next) && a->flags & UNDONE) {
		lock_leave(a->spreading->lock);
		settle_unbind(a);
		if (!attempt_enter(a))
			return false;
	}
	settle_let_go(a, rc);
	lock_leave(a->spreading->lock);
	return false;
}
