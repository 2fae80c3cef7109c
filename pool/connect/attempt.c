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
#include "pool/base/freed.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/connect/candidates.h"
#include "pool/connect/events.h"
#include "pool/connect/knee.h"
#include "pool/connect/pace.h"
#include "pool/connect/slowness.h"
#include "pool/connect/spread.h"
#include "pool/connect/trust.h"
#include "pool/ledger/entries.h"
#include "pool/routes/route.h"
#include "pool/routes/traffic_classes.h"
#include "pool/socket/binding.h"
#include "pool/socket/deferral.h"
#include "pool/socket/facts.h"
#include "pool/socket/shown_port.h"
#include "pool/socket/undo.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <sys/single_threaded.h>

#define SECOND_NS 1000000000ull

/* Each of them costs a few questions to the kernel. */
enum { PARTED_MAX = 8 };

/* Sockets whose EADDRNOTAVAIL says nothing of others: they ask for one port, a range or a device of their
 * own. */
enum { ITS_OWN_SPACE = HAS_PORT | OWN_RANGE | PINNED };

struct attempt {
	struct connecting *connecting;
	struct held held;
	struct tracked *tracked; /* held.tracked; touched only under the lock, see above */
	int fd;
	const struct endpoint *to;
	real_call *call;
	void *argument;
	int family;
	const struct rule *rule;
	struct destination *destination; /* NULL: not counted, no room */
	struct tuple_space *space;       /* where the port is entered as taken; NULL: not known yet */
	struct address source;           /* of `space` */
	struct tuple_space *full;        /* the space found full in the round before */
	unsigned candidates;
	unsigned parted;         /* sources found to be on another link */
	bool spreading;          /* the source is ours to choose */
	bool doubtful;           /* the chosen one may be on another link than the destination */
	bool many;               /* this program has many destinations */
	bool waits;              /* of them this one has no entry yet: ledger_may_wait() */
	struct shown_port shown; /* the port that getsockname() told before */
	enum { PORT_AS_IT_IS, PORT_WANTED, PORT_TAKEN } port; /* when nothing else is left: take_port() */
	uint32_t flags; /* the socket's, as of now; entered into its record under the lock */
	uint64_t began_ns;
	uint64_t asked_ns, answered_ns; /* around the program's call */
	struct knee_aid aid;
	struct slowness slowness;
	uint64_t walked_ns;     /* processor time of the call, where it was measured */
	uint64_t past_until_ns; /* the tuple space was found past the knee: tell others; 0: it was not */
	unsigned turn;          /* freed_turn() */
	bool paced;             /* no port was left once already, and it was waited for one */
	struct events *events;
};

/* Now, as the clock was last looked at: an earlier round may have taken minutes. */
static uint64_t time_of(const struct attempt *a)
{
	return a->answered_ns ? a->answered_ns : a->began_ns;
}

enum { FLAGS_OF_ATTEMPT = SOURCE_BY_US | RANGE_BY_US | PART_BY_US | NO_PORT_BY_US | BOUND_ONCE };

static inline bool attempt_enter(struct attempt *a)
{
	if (unlikely(!lock_enter_held(a->connecting->lock, &a->held)))
		return false;
	a->tracked->flags =
		((a->tracked->flags & ~(uint32_t)FLAGS_OF_ATTEMPT) | (a->flags & FLAGS_OF_ATTEMPT));
	return true;
}

/* So that the record stays while the lock is let go. */
static void hold(struct attempt *a)
{
	a->tracked->references++;
	a->held = (struct held){ .tracked = a->tracked, .generation = a->connecting->lock->generation };
}

/* The socket as others see it while an attempt is under way. */
static void mark_under_way(struct attempt *a)
{
	a->tracked->state = SOCKET_CONNECTING;
	a->tracked->flags |= IN_CALL;
	a->tracked->caller = lock_thread();
	a->tracked->flags &= ~(uint32_t)(FIN_SENT_FIRST | WAS_SHUT | PORT_SHOWN);
	a->tracked->space = NULL;
	a->flags = a->tracked->flags;
	a->family = a->tracked->family;
}

