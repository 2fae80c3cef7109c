// SPDX-License-Identifier: Apache-2.0
/* glance - what another process has in use, by its segment, at little cost: for who spreads beside it.
 *
 * Six system calls and the entries, where a report's reading (read.h) copies twice, takes the events along
 * and asks /proc whether the process lives. So a number may be off by what changed meanwhile. */
#ifndef HEADROOM_POOL_SEGMENT_GLANCE_H
#define HEADROOM_POOL_SEGMENT_GLANCE_H

#include "pool/segment/read.h"

/**
 * usage_glance() - look at a segment
 * @own:	of this process: only a segment of the same user and network namespace is one
 * @out:	usage_free() it if true is returned; without events
 * Return: false if it is none, or says of nothing that may be in use
 */
bool usage_glance(struct arena *arena, int directory, const char *name, const struct usage_header *own,
		  uint64_t now_ns, struct usage *out);

#endif
