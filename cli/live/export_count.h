// SPDX-License-Identifier: Apache-2.0
/* export_count - what `headroom export` counts up from look to look.
 *
 * A counter in Prometheus must never fall, though usage segments go, destinations change between a label of
 * their own and "other", and idle ones are forgotten. So each look adds what was counted since the one before
 * to the label set that the destination has now. */
#ifndef HEADROOM_CLI_LIVE_EXPORT_COUNT_H
#define HEADROOM_CLI_LIVE_EXPORT_COUNT_H

#include "cli/live/spaces.h"
#include "cli/live/spaces_host.h"
#include "cli/shared/identity.h"

/* By place in struct counters. Failures by errno, the rest of them, then the histogram. */
enum {
	COUNT_OPENED,
	COUNT_CLOSED_BY_US,
	COUNT_CLOSED_BY_PEER,
	COUNT_CLOSED_BY_RESET,
	COUNT_CLOSED_UNSEEN,
	COUNT_FAILOVERS,
	COUNT_EXHAUSTED,
	COUNT_DEFERRED,
	COUNT_ASIDE,
	COUNT_REUSE_HITS,
	COUNT_REUSE_MISSES,
	COUNT_REUSE_REFUSED,
	COUNT_REUSE_RETIRED,
	COUNT_REUSE_FIRST_USE_FAILURES,
	COUNT_CONNECT_NS,
	COUNT_FAILED,
	FAILED_WAYS = 9,
	COUNT_LATENCY = COUNT_FAILED + FAILED_WAYS,
	COUNTERS = COUNT_LATENCY + USAGE_LATENCY_BUCKETS,
};

struct counters {
	uint64_t n[COUNTERS];
};

/* The programs of one name; with --per-pid, one process. */
struct group_key {
	char name[USAGE_NAME_MAX];
	uint32_t pid; /* 0 without --per-pid */
	uint32_t reserved_zero;
};

struct group {
	struct group_key key;
	uint32_t running, least_headroom;
	UT_hash_handle hh;
};

/* One label set; destination with port 0: "other". */
struct series_key {
	struct group_key group;
	struct space_key space;
};
_Static_assert(sizeof(struct series_key) == 136, "a hash key: no padding");

struct series {
	struct series_key key;
	struct counters counters;
	/* Now: */
	uint32_t look; /* the last in which it was shown */
	uint32_t open, time_wait, parked, in_use, peak;
	UT_hash_handle hh;
};

/* A tuple space with a label set of its own; or the rest of them, destination with port 0. */
struct shown_space {
	struct space_key key;
	uint32_t in_use, time_wait, capacity, headroom, at_least;
	bool capacity_known;
};

/* A program, and what some of its processes belong to. */
struct export_unit {
	char process[USAGE_NAME_MAX], unit[IDENTITY_UNIT_MAX], container[IDENTITY_CONTAINER_MAX];
};

enum { EXPORT_UNITS_MAX = 200, EXPORT_IDENTIFIED_MAX = 1000 };

struct export_seen;

struct export
{
	/* As asked for. */
	struct spaces_options look_for;
	unsigned top; /* destinations and sources with labels of their own, per group */
	bool per_pid;

	/* What is kept from look to look. Guarded by the caller: one look at a time. */
	uint32_t look;
	struct export_seen *seen;
	struct series *series;

	/* Of the last look. */
	struct group *groups;
	struct shown_space *shown;
	unsigned shown_count;
	struct space_host *hosts;
	unsigned host_count;
	struct export_unit units[EXPORT_UNITS_MAX];
	unsigned unit_count;
	unsigned skipped;
	double took_s;
	struct spaces_kept kept;
};

enum { EXPORT_GROUPS_MAX = 200, EXPORT_SERIES_MAX = 20000, EXPORT_TOP_MAX = 500 };

/**
 * export_count() - enter the rows of a look
 * Return: false when memory is short
 */
bool export_count(struct export *export, const struct spaces *spaces);

/**
 * export_failed_way() - label value of the failures at COUNT_FAILED + @way
 */
const char *export_failed_way(unsigned way);

/**
 * export_end() - give memory back
 */
void export_end(struct export *export);

#endif
