// SPDX-License-Identifier: Apache-2.0
/* choice - begin an attempt, and choose the source of its next round. */
#include "pool/connect/choice.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/connect/pace.h"
#include "pool/ledger/freed.h"
#include "pool/routes/traffic_classes.h"
#include "pool/socket/shown_port.h"
#include "pool/spread/candidates.h"
#include "pool/spread/events.h"
#include "pool/spread/knee.h"
#include "pool/spread/slowness.h"
#include "pool/spread/spread.h"
#include "pool/spread/trust.h"

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
COLD static bool look_up_all(struct attempt *a, struct candidates_age *age)
{
	bool more;

	do {
		bool natural = age->natural;
		lock_leave(a->spreading->lock);
		candidates_refresh(a->spreading, &a->held, a->fd, a->destination, age, a->events,
				   a->began_ns);
		if (!attempt_enter(a))
			return false;
		/* Other threads went on meanwhile: with them it may have come up that the kernel's choice
		 * matters. */
		more = !natural &&
		       candidates_age(a->spreading, a->destination, a->spreads, a->began_ns, age) &&
		       age->natural;
		*age = (struct candidates_age){ .natural = true };
	} while (more);
	return true;
}

/* Return: as look_up_all() */
static bool look_up(struct attempt *a)
{
	struct candidates_age age;

	return likely(!candidates_age(a->spreading, a->destination, a->spreads, a->began_ns, &age)) ||
	       look_up_all(a, &age);
}

COLD bool choice_learn_natural(struct attempt *a)
{
	static const struct candidates_age age = { .natural = true };
	uint64_t now_ns = attempt_time(a);

	if (a->destination->natural_until_ns > now_ns)
		return true;
	lock_leave(a->spreading->lock);
	candidates_refresh(a->spreading, &a->held, a->fd, a->destination, &age, a->events, now_ns);
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
		lock_leave(a->spreading->lock);
		ordinary = candidates_class_is_ordinary(a->to, class);
		if (!attempt_enter(a))
			return false;
		/* Without memory for it the kernel is asked each time. */
		if (!d->classes)
			d->classes = arena_alloc(a->spreading->ledger->arena, sizeof(*d->classes));
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
	struct spreading *spreading = a->spreading;

	a->waits = !(a->flags & particular) && !a->tracked->watched && a->rule->spread == SPREAD_OFF &&
		   spreading->knee.way != KNEE_WINDOW && spreading->ledger->writer->state > USAGE_WAITING &&
		   ledger_may_wait(spreading->ledger, a->to);
	return a->waits;
}

/* With the lock held. Return: false when it could not be had again after looking something up. */
HOT bool choice_begin(struct attempt *a)
{
	struct spreading *spreading = a->spreading;

	if (unlikely(a->tracked->flags & PORT_SHOWN))
		a->shown.stage = shown_port_may(spreading->sockets, a->tracked) ? SHOWN_MAY : SHOWN_KEPT;
	mark_under_way(a);
	a->aid.possible = !(a->flags & (HAS_PORT | OWN_RANGE));
	a->many = spreading->ledger->count >= LEDGER_MANY;
	if (unlikely(a->many) && may_wait(a))
		return true;
	a->destination = ledger_find(spreading->ledger, a->to, a->rule, a->began_ns);
	if (unlikely(!a->destination)) {
		spreading->ledger->untracked++;
		if (spreading->ledger->writer->segment)
			USAGE_PUT(spreading->ledger->writer->segment->header.untracked,
				  spreading->ledger->untracked);
		return true;
	}
	a->destination->users++;
	if (unlikely(a->flags & HAS_CLASS) && !look_at_class(a))
		return false;
	a->spreads = a->rule->spread != SPREAD_OFF && !(a->flags & (HAS_PORT | PINNED)) &&
		     likely(!a->destination->kernels_choice) &&
		     (!(a->flags & HAS_SOURCE) || a->rule->override_bound_source);
	if (a->spreads && likely(!a->rule->sources.automatic) &&
	    unlikely(a->destination->sources != &a->rule->sources))
		a->spreads = spread_prepare(spreading, a->destination, &a->rule->sources);
	if (!look_up(a))
		return false;
	/* Which of the sources is on a link that does not lead there nobody knows. */
	if (unlikely(spreading->links_unseen) && a->destination->far && !a->rule->strict)
		a->spreads = false;
	return true;
}

