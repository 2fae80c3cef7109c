// SPDX-License-Identifier: Apache-2.0
/* siblings - what other processes of this user have in use, so that forty workers spread as one.
 *
 * Their usage segments are read now and then: files, not mappings, as a mapping of a file that somebody cuts
 * short would end this program. What a dead process had open is gone; its TIME_WAITs count until they end.
 *
 * They are read again, without the lock (spread/candidates.c), when what is known is 250 ms old or 50
 * times older than reading takes. Where many share a processor, 250 ms are little of a process's own: then
 * when it has worked a hundred times as long as reading takes, or after a second. A sibling takes one open()
 * and five calls more (segment/glance.c): whether it lives its lock tells, not /proc. What short-lived
 * processes left in recent.1 counts too. */
#ifndef HEADROOM_POOL_LEDGER_SIBLINGS_H
#define HEADROOM_POOL_LEDGER_SIBLINGS_H

#include "pool/base/address.h"
#include "pool/base/arena.h"
#include "pool/base/lock.h"
#include "pool/segment/writer.h"

#include <stdbool.h>
#include <stdint.h>

/* Not more often than this; and so seldom that reading takes a fiftieth of the time at most, and a hundredth
 * of the processor's, unless that would be longer than SIBLINGS_OLD_MS. */
enum {
	SIBLINGS_EVERY_MS = 250,
	SIBLINGS_COST = 50,
	SIBLINGS_WORK = 100,
	SIBLINGS_OLD_MS = 1000,
	SIBLINGS_ROWS_MAX = 8192
};

struct sibling_row {
	struct endpoint to;
	struct address source;
	uint32_t in_use;
};

/* A hash table with open addressing. The lock guards it. */
struct siblings {
	struct lock *lock;
	struct arena *arena;
	const struct usage_writer *writer; /* whose siblings they are */
	struct sibling_row *rows;
	unsigned size;     /* a power of two, or 0 */
	uint64_t until_ns; /* look again after */
	uint64_t old_ns;   /* and then in any case; before when the process has worked until work_ns */
	uint64_t work_ns;
};

/**
 * siblings_refresh() - read the segments of the others again; call without the lock
 * @held:	the socket it is for; nothing is entered if the process was forked meanwhile
 * Return: was anything entered? Then the lock is held, to make use of it
 */
bool siblings_refresh(struct siblings *siblings, const struct held *held, uint64_t now_ns);

/**
 * siblings_in_use() - ports the others have in use, as of the last look
 */
uint32_t siblings_in_use(const struct siblings *siblings, const struct endpoint *to,
			 const struct address *source);

#endif
