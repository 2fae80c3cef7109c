// SPDX-License-Identifier: Apache-2.0
/* spread - which source the next connection to a destination leaves from.
 *
 * Theory of operation
 *
 * `even` takes the source with the fewest ports in use by this process, from a random start, so that
 * processes differ. While no source is full, aside or in doubt it compares numbers that lie side by side
 * (search_load()), renewed every tick of 4.3 s; else the slower search runs (search_even()). `sticky`
 * takes the highest of a hash of source and remote address.
 *
 * A source found *full* for a destination is not asked again for 16 times what the asking cost, times the
 * number of sources, at least 0.1 ms and at most 0.5 s (spread_full()): so the kernel's 2 to 6 ms of
 * scanning cost some percent of the time at most, and a port that another process frees is found soon. An
 * end that frees a port of this process ends the pause. While all sources are full, connect() may get
 * EADDRNOTAVAIL without the kernel, but only on the ground of real attempts (spread_full_surely()): this
 * process holds all ports itself, or eight attempts in a row were refused; then one call is refused
 * unasked, after the next attempt two, and so on up to 128. Else one source is asked (last_try()). Before
 * that the natural source gets a try, unless the rule is strict, and a deferred bind() is taken back
 * (take_port() in attempt.c). Within one attempt a full source is not tried twice. How long such a refusal
 * takes: pace.h.
 *
 * A source is set *aside* for 30 s if bind() refuses it (for all destinations, 64 at most) or no route
 * leads from it (for one). A route is to blame only if the kernel refuses this source and not the natural
 * one: route_source() asks by RTM_GETROUTE, with the port and the user of the connection: that takes no
 * port. Sources of the other family, and loopback sources for other destinations, are passed over. */
#ifndef HEADROOM_POOL_SPREAD_SPREAD_H
#define HEADROOM_POOL_SPREAD_SPREAD_H

#include "pool/spread/spreading.h"

enum verdict {
	CHOSEN_SOURCE,  /* bind to it */
	CHOSEN_NATURAL, /* bind to nothing: the kernel chooses */
	NONE_LEFT,      /* every source is full for this destination */
};

struct choice {
	struct tuple_space *space; /* NULL: the natural source, and nobody knows yet which that is */
	unsigned candidates;       /* how many sources could have been chosen */
	bool fits;                 /* the list has sources this destination can be reached from */
};

/**
 * spread_prepare() - give a destination its list of sources; call before choosing, with the lock held
 * Return: false when memory is short: then spread over nothing
 */
bool spread_prepare(struct spreading *spreading, struct destination *destination,
		    const struct source_list *sources);

/**
 * spread_choose() - choose, for one attempt
 * @own:	the source that the program has bound the socket to, and that CHOSEN_NATURAL stands for then;
 *or NULL
 * @began_ns:	start of the attempt: what was found full since is not chosen again
 * @choice:	filled in
 */
enum verdict spread_choose(struct spreading *spreading, struct destination *destination,
			   struct tuple_space *own, uint64_t began_ns, uint64_t now_ns,
			   struct choice *choice);

/**
 * spread_natural() - the source that the kernel would choose was learned
 * @natural:	its tuple space; NULL: memory is short
 * @until_ns:	to be asked again after
 */
void spread_natural(struct destination *destination, struct tuple_space *natural, uint64_t until_ns);

/**
 * spread_full() - a source was found full: remember it
 * @cost_ns:	what finding out took, for one of @candidates sources. The kernel is asked again after
 *		SPREAD_FULL_COST times that, so that a few percent of the time at most go into asking, and a
 *port that another process frees is found soon.
 */
void spread_full(struct tuple_space *space, uint64_t cost_ns, unsigned candidates, uint64_t now_ns);

/**
 * spread_full_surely() - may a connect() be refused on the ground of this, without the kernel being asked?
 *
 * Where the destination is one to us and several to the kernel (a service address that is rewritten), or
 * others come and go, one refusal says little of the next. So either this process itself holds all ports
 * there are, and the destination did not go on after a refusal (`several`); or SPREAD_FULL_SURE attempts in a
 * row were refused, and then one call more is, after the next attempt two, then four, and 128 at most. Of
 * calls of which the kernel would grant half, 2 in 100 are so refused wrongly, however fast they come. Each
 * call counts as one of these.
 */
bool spread_full_surely(struct tuple_space *space, const struct port_range *range, uint64_t now_ns);

/**
 * spread_not_full() - a connection came through
 */
void spread_not_full(struct tuple_space *space);

/**
 * spread_full_for_one() - a source was found full by a socket that asks for ports of its own: the attempt
 *that did does not choose it again, others may
 */
void spread_full_for_one(struct tuple_space *space, uint64_t now_ns);

/**
 * spread_aside() - do not use a source for SPREAD_ASIDE_S
 */
void spread_aside(struct spreading *spreading, const struct address *source, uint64_t now_ns);

enum { SPREAD_FULL_COST = 16, SPREAD_ASIDE_S = 30, SPREAD_FULL_SURE = 8 };

#endif