/* Return: false when the lock had to be let go for it and could not be had again. */
static bool look_up(struct attempt *a)
{
	struct candidates_age age;

	if (likely(!candidates_age(a->connecting, a->destination, a->spreading, a->began_ns, &age)))
		return true;
	lock_leave(a->connecting->lock);
	candidates_refresh(a->connecting, &a->held, a->destination, &age, a->events, a->began_ns);
	return attempt_enter(a);
}

/* A socket with a traffic class is like any other, unless a routing rule sends it another way. The lock is
 * held. Return: false when it could not be had again. */
COLD static bool look_at_class(struct attempt *a)
{
	uint8_t class = a->tracked->traffic_class;
	struct destination *d = a->destination;
	bool ordinary = true;

	if (!d->far || a->flags & PINNED)
		return true;
	if (!d->classes || !traffic_classes_know(d->classes, class, a->began_ns, &ordinary)) {
		lock_leave(a->connecting->lock);
		ordinary = candidates_class_is_ordinary(a->to, class);
		if (!attempt_enter(a))
			return false;
		/* Without memory for it the kernel is asked each time. */
		if (!d->classes)
			d->classes = arena_alloc(a->connecting->ledger->arena, sizeof(*d->classes));
		if (d->classes)
			traffic_classes_enter(d->classes, class, a->began_ns, ordinary);
	}
	if (!ordinary)
		a->flags |= PINNED;
	return true;
}

/* Only where nothing that an entry tells bears on this connect(). The lock is held. */
COLD static bool may_wait(struct attempt *a)
{
	static const uint32_t particular =
		ITS_OWN_SPACE | HAS_SOURCE | HAS_CLASS | DEFERRED | FLAGS_OF_ATTEMPT;
	struct connecting *connecting = a->connecting;

	a->waits = !(a->flags & particular) && !a->tracked->watched && a->rule->spread == SPREAD_OFF &&
		   connecting->knee.way != KNEE_WINDOW && connecting->ledger->writer->state > USAGE_WAITING &&
		   ledger_may_wait(connecting->ledger, a->to);
	return a->waits;
}

/* It has not failed. The lock is held. */
COLD static void make_entry(struct attempt *a)
{
	struct ledger *ledger = a->connecting->ledger;

	a->waits = false;
	a->destination = ledger_find(ledger, a->to, a->rule, a->began_ns);
	if (a->destination)
		a->destination->users++;
	else
		ledger->untracked++;
}

/* With the lock held. Return: false when it could not be had again after looking something up. */
HOT static bool begin(struct attempt *a)
{
	struct connecting *connecting = a->connecting;

	hold(a);
	a->began_ns = clock_ns();
	if (unlikely(a->tracked->flags & PORT_SHOWN))
		a->shown.stage = shown_port_may(connecting->sockets, a->tracked) ? SHOWN_MAY : SHOWN_KEPT;
	mark_under_way(a);
	a->aid.possible = !(a->flags & (HAS_PORT | OWN_RANGE));
	a->many = connecting->ledger->count >= LEDGER_MANY;
	if (unlikely(a->many) && may_wait(a))
		return true;
	a->destination = ledger_find(connecting->ledger, a->to, a->rule, a->began_ns);
	if (unlikely(!a->destination)) {
		connecting->ledger->untracked++;
		if (connecting->ledger->writer->segment)
			USAGE_PUT(connecting->ledger->writer->segment->header.untracked,
				  connecting->ledger->untracked);
		return true;
	}
	a->destination->users++;
	if (unlikely(a->flags & HAS_CLASS) && !look_at_class(a))
		return false;
	a->spreading = a->rule->spread != SPREAD_OFF && !(a->flags & (HAS_PORT | PINNED)) &&
		       likely(!a->destination->kernels_choice) &&
		       (!(a->flags & HAS_SOURCE) || a->rule->override_bound_source);
	if (a->spreading && likely(!a->rule->sources.automatic) &&
	    unlikely(a->destination->sources != &a->rule->sources))
		a->spreading = spread_prepare(connecting, a->destination, &a->rule->sources);
	return look_up(a);
}

