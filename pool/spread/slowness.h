// SPDX-License-Identifier: Apache-2.0
/* slowness - which tuple spaces are past the knee, and so which connect() gets the option of knee.h.
 *
 * Theory of operation
 *
 * What this process has in use it knows: from a quarter of the capacity on every connect() is helped. What
 * others have in use shows by the time that connect() takes. The clock on the wall raises a suspicion only: a
 * connect() may wait for the network, or lose the processor. So the next one of the same tuple space is
 * measured by the processor time of its thread, which passes in the kernel's walk and nowhere else. If it
 * walked, the tuple space is *past*: all are helped for KNEE_HELPED_FOR times as long as the walk took. Then
 * one goes without help and is measured, one at a time in a destination: so no more than one part in so many
 * of the time goes into finding out.
 *
 * On a busy machine interrupts, and what the hypervisor takes, count as time of the thread. In a range whose
 * walk is no longer than such a moment, two in a row have to be as slow.
 *
 * While it is past, half of its ports count as in use by others: `even` turns away from it, `spill` goes on
 * to the next source. At the end of that time it is tried again.
 *
 * What one process finds out it tells others of the same user: see board.h.
 *
 * Also helped is a tuple space that another process of the user has found so, if this one meets the
 * destination for the first time, or has read the board 250 ms ago or earlier. In a range of some hundred
 * ports no walk is long enough to tell. */
#ifndef HEADROOM_POOL_SPREAD_SLOWNESS_H
#define HEADROOM_POOL_SPREAD_SLOWNESS_H

#include "pool/base/hot.h"
#include "pool/ledger/ledger.h"

enum {
	KNEE_SLOW_NS = 100000,
	KNEE_HELPED_FOR = 128,
	/* After a slow one that did not walk so many slow ones say nothing: a network is as slow as that. */
	KNEE_SKIP = 7,
	/* A walk over half of the range takes between so much and so much a port: what is less or more is
	 * none.
	 */
	KNEE_PORT_LEAST_NS = 20,
	KNEE_PORT_MOST_NS = 400,
	/* A first connect() runs through cold caches; it has to be so many times as slow. */
	KNEE_COLD = 2,
};

struct spreading;

/* How one connect() is to be made. */
struct slowness {
	bool helps;
	unsigned measures; /* 0: is not measured; else past from so many times the least walk on */
};

/**
 * slowness_look() - is the next connect() to be helped, or measured?
 *
 * Call where the tuple space or its destination is marked, with the lock held.
 * @space:	NULL: not known
 * @in_use:	its ports in use by this process
 */
void slowness_look(struct spreading *spreading, struct destination *destination, struct tuple_space *space,
		   uint32_t in_use, uint64_t now_ns, struct slowness *out);

/**
 * slowness_enter() - enter how an unhelped connect() went
 *
 * Call where it took longer than KNEE_SLOW_NS, was measured, or the tuple space is marked.
 * @spent_ns:	on the wall
 * @walked_ns:	of the processor, if it was measured
 * @how:	what slowness_look() said
 * Return: until when the tuple space was found past the knee just now; or 0
 */
uint64_t slowness_enter(struct tuple_space *space, const struct port_range *range, uint64_t spent_ns,
			uint64_t walked_ns, const struct slowness *how, uint64_t now_ns);

/**
 * slowness_shows() - is a tuple space past the knee, and not to be tried again just now?
 */
static inline bool slowness_shows(const struct tuple_space *space, uint64_t now_ns)
{
	return unlikely(space->knee & KNEE_PAST) && space->destination->knee_retest_ns > now_ns;
}

/**
 * slowness_others() - ports that others have in use: as their usage segments say, or as slowness shows
 * @in_use:	by this process
 */
static inline uint32_t slowness_others(const struct tuple_space *space, const struct port_range *range,
				       uint32_t in_use, uint64_t now_ns)
{
	if (likely(!slowness_shows(space, now_ns)))
		return space->others;
	uint32_t capacity = port_range_capacity(range), half = capacity ? capacity / 2 : 14116;
	uint32_t hidden = half > in_use ? half - in_use : 0;
	return hidden > space->others ? hidden : space->others;
}

#endif
