// SPDX-License-Identifier: Apache-2.0
/* export_count - from the rows of one look to label sets, a bounded number, whose counters never fall. */
#include "cli/live/export_count.h"
#include "cli/shared/hash_free.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Entries of a segment by who counts them; the one that is added up has no destination. */
struct seen_key {
	uint64_t started_ns, pid_namespace;
	uint32_t pid, reserved_zero;
	struct address source;
	struct endpoint to;
};
_Static_assert(sizeof(struct seen_key) == 64, "a hash key: no padding");

struct export_seen {
	struct seen_key key;
	struct counters counters; /* as of the last look */
	uint32_t look;
	UT_hash_handle hh;
};

/* What might get a label set: the rows of one group and tuple space. */
struct candidate {
	struct series_key key;
	struct group *group;
	uint32_t headroom;
	bool running;
	uint64_t opened;
	struct series *series;
	UT_hash_handle hh;
};

struct counting {
	struct export *export;
	const struct spaces *spaces;
	struct candidate *candidates;
	bool no_memory;
};

static const int failed_errors[FAILED_WAYS - 1] = { EADDRNOTAVAIL, ECONNREFUSED, ETIMEDOUT,  EHOSTUNREACH,
						    ENETUNREACH,   ECONNRESET,   EADDRINUSE, 0 };

const char *export_failed_way(unsigned way)
{
	if (way >= FAILED_WAYS - 1)
		return "other";
	return failed_errors[way] ? strerrorname_np(failed_errors[way]) : "given_up";
}

static unsigned failed_way(int error)
{
	unsigned way = 0;
	while (way < FAILED_WAYS - 1 && failed_errors[way] != error)
		way++;
	return way;
}

static void counters_of(const struct usage_entry *entry, struct counters *out)
{
	*out = (struct counters){ .n = { [COUNT_OPENED] = entry->opened,
					 [COUNT_CLOSED_BY_US] = entry->closed_by_us,
					 [COUNT_CLOSED_BY_PEER] = entry->closed_by_peer,
					 [COUNT_CLOSED_BY_RESET] = entry->closed_by_reset,
					 [COUNT_CLOSED_UNSEEN] = entry->closed_unseen,
					 [COUNT_FAILOVERS] = entry->failovers,
					 [COUNT_EXHAUSTED] = entry->exhausted,
					 [COUNT_DEFERRED] = entry->deferred,
					 [COUNT_ASIDE] = entry->aside,
					 [COUNT_REUSE_HITS] = entry->reuse_hits,
					 [COUNT_REUSE_MISSES] = entry->reuse_misses,
					 [COUNT_REUSE_FIRST_USE_FAILURES] = entry->reuse_first_use_failures,
					 [COUNT_CONNECT_NS] = entry->connect_ns } };
	for (unsigned i = 0; i < USAGE_REFUSED_REASONS; i++)
		out->n[COUNT_REUSE_REFUSED] += entry->reuse_refused[i];
	for (unsigned i = 0; i < USAGE_RETIRED_REASONS; i++)
		out->n[COUNT_REUSE_RETIRED] += entry->reuse_retired[i];
	for (unsigned i = 0; i < USAGE_FAILURES; i++)
		out->n[COUNT_FAILED + failed_way(entry->failures[i].error)] += entry->failures[i].count;
	memcpy(&out->n[COUNT_LATENCY], entry->latency, sizeof(entry->latency));
}

static const struct usage *usage_of(const struct counting *counting, const struct space_row *row)
{
	return &counting->spaces->processes[row->process].usage;
}

static struct seen_key seen_key_of(const struct usage *usage, const struct usage_entry *entry)
{
	struct seen_key key = { .started_ns = usage->header.started_ns,
				.pid_namespace = usage->header.pid_namespace,
				.pid = usage->header.pid };
	/* An attached cgroup has one for each network. */
	if (usage->attached)
		key.pid_namespace = usage->header.network_cookie;
	/* Of one name are many, in one file. */
	if (usage->merged) {
		key.pid_namespace = usage->header.network_cookie ? usage->header.network_cookie
								 : usage->header.network_namespace;
		HASH_JEN(usage->header.name, strlen(usage->header.name), key.pid);
	}
	if (entry && entry->to.port) {
		key.source = entry->source;
		key.to = entry->to;
	}
	return key;
}

