// SPDX-License-Identifier: Apache-2.0
/* resting - while /run/headroom/disabled is there, nothing is begun.
 *
 * Theory of operation
 *
 * The file is the switch by which an administrator takes the shim out of every program at once (`headroom
 * disable --now`), without a restart of any. While it is there a hook goes straight to the real call, unless
 * its socket is one that the shim has to do with already: what was begun is ended as it has to be, a deferred
 * port and a non-blocking connect() among it. When the file has gone all goes on.
 *
 * It is looked at once a second at the most, by whoever is about to begin something and has read the clock
 * anyway, and by the thread that ends what is parked (keeper.h). By access(2), which needs no fd and which
 * the loader has made at the program's start, so that a filter from before the start lets it pass; only if
 * there is such a file its owner is asked for. It counts if it is root's, an ordinary file, and nobody else
 * can write to it. After a filter that the program puts itself under nothing is done anyway (restraint.h).
 *
 * The path is that of the program: in a container, and after chroot(), /run is another one. */
#ifndef HEADROOM_POOL_BASE_RESTING_H
#define HEADROOM_POOL_BASE_RESTING_H

#include "pool/base/hot.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RESTING_FOLDER "/run/headroom"
#define RESTING_FILE   RESTING_FOLDER "/disabled"

/* What resting() and resting_may_be() look at. */
extern atomic_bool resting_now;
extern _Atomic uint64_t resting_doubt_ns;

/**
 * resting() - is nothing to be begun?
 */
static inline bool resting(void)
{
	return atomic_load_explicit(&resting_now, memory_order_acquire);
}

/**
 * resting_may_be() - has resting_look() to be called before something is begun? Also while resting
 * @now_ns:	of clock.h, be it the coarse one
 */
static inline bool resting_may_be(uint64_t now_ns)
{
	return unlikely(now_ns >= atomic_load_explicit(&resting_doubt_ns, memory_order_relaxed));
}

/**
 * resting_look() - look at the file, if that is a second ago; call without the lock
 * Return: resting()
 */
bool resting_look(uint64_t now_ns);

/**
 * resting_next_ns() - when the file is to be looked at next
 */
uint64_t resting_next_ns(void);

/**
 * resting_file_counts() - is there a file that disables the shim, for the calling process?
 * @unknown:	what to return if the kernel does not tell
 */
bool resting_file_counts(bool unknown);

/**
 * resting_start() - look at the file for the first time: before all else
 */
void resting_start(uint64_t now_ns);

/**
 * resting_stop() - never look, as before the start; for tests
 */
void resting_stop(void);

#endif