/* The source is fixed: by the program's bind(), or because the kernel chooses. */
HOT static enum verdict choose_fixed(struct attempt *a)
{
	struct destination *d = a->destination;

	a->candidates = 1;
	if (a->flags & HAS_SOURCE)
		a->space = ledger_space(a->connecting->ledger, d, &a->tracked->bound);
	else if (!(a->flags & PINNED) && d->natural_until_ns > a->began_ns)
		a->space = d->natural;
	if (a->space && unlikely(a->space->full_until_ns > a->began_ns) && !(a->flags & ITS_OWN_SPACE) &&
	    spread_full_surely(a->space, &a->connecting->ledger->range, a->began_ns))
		return NONE_LEFT;
	return CHOSEN_NATURAL;
}

/* Is this connect() to be helped past the knee? */
static inline void help(struct attempt *a, uint32_t in_use, uint64_t now_ns)
{
	struct destination *d = a->destination;
	struct tuple_space *space = a->space;
	const struct port_range *range = &a->connecting->ledger->range;

	a->slowness = (struct slowness){ 0 };
	a->aid.on = false;
	if (unlikely(!a->aid.possible))
		return;
	if (unlikely(!space || space->knee || d->knee_past))
		slowness_look(a->connecting, d, space, in_use, now_ns, &a->slowness);
	a->aid.on = a->slowness.helps || a->flags & RANGE_BY_US ||
		    (space && d->busy && knee_is_near(in_use, range) &&
		     ledger_looked_for_range(a->connecting->ledger, now_ns));
	/* How long a refusal takes without help is what it costs others, and no port is left out. */
	if (unlikely(space && space->full_until_ns) && range->high && (range->high - range->low) % 2)
		a->aid.on = a->flags & RANGE_BY_US;
	if (likely(!a->aid.on))
		return;
	a->aid.last = knee_keeps_for_last(a->to, space ? &space->source : NULL, range);
	/* Without the range the port cannot be left out. */
	if (!range->high && !(a->flags & RANGE_BY_US) &&
	    knee_may_be_local(a->to, space ? &space->source : NULL))
		a->aid.on = false;
}

/* Enters the port as taken. */
HOT static inline void enter_taken(struct attempt *a, uint64_t now_ns)
{
	if (unlikely(!a->space)) {
		help(a, 0, now_ns);
		return;
	}
	uint32_t in_use = space_taken(a->space, &a->connecting->ledger->range, now_ns);
	help(a, in_use, now_ns);
	if (a->spreading && unlikely((++a->space->doubt & ~TRUST_UNSERVED) > TRUST_LOOK_AFTER))
		trust_begins_slowly(a->connecting->ledger, a->space, a->fd, now_ns);
	a->tracked->space = a->space;
	a->source = a->space->source;
	a->doubtful = a->space->doubtful;
}

/* Chooses, and enters the port as taken. The lock is held. */
HOT static enum verdict choose(struct attempt *a)
{
	struct choice choice = { 0 };
	enum verdict verdict;

	a->space = NULL;
	a->aid.range = a->connecting->ledger->range;
	a->aid.tried = 0;
	a->aid.last = 0;
	a->aid.on = a->aid.possible && a->flags & RANGE_BY_US;
	if (unlikely(a->connecting->knee.way == KNEE_WINDOW))
		a->aid.random = connecting_random(a->connecting);
	if (unlikely(!a->destination))
		return CHOSEN_NATURAL;
	uint64_t now_ns = time_of(a);
	if (a->spreading) {
		struct tuple_space *own = NULL;
		if (unlikely(a->flags & HAS_SOURCE))
			own = ledger_space(a->connecting->ledger, a->destination, &a->tracked->bound);
		verdict = spread_choose(a->connecting, a->destination, own, a->began_ns, now_ns, &choice);
		a->space = choice.space;
		a->candidates = choice.candidates;
		if (unlikely(!choice.fits) && !a->destination->no_source_said) {
			a->destination->no_source_said = true;
			events_no_source(&a->connecting->journal, a->events, a->to, now_ns);
		}
	} else {
		verdict = choose_fixed(a);
	}
	if (unlikely(a->full) && verdict != NONE_LEFT) {
		space_failed_over(a->full);
		events_failover(&a->connecting->journal, a->events, a->full, now_ns);
	}
	a->full = NULL;
	if (unlikely(a->destination->doubted))
		trust_say(&a->connecting->journal, a->events, a->destination, now_ns);
	if (unlikely(verdict == NONE_LEFT))
		a->turn = freed_turn();
	else
		enter_taken(a, now_ns);
	return verdict;
}

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