static struct export_seen *seen_of(struct counting *counting, const struct seen_key *key, bool make)
{
	struct export_seen *seen;

	HASH_FIND(hh, counting->export->seen, key, sizeof(*key), seen);
	if (seen || !make || !(seen = calloc(1, sizeof(*seen))))
		return seen;
	seen->key = *key;
	HASH_ADD(hh, counting->export->seen, key, sizeof(*key), seen);
	return seen;
}

/* What a segment has forgotten is in its entry that is added up from now on: it was counted already. */
static void forget(struct counting *counting)
{
	struct export_seen *seen, *next;

	HASH_ITER (hh, counting->export->seen, seen, next) {
		if (seen->look == counting->export->look)
			continue;
		struct seen_key key = seen->key;
		key.source = (struct address){ 0 };
		key.to = (struct endpoint){ 0 };
		struct export_seen *rest = seen_of(counting, &key, false);
		for (unsigned i = 0; rest && rest != seen && i < COUNTERS; i++)
			rest->counters.n[i] += seen->counters.n[i];
		HASH_DEL(counting->export->seen, seen);
		free(seen);
	}
}

static struct group *group_of(struct counting *counting, const struct usage *usage)
{
	struct group_key key = { .pid = counting->export->per_pid ? usage->header.pid : 0 };
	struct group *group;

	memcpy(key.name, usage->header.name, strnlen(usage->header.name, sizeof(key.name) - 1));
	HASH_FIND(hh, counting->export->groups, &key, sizeof(key), group);
	if (group || !(group = calloc(1, sizeof(*group))))
		return group;
	group->key = key;
	group->least_headroom = UINT32_MAX;
	HASH_ADD(hh, counting->export->groups, key, sizeof(key), group);
	return group;
}

static struct candidate *candidate_of(struct counting *counting, struct group *group,
				      const struct space_row *row)
{
	struct series_key key = { .group = group->key };
	struct candidate *candidate;

	if (row->space)
		key.space = row->space->key;
	HASH_FIND(hh, counting->candidates, &key, sizeof(key), candidate);
	if (candidate || !(candidate = calloc(1, sizeof(*candidate))))
		return candidate;
	candidate->key = key;
	candidate->group = group;
	candidate->headroom = UINT32_MAX;
	HASH_ADD(hh, counting->candidates, key, sizeof(key), candidate);
	return candidate;
}

static void propose(struct counting *counting, const struct space_row *row)
{
	const struct usage *usage = usage_of(counting, row);
	struct seen_key key = seen_key_of(usage, row->entry);
	struct group *group = group_of(counting, usage);
	struct candidate *candidate = group ? candidate_of(counting, group, row) : NULL;
	struct export_seen *seen = seen_of(counting, &key, true);

	if (!candidate || !seen) {
		counting->no_memory = true;
		return;
	}
	seen->look = counting->export->look;
	candidate->opened += row->entry->opened;
	candidate->running |= usage->running;
	if (row->space && row->space->capacity_known)
		candidate->headroom = row->space->headroom;
	if (usage->running && candidate->headroom < group->least_headroom)
		group->least_headroom = candidate->headroom;
}

/* Groups with the least headroom first; in each the same. What is added up comes last: it has none. */
static int tightest_first(const struct candidate *a, const struct candidate *b)
{
	if (a->group != b->group) {
		if (a->group->least_headroom != b->group->least_headroom)
			return a->group->least_headroom < b->group->least_headroom ? -1 : 1;
		return memcmp(&a->group->key, &b->group->key, sizeof(a->group->key));
	}
	if (!a->key.space.destination.port != !b->key.space.destination.port)
		return a->key.space.destination.port ? -1 : 1;
	if (a->headroom != b->headroom)
		return a->headroom < b->headroom ? -1 : 1;
	if (a->running != b->running)
		return a->running ? -1 : 1;
	if (a->opened != b->opened)
		return a->opened > b->opened ? -1 : 1;
	return memcmp(&a->key, &b->key, sizeof(a->key));
}

static struct series *series_of(struct counting *counting, const struct series_key *key)
{
	struct export *export = counting->export;
	struct series *series;

