// SPDX-License-Identifier: Apache-2.0
/* attempting - what is known of a connect() while it is being made: see attempt.c. */
#ifndef HEADROOM_POOL_CONNECT_ATTEMPTING_H
#define HEADROOM_POOL_CONNECT_ATTEMPTING_H

#include "pool/base/hot.h"
#include "pool/base/lock.h"
#include "pool/connect/call.h"
#include "pool/ledger/ledger.h"
#include "pool/socket/shown_port.h"
#include "pool/socket/tracked.h"
#include "pool/spread/knee.h"
#include "pool/spread/slowness.h"
#include "pool/spread/spreading.h"

/* Sockets whose EADDRNOTAVAIL says nothing of others: they ask for one port, a range or a device of their
 * own. */
enum { ITS_OWN_SPACE = HAS_PORT | OWN_RANGE | PINNED };

struct attempt {
	struct spreading *spreading;
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
	bool spreads;            /* the source is ours to choose */
	bool doubtful;           /* the chosen one may be on another link than the destination */
	bool many;               /* this program has many destinations */
	bool waits;              /* of them this one has no entry yet: ledger_may_wait() */
	struct shown_port shown; /* the port that getsockname() told before */
	enum { PORT_AS_IT_IS, PORT_WANTED, PORT_TAKEN } port; /* when nothing else is left: take_port() */
	/* Where the list fails: turn_to_kernel(). */
	enum { KERNEL_UNASKED, KERNEL_WANTED, KERNEL_TAKEN, KERNEL_ASKED } resort;
	long failed;    /* what the call came to from the list */
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
static inline uint64_t attempt_time(const struct attempt *a)
{
	return a->answered_ns ? a->answered_ns : a->began_ns;
}

enum { FLAGS_OF_ATTEMPT = SOURCE_BY_US | RANGE_BY_US | PART_BY_US | NO_PORT_BY_US | BOUND_ONCE };

HOT static inline bool attempt_enter(struct attempt *a)
{
	if (unlikely(!lock_enter_held(a->spreading->lock, &a->held)))
		return false;
	a->tracked->flags =
		((a->tracked->flags & ~(uint32_t)FLAGS_OF_ATTEMPT) | (a->flags & FLAGS_OF_ATTEMPT));
	return true;
}

/* So that the record stays while the lock is let go. */
static inline void attempt_hold(struct attempt *a)
{
	a->tracked->references++;
	a->held = (struct held){ .tracked = a->tracked, .generation = a->spreading->lock->generation };
}

#endif