/* Takes back what an earlier round or an earlier connect() bound. */
COLD static void unbind_source(struct attempt *a)
{
	if (!(a->flags & (BOUND_ONCE | NO_PORT_BY_US)))
		return;
	if (!attempt_enter(a))
		return;
	lock_leave(a->connecting->lock);
	undo_binding(a->connecting->lock, &a->held, a->fd);
	a->flags &= ~(uint32_t)SOURCE_BY_US;
	if (!(a->flags & DEFERRED))
		a->flags &= ~(uint32_t)NO_PORT_BY_US;
}

static inline void let_go(struct attempt *a, long rc);

/* connect() is a cancellation point: the thread may end in the program's call (pthreads(7)), before the
 * kernel is asked, or while it waits. */
static void on_cancel(void *argument)
{
	struct attempt *a = argument;
	bool asked = socket_tcp_state(a->fd) != TCP_CLOSE;

	if (!asked) {
		unbind_source(a);
		shown_port_restore(a->connecting->sockets, &a->held, a->fd, &a->shown);
	}
	if (!attempt_enter(a))
		return;
	if (!asked && a->space && a->tracked->flags & IN_CALL) {
		space_released(a->space);
		a->tracked->space = NULL;
	}
	let_go(a, asked ? -EINPROGRESS : -ECANCELED);
	lock_leave(a->connecting->lock);
}

COLD static long call_cancellable(struct attempt *a)
{
	long rc;

	pthread_cleanup_push(on_cancel, a);
	rc = a->call(a->argument);
	pthread_cleanup_pop(0);
	return rc;
}

/* The option stays on a socket whose connect() failed. */
COLD static void set_range(struct attempt *a)
{
	if ((a->flags & (RANGE_BY_US | PART_BY_US)) == RANGE_BY_US &&
	    knee_is_whole(&a->connecting->knee, &a->aid))
		return;
	if (!knee_remove(&a->connecting->knee, a->fd, &a->aid))
		return;
	a->flags = (a->flags & ~(uint32_t)PART_BY_US) | RANGE_BY_US;
	if (!knee_is_whole(&a->connecting->knee, &a->aid))
		a->flags |= PART_BY_US;
}

/* May there be a port that was not tried? */
COLD static bool has_more(struct attempt *a)
{
	if (!a->aid.on)
		a->aid.last = knee_keeps_for_last(a->to, a->space ? &a->source : NULL, &a->aid.range);
	return knee_has_more(&a->connecting->knee, &a->aid);
}

/* Makes the program's call; on a kernel that needs it, once for each window of the range. */
HOT static long ask_kernel(struct attempt *a)
{
	long rc;

	/* The first round's setting up counts as part of connect(): a look at the clock less. */
	a->asked_ns = unlikely(a->answered_ns) ? clock_ns() : a->began_ns;
	if (unlikely(a->shown.stage == SHOWN_MAY))
		shown_port_release(a->connecting->sockets, &a->held, a->fd, &a->shown);
	do {
		if (unlikely(a->aid.on))
			set_range(a);
		if (unlikely(a->slowness.measures))
			a->walked_ns = clock_thread_ns();
		rc = __libc_single_threaded ? a->call(a->argument) : call_cancellable(a);
		a->answered_ns = clock_ns();
		if (unlikely(a->slowness.measures))
			a->walked_ns = clock_thread_ns() - a->walked_ns;
	} while (unlikely(rc == -EADDRNOTAVAIL) &&
		 (has_more(a) || shown_port_again(a->connecting->sockets, &a->held, a->fd, &a->shown)));
	if (unlikely(a->shown.stage))
		shown_port_end(a->fd, &a->shown);
	return rc;
}

