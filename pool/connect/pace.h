// SPDX-License-Identifier: Apache-2.0
/* pace - a connect() that is refused without the kernel is refused no more often than the kernel would.
 *
 * Where every source is full the shim knows the answer in microseconds, and the kernel's walk took
 * milliseconds. A program that tries again at once would fail, and log, and load its server, so many times as
 * often. So a refusal costs its thread what the kernel's own took: the thread sleeps where the kernel would
 * have walked, for no longer. A blocking connect() always does. One that does not block is answered at once
 * where the thread was not refused of late: a program that pauses by itself, or has other connections to
 * serve, is not held up.
 *
 * A port of this process that comes free ends the wait, and is taken. A signal that is handled ends it too.
 *
 * Another one is answered at once if its thread was not refused for 16 times as long. It sleeps without
 * the lock, on a futex, 10 ms at most. */
#ifndef HEADROOM_POOL_CONNECT_PACE_H
#define HEADROOM_POOL_CONNECT_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	/* A thread that was not refused for so many times as long as a refusal costs is not spinning. */
	PACE_REST = 16,
	PACE_MOST_NS = 10000000,
};

/**
 * pace_refusal() - wait as long as the kernel would have taken to refuse; call without the lock
 * @fd:		the socket: does it block?
 * @turn:	freed_turn() as of when it was found out that there is no port
 * @cost_ns:	what the kernel's refusal took; 0: not known
 * @began_ns:	when connect() was called
 * Return: true if it waited
 */
bool pace_refusal(int fd, unsigned turn, uint64_t cost_ns, uint64_t began_ns);

/**
 * pace_cost() - what a refusal costs, now that one more was seen
 * @before_ns:	as known so far; 0: not
 *
 * The mean of the last few: on a busy machine the kernel's refusal takes as much longer as its thread is not
 * running, and without the shim a program would be refused so much less often.
 */
static inline uint32_t pace_cost(uint32_t before_ns, uint64_t took_ns)
{
	uint32_t took = took_ns < PACE_MOST_NS ? (uint32_t)took_ns : PACE_MOST_NS;

	return before_ns ? before_ns - before_ns / 4 + took / 4 : took;
}

#endif
