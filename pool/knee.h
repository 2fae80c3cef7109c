// SPDX-License-Identifier: Apache-2.0
/* knee - make the kernel try every port once, so that connect() stays fast past half of the range.
 *
 * Without help connect() walks all ports of one parity before it tries the others (__inet_hash_connect,
 * net/ipv4/inet_hashtables.c): from half of the range in use each call walks thousands of taken ports. A
 * socket with IP_LOCAL_PORT_RANGE is spared that from Linux 6.8 on. 1..65535 stands for the namespace's own
 * range, as each end outside of it is ignored. From 6.3 to 6.7, and from 6.1.37 on in 6.1, the option is
 * there, but the parity is kept; a small window of the range, moved when it is full, keeps the walk short.
 *
 * Far from the knee the option gains nothing and costs a system call. So a connect() goes without it while
 * this process has little in use; what others have in use shows when some take long, and then those that
 * follow are helped for a while. */
#ifndef HEADROOM_POOL_KNEE_H
#define HEADROOM_POOL_KNEE_H

#include "hot.h"
#include "port_range.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum knee_way { KNEE_WHOLE_RANGE, KNEE_WINDOW, KNEE_UNAIDED };
enum { KNEE_WINDOWS = 32 };

struct knee {
	atomic_int way; /* enum knee_way; the kernel may refuse the option at any connect() */
};

enum {
	/* So many are helped anyway: nobody knows how full a new destination is, and many make no more. */
	KNEE_FIRST = 16,
	/* An unhelped connect() that takes longer may have walked. (Or it took a round trip, but then the
	 * option is too cheap to be noticed.) One may have lost the processor; so many in a row, with no fast
	 * one between, have walked. */
	KNEE_SLOW_NS = 100000,
	KNEE_SLOW_ONES = 4,
	/* Then all are helped for so many times as long, and one more slow one is enough to go on: where
	 * others are past the knee, finding that out costs one part in so many. */
	KNEE_HELPED_FOR = 128,
};

/* How connect() to a destination went without help. */
struct knee_watch {
	uint64_t helped_until_ns;
	uint8_t first; /* made so far, up to KNEE_FIRST */
	uint8_t slow;  /* in a row, less than KNEE_SLOW_ONES */
};

/* What one connect() is given. Through windows it walks from a random one on. */
struct knee_aid {
	bool possible; /* the option is ours to set */
	bool on;
	unsigned tried; /* windows; with the whole range there is one */
	uint32_t random;
	struct port_range range; /* of the namespace */
};

/**
 * knee_start() - find out from the kernel's release which way is right
 */
void knee_start(struct knee *knee);

/**
 * knee_way_of_release() - the way for a kernel release such as "6.5.0-14-generic"
 */
enum knee_way knee_way_of_release(const char *release);

/**
 * knee_is_near() - is enough in use that a connect() may have to walk? True where the capacity is not known.
 * @in_use:	ports of the tuple space
 */
static inline bool knee_is_near(uint32_t in_use, const struct port_range *range)
{
	return in_use * 4 >= port_range_capacity(range);
}

/**
 * knee_helps_next() - count the next connect(); is it to be helped, though this process has little in use?
 * @now_ns:	clock_ns()
 */
static inline bool knee_helps_next(struct knee_watch *watch, uint64_t now_ns)
{
	if (likely(watch->first == KNEE_FIRST))
		return unlikely(watch->helped_until_ns > now_ns);
	watch->first++;
	return true;
}

/**
 * knee_watch() - enter how long an unhelped connect() took
 * @now_ns:	clock_ns()
 */
static inline void knee_watch(struct knee_watch *watch, uint64_t spent_ns, uint64_t now_ns)
{
	if (likely(spent_ns <= KNEE_SLOW_NS))
		watch->slow = 0;
	else if (watch->slow + 1 >= KNEE_SLOW_ONES)
		watch->helped_until_ns = now_ns + KNEE_HELPED_FOR * spent_ns;
	else
		watch->slow++;
}

/**
 * knee_remove() - set the option before a connect(); each call moves on to the next window
 * Return: true if it was set
 */
bool knee_remove(struct knee *knee, int fd, struct knee_aid *aid);

/**
 * knee_has_more() - after EADDRNOTAVAIL: may there be a port that was not tried?
 *
 * There is with windows left. And connect() leaves out a port of an odd range, unless the option is set
 * (__inet_hash_connect(), net/ipv4/inet_hashtables.c): then @aid is on from here.
 */
bool knee_has_more(const struct knee *knee, struct knee_aid *aid);

#endif