/* The answers a route can be the reason for, at once or by ICMP (connect(2), ip_route_output_flow()). */
static bool may_be_routing(long rc)
{
	return rc == -ENETUNREACH || rc == -EHOSTUNREACH || rc == -EINVAL || rc == -EACCES;
}

/* Which source did the kernel take, or would it take? */
COLD static bool learn_source(struct attempt *a, long rc, struct address *source)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);
	struct endpoint local;

	/* Of many destinations that fail, which source it would have been is not worth a question each. */
	if (!attempt_under_way(rc))
		return !(a->flags & PINNED) && (rc == -EADDRNOTAVAIL || !a->many) &&
		       route_source(a->to, NULL, source) == 0;
	if (kernel.getsockname(a->fd, &sa, &length) || !endpoint_from_sockaddr(&sa, length, &local))
		return false;
	*source = local.ip;
	return true;
}

/* Enters the port under the source that was learned. The lock is held. */
COLD static void enter_learned(struct attempt *a, const struct address *source, bool known)
{
	struct destination *d = a->destination;
	static const struct address unknown;

	a->space = ledger_space(a->connecting->ledger, d, known ? source : &unknown);
	if (!a->space)
		return;
	if (known && !(a->flags & (HAS_SOURCE | PINNED))) {
		d->natural = a->space;
		d->natural_until_ns = a->answered_ns + CANDIDATES_NATURAL_LIFE_S * SECOND_NS;
	}
	space_taken(a->space, &a->connecting->ledger->range, a->answered_ns);
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
		trust_connected(a->connecting->ledger, space, a->fd, a->answered_ns);
}

/* The call held the socket, which goes now that it has returned (fput(), fs/file_table.c). */
COLD static void end_closed_in_call(struct attempt *a, long rc)
{
	if (rc < 0)
		space_failed(a->space, 0);
	else
		space_ended(a->space, a->tracked->flags & ABORTS_ON_CLOSE ? ENDED_BY_RESET : ENDED_TIME_WAIT,
			    a->answered_ns);
	a->tracked->space = NULL;
}

HOT static void settle_under_way(struct attempt *a, long rc)
{
	struct tracked *tracked = a->tracked;

	tracked->state = rc >= 0 ? SOCKET_OPEN : SOCKET_CONNECTING;
	tracked->flags &= ~(uint32_t)IN_CALL;
	if (unlikely(!a->space))
		return;
	uint64_t spent_ns = a->answered_ns - a->asked_ns;
	space_opened(a->space, spent_ns);
	if (unlikely(a->space->full_until_ns))
		spread_not_full(a->space);
	if (a->spreading && rc >= 0)
		trust_enter(a);
	if (unlikely(spent_ns > KNEE_SLOW_NS || a->slowness.measures || a->space->knee) && a->aid.possible &&
	    !a->aid.on)
		a->past_until_ns = slowness_enter(a->space, &a->connecting->ledger->range, spent_ns,
						  a->walked_ns, &a->slowness, a->answered_ns);
	if (unlikely(tracked->watched))
		SPACE_REUSE_ADD(a->space, reuse_misses, 1);
	if (unlikely(a->space->apart))
		usage_promote(a->connecting->ledger->writer, a->connecting->ledger->arena, a->space);
	events_use_changed(&a->connecting->journal, a->events, a->space, a->answered_ns);
	if (unlikely(tracked->flags & CLOSED_IN_CALL))
		end_closed_in_call(a, rc);
}

/* EISCONN and EALREADY: a connection nobody saw being made; nothing was tried. */
static bool is_no_attempt(long rc)
{
	return rc == -EISCONN || rc == -EALREADY || rc == -EOPNOTSUPP;
}

