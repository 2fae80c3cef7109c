// SPDX-License-Identifier: Apache-2.0
/* recent - what processes counted that lived for a connection or two, added up in one file for each user.
 *
 * Theory of operation
 *
 * A server that forks for each connection, inetd, a loop in a shell: thousands of processes in a minute. A
 * file for each costs more than its connection, and makes all who look read thousands. So the first few of a
 * name keep segments of their own; once there were many, those that come later make none at their start,
 * and at their end they add what they counted to the file `recent.1` beside the segments.
 *
 * An entry of that file is one tuple space of all such processes of one name in one network namespace. Many
 * add to it at once, without a lock that one of them might take to its grave: each number is added by itself,
 * atomically. A bucket of TIME_WAITs holds its tick and its count in one word. An entry is claimed by its
 * state; one that nobody added to for longer than a TIME_WAIT lasts is given to others when all are taken,
 * and then a number of a process that ends at that moment may be entered under the wrong name.
 *
 * The file is mapped only at the end of a process, or by a parent for all its children (heritage.h), and each
 * page is asked for before a store to it. Trust:
 * as for segments, in a directory of this user alone; mode 0600, as many write. A process that is killed
 * before its end, or ends by a raw system call, has added nothing: that is lost. */
#ifndef HEADROOM_POOL_SEGMENT_RECENT_H
#define HEADROOM_POOL_SEGMENT_RECENT_H

#include "pool/ports/range.h"
#include "pool/segment/layout.h"
#include "pool/segment/recent_file.h"

#include <stdbool.h>

enum {
	/* With fewer left than this, others make segments of their own again. */
	RECENT_SPARE = 64,
	/* So many of one name end, the last within RECENT_SPAN_S, before others make no segment. */
	RECENT_MANY = 8,
	RECENT_SPAN_S = 60,
	/* What is still a short life, and how many connections and tuple spaces it may have. */
	RECENT_LIFE_MS = 1000,
	RECENT_OPENED_MAX = 8,
	RECENT_SPACES_MAX = 8,
};

/* Whose process is it? */
struct recent_own {
	uint64_t network_namespace, network_cookie;
	const char *name; /* of the program */
	uint64_t now_ns;
};

/**
 * recent_look() - have many processes of this name ended soon after their start, lately, and is there room?
 * @place:	directory of this user's segments
 * @own:	a network_namespace that is 0 is filled in, if the cookie is found
 * @visit:	called with each entry of this network namespace; may be NULL
 */
bool recent_look(const char *place, struct recent_own *own,
		 void (*visit)(const struct recent_entry *entry, void *argument), void *argument);

/**
 * recent_in_use() - ports that an entry's TIME_WAITs take, but those the kernel hands out again
 * @now_ns:	CLOCK_MONOTONIC
 */
uint32_t recent_in_use(const struct recent_entry *entry, uint64_t now_ns);

/* What one process adds. */
struct recent_adding {
	struct recent_own own;
	bool has_segment; /* and would rather keep it, unless there were many */
	struct port_range range;
	unsigned count;
	struct recent_count {
		struct endpoint to;
		struct address source;
		const struct usage_entry *use; /* nothing open */
	} counts[RECENT_SPACES_MAX];
};

/**
 * recent_add() - add what a process counted, at its end
 * @place:	directory of this user's segments
 * Return: true if it is there now: a segment of its own may go
 */
bool recent_add(const char *place, const struct recent_adding *adding);

/**
 * recent_add_mapped() - the same by a mapping that is there already
 * @adding:	of a process without a segment
 * Return: false if nothing was added, as there is not an entry for each yet
 */
bool recent_add_mapped(struct recent *recent, const struct recent_adding *adding);

/**
 * recent_map_for_children() - map the file, for recent_add_mapped()
 * @owner:	uid it has to belong to
 * Return: NULL if it cannot be
 */
struct recent *recent_map_for_children(const char *place, unsigned owner);

#endif