/* The source is fixed: by the program's bind(), or because the kernel chooses. */
HOT static enum verdict choose_fixed(struct attempt *a)
{
	struct destination *d = a->destination;

	a->candidates = 1;
	if (a->flags & HAS_SOURCE)
		a->space = ledger_space(a->spreading->ledger, d, &a->tracked->bound);
	else if (!(a->flags & PINNED) && d->natural_until_ns > a->began_ns)
		a->space = d->natural;
	if (a->space && unlikely(a->space->full_until_ns > a->began_ns) && !(a->flags & ITS_OWN_SPACE) &&
	    spread_full_surely(a->space, &a->spreading->ledger->range, a->began_ns))
		return NONE_LEFT;
	return CHOSEN_NATURAL;
}

/* Is this connect() to be helped past the knee? */
HOT_WHOLE static inline void help(struct attempt *a, uint32_t in_use, uint64_t now_ns)
{
	struct destination *d = a->destination;
	struct tuple_space *space = a->space;
	const struct port_range *range = &a->spreading->ledger->range;

	a->slowness = (struct slowness){ 0 };
	a->aid.on = false;
	if (unlikely(!a->aid.possible))
		return;
	if (unlikely(!space || space->knee || d->knee_past))
		slowness_look(a->spreading, d, space, in_use, now_ns, &a->slowness);
	a->aid.on = a->slowness.helps || a->flags & RANGE_BY_US ||
		    (space && d->busy && knee_is_near(in_use, range) &&
		     ledger_looked_for_range(a->spreading->ledger, now_ns));
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
	uint32_t in_use = space_taken(a->space, &a->spreading->ledger->range, now_ns);
	help(a, in_use, now_ns);
	if (a->spreads && unlikely((++a->space->doubt & ~TRUST_UNSERVED) > TRUST_LOOK_AFTER))
		trust_begins_slowly(a->spreading->ledger, a->space, a->fd, now_ns);
	a->tracked->space = a->space;
	a->source = a->space->source;
	a->doubtful = a->space->doubtful;
}

/* Chooses, and enters the port as taken. The lock is held. */
HOT enum verdict choice_make(struct attempt *a)
{
	struct choice choice = { 0 };
	enum verdict verdict;

	a->space = NULL;
	a->aid.range = a->spreading->ledger->range;
	a->aid.tried = 0;
	a->aid.last = 0;
	a->aid.on = a->aid.possible && a->flags & RANGE_BY_US;
	if (unlikely(a->spreading->knee.way == KNEE_WINDOW))
		a->aid.random = spreading_random(a->spreading);
	if (unlikely(!a->destination))
		return CHOSEN_NATURAL;
	uint64_t now_ns = attempt_time(a);
	if (unlikely(a->resort == KERNEL_TAKEN)) {
		a->resort = KERNEL_ASKED;
		a->space = a->destination->natural;
		a->candidates = 1;
		verdict = CHOSEN_NATURAL;
	} else if (a->spreads) {
		struct tuple_space *own = NULL;
		if (unlikely(a->flags & HAS_SOURCE))
			own = ledger_space(a->spreading->ledger, a->destination, &a->tracked->bound);
		verdict = spread_choose(a->spreading, a->destination, own, a->began_ns, now_ns, &choice);
		a->space = choice.space;
		a->candidates = choice.candidates;
		if (unlikely(!choice.fits) && !a->destination->no_source_said) {
			a->destination->no_source_said = true;
			events_no_source(&a->spreading->journal, a->events, a->to, now_ns);
		}
	} else {
		verdict = choose_fixed(a);
	}
	if (unlikely(a->full) && verdict != NONE_LEFT) {
		space_failed_over(a->full);
		events_failover(&a->spreading->journal, a->events, a->full, now_ns);
	}
	a->full = NULL;
	if (unlikely(a->destination->doubted))
		trust_say(&a->spreading->journal, a->events, a->destination, now_ns);
	if (unlikely(verdict == NONE_LEFT))
		a->turn = freed_turn();
	else
		enter_taken(a, now_ns);
	return verdict;
}