COLD static void settle_failed(struct attempt *a, long rc)
{
	a->tracked->state = SOCKET_FRESH;
	a->tracked->flags &= ~(uint32_t)IN_CALL;
	a->tracked->space = NULL;
	if (a->space && is_no_attempt(rc))
		space_released(a->space);
	else if (a->space) {
		space_failed(a->space, (int)-rc);
		if (a->spreading)
			connecting_failed(a->connecting, a->space, (int)-rc, time_of(a));
	}
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
COLD static void end_deferral(struct attempt *a)
{
	if (a->tracked->flags & DEFERRED)
		a->connecting->sockets->deferred_count--;
	a->tracked->flags &= ~(uint32_t)DEFERRED;
	a->connecting->sockets->deferrals++;
	if (a->space)
		space_deferred(a->space);
}

/* The program gets EADDRNOTAVAIL, as no source is left. */
COLD static void enter_exhausted(struct attempt *a, struct tuple_space *space)
{
	a->destination->exhausted++;
	if (space)
		space_exhausted(space);
	events_exhausted(&a->connecting->journal, a->events, a->destination, a->candidates, time_of(a));
}

/* The same, for an attempt that took no port. The lock is held. */
COLD static void settle_exhausted(struct attempt *a)
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
static inline void let_go(struct attempt *a, long rc)
{
	struct tracked *tracked = a->tracked;

	/* Still marked: nothing was settled, for want of an entry in the ledger. */
	if (unlikely(tracked->flags & IN_CALL))
		tracked->state = rc >= 0                 ? SOCKET_OPEN
				 : attempt_under_way(rc) ? SOCKET_CONNECTING
							 : SOCKET_FRESH;
	tracked->flags &= ~(uint32_t)IN_CALL;
	if (unlikely(tracked->flags & DEFERRED || shown_port_is_shared(&a->shown)) && attempt_under_way(rc))
		end_deferral(a);
	if (likely(a->destination))
		a->destination->users--;
	tracked_put(a->connecting->sockets, tracked);
}

/* A source bound by us that no packet can leave from towards this destination is not the program's error. */
static bool source_to_blame(struct attempt *a, long rc)
{
	struct address ignored;

	return a->flags & SOURCE_BY_US && may_be_routing(rc) &&
	       route_source(a->to, &a->source, &ignored) != 0 && route_source(a->to, NULL, &ignored) == 0;
}

/* A bind(ip, 0) that was deferred would have found a port that connect() cannot take by itself: one that a
 * socket bound to another address holds (inet_csk_get_port() and __inet_hash_connect(), net/ipv4/). So before
 * the program gets EADDRNOTAVAIL the port is taken as it asked. */
static bool may_take_port(const struct attempt *a)
{
	return a->tracked->flags & DEFERRED && a->port == PORT_AS_IT_IS && !(a->spreading && a->rule->strict);
}

static bool want_port(struct attempt *a)
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
		if (a->spreading || want_port(a))
			return true;
		settle_exhausted(a);
		return false;
	}
	if (a->space && blame) {
		space_released(a->space);
		a->destination->load_valid = false;
		space_aside(a->space);
		a->space->aside_until_ns = a->answered_ns + SPREAD_ASIDE_S * SECOND_NS;
		events_aside(&a->connecting->journal, a->events, &a->source, a->to, (int)-rc, a->answered_ns);
		return true;
	}
	settle_failed(a, rc);
	if (unlikely(a->port == PORT_TAKEN) && rc == -EADDRNOTAVAIL)
		enter_exhausted(a, a->space);
	return false;
}

/* Without an entry in the ledger. Return: true to go round again. The lock is held. */
COLD static bool settle_uncounted(struct attempt *a, long rc)
{
	if (a->waits && !attempt_under_way(rc) && !is_no_attempt(rc))
		ledger_failed(a->connecting->ledger, a->to, (int)-rc, a->answered_ns);
	return rc == -EADDRNOTAVAIL && want_port(a);
}

/* The kernel takes the port from a socket whose attempt has come to nothing (tcp_set_state(),
 * net/ipv4/tcp.c): what was deferred is gone, and bind() may come again. Where the route alone was refused it
 * leaves it. */
