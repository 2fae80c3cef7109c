// SPDX-License-Identifier: Apache-2.0
/* candidates - look up what has to be known before a source can be chosen, when it is not known or old. */
#ifndef HEADROOM_POOL_CANDIDATES_H
#define HEADROOM_POOL_CANDIDATES_H

#include "events.h"
#include "shim.h"

enum { CANDIDATES_NATURAL_LIFE_S = 5, CANDIDATES_AUTO_LIFE_S = 30 };

/* What is old. */
struct candidates_age {
	bool range;    /* the port range, where it bears on the choice */
	bool list;     /* what `auto` stands for */
	bool natural;  /* the source the kernel would choose, where `spill` starts with it */
	bool segment;  /* the usage segment is not made yet */
	bool siblings; /* what other processes have in use */
	bool trust;    /* how a connection under way is doing, where that matters */
};

/**
 * candidates_age() - what has to be looked up for a destination; the lock is held
 * @spreading:	its source is ours to choose
 * Return: false if nothing has to be
 */
bool candidates_age(const struct shim *shim, const struct destination *destination, bool spreading,
		    uint64_t now_ns, struct candidates_age *age);

/**
 * candidates_refresh() - look it up: a few system calls each; call without the lock
 * @held:	the socket it is for; nothing is entered if the process was forked meanwhile
 * @destination:	with a user, so that it stays
 */
void candidates_refresh(struct shim *shim, const struct held *held, struct destination *destination,
			const struct candidates_age *age, struct events *events, uint64_t now_ns);

#endif
