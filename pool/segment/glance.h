// SPDX-License-Identifier: Apache-2.0
/* glance - what another process has in use, by its segment, at little cost: for who spreads beside it.
 *
 * Six system calls and the entries, where a report's reading (read.h) copies twice, takes the events along
 * and asks /proc whether the process lives. So a number may be off by what changed meanwhile. */
#ifndef HEADROOM_POOL_SEGMENT_GLANCE_H
#define HEADROOM_POOL_SEGMENT_GLANCE_H

#include "pool/segment/read.h"

enum { GLANCE_ENTRIES = 16 };

/* For one look after the other. */
struct glance {
	struct arena *arena;            /* for what has more entries than @few */
	const struct usage_header *own; /* of this process */
	uint64_t now_ns;
	struct usage usage; /* what was seen, without events, until the next look or glance_end() */
	struct usage_entry few[GLANCE_ENTRIES];
};

/**
 * glance_at() - look at a segment
 * @directory:	fd
 * Return: false if it is none of the same user and network namespace, or says of nothing that may be in use
 */
bool glance_at(struct glance *glance, int directory, const char *name);

/**
 * glance_end() - give back what the last look took
 */
void glance_end(struct glance *glance);

#endif