COLD static void drop_deferral(struct attempt *a)
{
	if (!attempt_enter(a))
		return;
	if (a->tracked->flags & DEFERRED) {
		a->tracked->flags &= ~(uint32_t)DEFERRED;
		a->connecting->sockets->deferred_count--;
	}
	a->flags &= ~(uint32_t)DEFERRED;
	lock_leave(a->connecting->lock);
}

COLD static void take_back(struct attempt *a, long rc)
{
	if (a->flags & DEFERRED && (rc == -ECONNREFUSED || rc == -ETIMEDOUT || rc == -ECONNRESET))
		drop_deferral(a);
	unbind_source(a);
}

/* Enters the outcome. Return: true to go round again; then, and only then, the lock is held. */
HOT static bool settle(struct attempt *a, long rc)
{
	bool to_blame = a->destination && source_to_blame(a, rc);
	bool full = rc == -EADDRNOTAVAIL && (a->spreading || !(a->flags & ITS_OWN_SPACE));
	bool may_try_next = full;
	bool learned = false, again = false;
	struct address source;

	if (unlikely((a->destination || a->waits) && !a->space))
		learned = learn_source(a, rc, &source);
	if (unlikely(full) && a->connecting->ledger->range_until_ns <= a->answered_ns)
		ledger_refresh_range(a->connecting->ledger, a->answered_ns);
	if (unlikely(!attempt_under_way(rc) && !full))
		take_back(a, rc);
	if (unlikely(!attempt_enter(a)))
		return false;
	if (unlikely(!(a->tracked->flags & IN_CALL))) {
		/* A signal handler of this thread has closed the fd, and entered the end. */
		let_go(a, rc);
		lock_leave(a->connecting->lock);
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
		settle_under_way(a, rc);
	else if (unlikely(!a->destination))
		again = settle_uncounted(a, rc);
	else
		again = settle_refused(a, rc, full, to_blame);
	if (unlikely(again))
		return true;
	if (unlikely(may_try_next) && a->flags & (BOUND_ONCE | NO_PORT_BY_US)) {
		lock_leave(a->connecting->lock);
		unbind_source(a);
		if (!attempt_enter(a))
			return false;
	}
	let_go(a, rc);
	lock_leave(a->connecting->lock);
	return false;
}

/* bind() refused the source: nothing can leave from it. Return: true with the lock held. */
COLD static bool set_aside(struct attempt *a, long rc)
{
	if (!attempt_enter(a))
		return false;
	space_released(a->space);
	a->tracked->space = NULL;
	/* The socket has a port that we did not see it get, or no port can be left to connect() with it. */
	if (rc == -EINVAL || rc == -ENOPROTOOPT) {
		a->spreading = false;
		return true;
	}
	a->destination->load_valid = false;
	space_aside(a->space);
	a->space->aside_until_ns = time_of(a) + SPREAD_ASIDE_S * SECOND_NS;
	spread_aside(a->connecting, &a->source, time_of(a));
	events_aside(&a->connecting->journal, a->events, &a->source, NULL, (int)-rc, time_of(a));
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
		lock_leave(a->connecting->lock);
		return true;
	}
	space_released(a->space);
	a->tracked->space = NULL;
	a->destination->load_valid = false;
	a->space->aside_until_ns = time_of(a) + SPREAD_ASIDE_S * SECOND_NS;
	/* Of a long list all may be: this one goes without. */
	if (++a->parted == PARTED_MAX)
		a->spreading = false;
	return false;
}

/* Every source is known to be full: the kernel is not asked. The lock is held; it is let go. */
COLD static long refuse(struct attempt *a)
{
	if (likely(a->destination))
		settle_exhausted(a);
	lock_leave(a->connecting->lock);
	unbind_source(a);
	if (attempt_enter(a)) {
		let_go(a, -EADDRNOTAVAIL);
		lock_leave(a->connecting->lock);
	}
	/* connect() is a cancellation point, and the program's own call was not made. */
	pthread_testcancel();
	return -EADDRNOTAVAIL;
}