	HASH_FIND(hh, export->series, key, sizeof(*key), series);
	if (!series && (series = calloc(1, sizeof(*series)))) {
		series->key = *key;
		HASH_ADD(hh, export->series, key, sizeof(*key), series);
	}
	if (!series) {
		counting->no_memory = true;
		return NULL;
	}
	if (series->look != export->look)
		series->open = series->time_wait = series->parked = series->in_use = series->peak = 0;
	series->look = export->look;
	return series;
}

static void give_labels(struct counting *counting)
{
	const struct group *group = NULL;
	unsigned groups = 0, places = 0;

	HASH_SORT(counting->candidates, tightest_first);
	for (struct candidate *c = counting->candidates; c; c = c->hh.next) {
		struct series_key key = c->key;
		if (c->group != group) {
			group = c->group;
			groups++;
			places = 0;
		}
		if (groups > EXPORT_GROUPS_MAX) {
			key.group = (struct group_key){ .name = "other" };
			places = counting->export->top;
		}
		if (key.space.destination.port && places++ >= counting->export->top)
			key.space = (struct space_key){ 0 };
		c->series = series_of(counting, &key);
	}
}

static void count_row(struct counting *counting, const struct space_row *row)
{
	const struct usage *usage = usage_of(counting, row);
	struct seen_key key = seen_key_of(usage, row->entry);
	struct export_seen *seen = seen_of(counting, &key, false);
	struct candidate *candidate = candidate_of(counting, group_of(counting, usage), row);
	struct series *series = candidate->series;
	struct counters now;

	counters_of(row->entry, &now);
	for (unsigned i = 0; i < COUNTERS; i++)
		if (now.n[i] > seen->counters.n[i])
			series->counters.n[i] += now.n[i] - seen->counters.n[i];
	seen->counters = now;
	series->time_wait += row->figures.time_wait;
	series->in_use += row->figures.in_use;
	if (!usage->running)
		return;
	series->open += row->entry->open;
	series->parked += row->entry->reuse_parked;
	/* Peaks of several processes were not at one time: the highest of one is what is sure. */
	if (row->entry->peak > series->peak)
		series->peak = row->entry->peak;
}

static void count_processes(struct counting *counting)
{
	for (unsigned i = 0; i < counting->spaces->process_count; i++) {
		const struct usage *usage = &counting->spaces->processes[i].usage;
		struct group *group = group_of(counting, usage);
		if (!group) {
			counting->no_memory = true;
			return;
		}
		group->running += usage->running;
	}
}

/* Label sets that are not shown any more are kept as long as there is room: they may come back. */
static void drop_old_series(struct export *export)
{
	struct series *series, *next;

	if (HASH_COUNT(export->series) <= EXPORT_SERIES_MAX)
		return;
	HASH_ITER (hh, export->series, series, next) {
		if (series->look == export->look)
			continue;
		HASH_DEL(export->series, series);
		free(series);
	}
}

static void drop_groups(struct export *export)
{
	HASH_FREE(struct group, export->groups);
}

/* A segment keeps what its process counted after its end; with a label for each process that would be a
 * label set for every process that ever ran. */
static bool is_counted(const struct counting *counting, const struct space_row *row)
{
	return row->entry && (!counting->export->per_pid || usage_of(counting, row)->running);
}

bool export_count(struct export *export, const struct spaces *spaces)
{
	struct counting counting = { .export = export, .spaces = spaces };

	export->look++;
	drop_groups(export);
	count_processes(&counting);
	for (unsigned i = 0; i < spaces->row_count && !counting.no_memory; i++)
		if (is_counted(&counting, &spaces->rows[i]))
			propose(&counting, &spaces->rows[i]);
	if (!counting.no_memory) {
		forget(&counting);
		give_labels(&counting);
	}
	for (unsigned i = 0; i < spaces->row_count && !counting.no_memory; i++)
		if (is_counted(&counting, &spaces->rows[i]))
			count_row(&counting, &spaces->rows[i]);
	HASH_FREE(struct candidate, counting.candidates);
	drop_old_series(export);
	return !counting.no_memory;
}

void export_end(struct export *export)
{
	HASH_FREE(struct export_seen, export->seen);
	HASH_FREE(struct series, export->series);
	drop_groups(export);
	free(export->shown);
	free(export->hosts);
	export->shown = NULL;
	export->hosts = NULL;
	export->host_count = 0;
}
