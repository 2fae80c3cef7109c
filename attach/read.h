// SPDX-License-Identifier: Apache-2.0
/* read - what attachments there are, what they have counted, and who else is at their cgroups. */
#ifndef HEADROOM_ATTACH_READ_H
#define HEADROOM_ATTACH_READ_H

#include "attach/layout.h"

#include <stdbool.h>

enum { ATTACH_FOREIGN_MAX = 16 };

struct attach_seen_pair {
	struct attach_pair pair;
	struct attach_counts counts;
	__u64 open, under_way; /* now */
	__u32 time_wait;       /* the same */
};

/* Another program at the same cgroup or above it, for connect(). */
struct attach_foreign {
	__u32 id;
	char name[16];
};

struct attach_seen {
	struct attach_config config;
	struct attach_ruling ruling;
	struct attach_rule rules[ATTACH_RULES_MAX]; /* in force */
	struct attach_walk walk;
	__u64 misses; /* state changes not seen since the last walk: the next corrects them */
	struct attach_seen_pair *pairs; /* most ports in use first */
	unsigned pair_count;
	struct attach_foreign foreign[ATTACH_FOREIGN_MAX];
	unsigned foreign_count;
};

/**
 * attach_read() - read one attachment; its sockets are walked first where that is due
 * @folder:	from attach_pins_each()
 * @out:	on success to be given back by attach_seen_free()
 * Return: 0 or a negative errno; -EPROTO if another version of the command has made it
 */
int attach_read(const char *folder, struct attach_seen *out);

/**
 * attach_time_waits() - what counts of the buckets of a pair
 * @now_s:	CLOCK_MONOTONIC
 * @age_s:	below ATTACH_TIME_WAIT_S
 * Return: TIME_WAITs of that age
 */
__u32 attach_time_waits(const struct attach_counts *counts, __u32 now_s, __u32 age_s);

void attach_seen_free(struct attach_seen *seen);

#endif