/* The deferral is taken back: bind() as the program did it, for connect() once more. The lock is held.
 * Return: 0 with the lock held, or what the program gets, with the lock let go */
COLD static long take_port(struct attempt *a)
{
	a->port = PORT_TAKEN;
	a->full = NULL;
	lock_leave(a->connecting->lock);
	long rc = deferral_make_real(a->connecting->sockets, &a->held, a->fd);
	if (!rc)
		a->flags &= ~(uint32_t)(SOURCE_BY_US | NO_PORT_BY_US);
	if (!attempt_enter(a))
		return -EADDRNOTAVAIL;
	if (rc)
		return refuse(a);
	a->flags = a->tracked->flags;
	a->spreading = a->aid.possible = a->aid.on = false;
	return 0;
}

/* Every source is known to be full: a port may come free yet. The lock is held.
 * Return: 1 to look again, once, 0 to refuse; -1 if the lock could not be had again */
COLD static int wait_for_one(struct attempt *a)
{
	uint64_t cost_ns = a->destination->refusal_ns;

	if (a->paced || !cost_ns)
		return 0;
	a->paced = true;
	lock_leave(a->connecting->lock);
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
		enum verdict verdict = choose(a);
		if (unlikely(verdict == NONE_LEFT)) {
			if (want_port(a))
				continue;
			int waited = wait_for_one(a);
			if (waited <= 0)
				return waited ? -EADDRNOTAVAIL : refuse(a);
			continue;
		}
		lock_leave(a->connecting->lock);
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
			unbind_source(a);
		}
		rc = ask_kernel(a);
		if (likely(!settle(a, rc)))
			return rc;
	}
}

/* The destination's rule says so. But a bind(ip, 0) was deferred before it was known where to; connect() has
 * given the socket its port now. */
COLD static long leave_alone(struct attempt *a)
{
	hold(a);
	a->flags = a->tracked->flags;
	lock_leave(a->connecting->lock);
	long rc = a->call(a->argument);
	if (rc == -EADDRNOTAVAIL && a->flags & DEFERRED &&
	    !deferral_make_real(a->connecting->sockets, &a->held, a->fd)) {
		a->flags &= ~(uint32_t)NO_PORT_BY_US;
		rc = a->call(a->argument);
	}
	if (attempt_enter(a)) {
		if (a->tracked->flags & DEFERRED && attempt_under_way(rc))
			end_deferral(a);
		tracked_put(a->connecting->sockets, a->tracked);
		lock_leave(a->connecting->lock);
	}
	return rc;
}

HOT long attempt_run(struct connecting *connecting, struct tracked *tracked, int fd,
		     const struct endpoint *to, const struct rule *rule, real_call *call, void *argument)
{
	struct events events;
	struct attempt a; /* what is not set here is set before it is read: to clear all takes long */

	a.connecting = connecting;
	a.tracked = tracked;
	a.fd = fd;
	a.to = to;
	a.call = call;
	a.argument = argument;
	a.rule = rule;
	if (unlikely(rule->leave_alone))
		return leave_alone(&a);
	events.count = 0;
	a.events = &events;
	a.destination = NULL;
	a.space = a.full = NULL;
	a.candidates = a.parted = 0;
	a.spreading = a.doubtful = a.waits = false;
	a.port = PORT_AS_IT_IS;
	a.shown = (struct shown_port){ 0 };
	a.answered_ns = a.walked_ns = a.past_until_ns = 0;
	a.paced = false;
	a.aid.random = 0;
	a.aid.on = a.aid.possible = false;
	a.slowness = (struct slowness){ 0 };
	if (unlikely(!begin(&a)))
		return call(argument);
	long rc = go_round(&a);
	if (unlikely(a.past_until_ns))
		board_put(connecting->board, &a.held, to, &a.source, a.past_until_ns, a.answered_ns);
	board_tell(connecting->board, a.answered_ns);
	if (unlikely(a.shown.stage == SHOWN_KEPT))
		shown_port_say_kept(connecting->sockets);
	events_write(&connecting->journal, &events);
	return rc;
}
