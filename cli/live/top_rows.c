// SPDX-License-Identifier: Apache-2.0
/* top_rows - from a look at the tuple spaces to the rows of `headroom top`. */
#include "cli/live/top.h"

#include "cli/live/top_groups.h"

#include "cli/ports/host_view.h"
#include "cli/shared/complain.h"
#include "cli/shared/hash_free.h"
#include "cli/shared/terminal.h"
#include "pool/base/clock.h"
#include "pool/base/printable.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How long each look asks about single ports; the first may take longer, as somebody waits for an answer. */
static const uint64_t FIRST_ASK_NS = UINT64_C(500000000), ASK_NS = UINT64_C(50000000);

/* What a row had opened at the look before. */
struct top_before {
	struct top_key key;
	uint64_t opened;
	UT_hash_handle hh;
};

static const char *const sort_names[TOP_SORTS] = { "headroom", "rate", "failures" };

const char *top_sort_name(enum top_sort sort)
{
	return sort_names[sort];
}

static void name_process(const struct usage *usage, char *out)
{
	if (usage->merged)
		snprintf(out, TOP_PROCESS_MAX, "(%s*%u)", usage->header.name, usage->merged);
	else if (usage->attached)
		snprintf(out, TOP_PROCESS_MAX, "cgroup %s", usage->header.name);
	else
		snprintf(out, TOP_PROCESS_MAX, usage->running ? "%s[%u]" : "(%s[%u])", usage->header.name,
			 usage->header.pid);
}

static void take_own(struct top_row *row, const struct spaces *spaces, const struct space_row *from)
{
	const struct usage *usage = &spaces->processes[from->process].usage;
	const struct usage_entry *entry = from->entry;
	uint32_t in_use = from->figures.in_use, open = usage->running ? entry->open : 0;

	row->key.started_ns = usage->header.started_ns;
	row->key.pid = usage->header.pid;
	row->uid = usage->header.uid;
	row->pid_namespace = usage->header.pid_namespace;
	row->running = usage->running && !usage->merged && !usage->attached;
	row->processes = usage->merged ? usage->merged : 1;
	snprintf(row->name, sizeof(row->name), "%s", usage->header.name);
	name_process(usage, row->process);
	row->open = open < in_use ? open : in_use;
	row->time_wait = from->figures.time_wait;
	row->in_use = in_use;
	row->opened = entry->opened;
	row->failed = entry->failed;
}

static uint32_t less(uint32_t a, uint32_t b)
{
	return a > b ? a - b : 0;
}

static void take_without_shim(struct top_row *row, const struct space *space)
{
	snprintf(row->process, sizeof(row->process), "(no shim)");
	row->open = less(space->open, space->shim_open);
	row->time_wait = less(space->time_wait, space->shim_time_wait);
	row->in_use = less(space->in_use, space->shim_in_use);
}

static void name_netns(struct top_row *row, const struct spaces *spaces, const struct space *space)
{
	const struct space_host *host = spaces_host_of(spaces, space->key.network);

	if (host)
		snprintf(row->netns, sizeof(row->netns), "%s", host->name);
	else if (space->key.network)
		snprintf(row->netns, sizeof(row->netns), "%llu", (unsigned long long)space->key.network);
}

static void fill(struct top_row *row, const struct spaces *spaces, const struct space_row *from,
		 bool all_netns)
{
	const struct space *space = from->space;

	*row = (struct top_row){ .rate = -1, .exhausted_in_s = INFINITY };
	if (from->process == SPACE_NO_SHIM)
		take_without_shim(row, space);
	else
		take_own(row, spaces, from);
	strcpy(row->to, "(others)");
	strcpy(row->source, "-");
	if (!space)
		return;
	row->key.space = space->key;
	if (all_netns)
		name_netns(row, spaces, space);
	endpoint_format(&space->key.destination, row->to);
	if (!address_is_unset(&space->key.source))
		space_source_text(&space->key, row->source);
	row->others = less(space->in_use, row->in_use);
	row->capacity_known = space->capacity_known;
	row->capacity = space->capacity;
	row->doubtful = space->doubtful < space->headroom ? space->doubtful : space->headroom;
	row->headroom = space->headroom;
	/* How fast programs without the shim take ports is not known. */
	if (space->fills > 0 && space->in_use <= space->shim_in_use)
		row->exhausted_in_s = space->headroom / space->fills;
}

/* Of what has ended only its TIME_WAITs are of interest; of what is added up, only if there is something. */
static bool is_of_interest(const struct spaces *spaces, const struct space_row *row)
{
	if (row->process == SPACE_NO_SHIM)
		return true;
	if (!spaces->processes[row->process].usage.running)
		return row->figures.in_use;
	return row->space || row->entry->opened || row->entry->failed;
}

bool top_matches(const struct top *top, const struct top_row *row)
{
	if (top->only.pid && top->only.pid != TOP_GROUP_PID &&
	    (row->key.pid != top->only.pid || row->key.started_ns != top->only.started_ns))
		return false;
	return strstr(row->process, top->filter) || strstr(row->to, top->filter) ||
	       strstr(row->source, top->filter) ||
	       (top->look_for.all_netns && strstr(row->netns, top->filter));
}

static int order(double a, double b)
{
	return (a > b) - (a < b);
}

static int compare(const void *a, const void *b, void *argument)
{
	const struct top_row *x = a, *y = b;
	const struct top *top = argument;
	int by = 0;

	if (top->sort == TOP_BY_RATE)
		by = order(y->rate, x->rate);
	else if (top->sort == TOP_BY_FAILURES)
		by = order((double)y->failed, (double)x->failed);
	if (!by)
		by = order(x->capacity_known ? x->headroom - x->doubtful : 1e9,
			   y->capacity_known ? y->headroom - y->doubtful : 1e9);
	if (!by)
		by = order(y->in_use, x->in_use);
	return by ? by : memcmp(&x->key, &y->key, sizeof(x->key));
}

void top_sort(struct top *top)
{
	if (top->row_count)
		qsort_r(top->rows, top->row_count, sizeof(*top->rows), compare, top);
}

/* The rate since the look before; @after collects what the next look will compare with. */
static void take_rate(struct top *top, struct top_row *row, uint64_t now_ns, struct top_before **after)
{
	double seconds = (double)clock_since(top->looked_ns, now_ns) / 1e9;
	struct top_before *before, *next = malloc(sizeof(*next));

	HASH_FIND(hh, top->before, &row->key, sizeof(row->key), before);
	if (row->key.pid && top->looked_ns && seconds > 0) {
		uint64_t then = before ? before->opened : 0;
		row->rate = row->opened > then ? (double)(row->opened - then) / seconds : 0;
	}
	if (!next)
		return;
	*next = (struct top_before){ .key = row->key, .opened = row->opened };
	HASH_ADD(hh, *after, key, sizeof(next->key), next);
}

static void drop_before(struct top *top)
{
	HASH_FREE(struct top_before, top->before);
}

/* What was opened in the last half minute fills a tuple space no more once nobody opens anything. */
static void drop_ends(struct top *top, const struct spaces *spaces)
{
	unsigned at = 0;

	for (unsigned i = 0; i < spaces->row_count; i++) {
		const struct space *space = spaces->rows[i].space;
		if (!is_of_interest(spaces, &spaces->rows[i]))
			continue;
		struct top_row *row = &top->all[at++];
		if (space && space->opened_per_s <= 0 && row->rate >= 0)
			row->exhausted_in_s = INFINITY;
	}
}

static int make_rows(struct top *top, const struct spaces *spaces)
{
	struct top_row *rows = calloc(spaces->row_count + 1u, sizeof(*rows));
	struct top_before *after = NULL;

	if (!rows)
		return complain("top", "no memory");
	free(top->all);
	top->all = rows;
	top->all_count = 0;
	for (unsigned i = 0; i < spaces->row_count; i++) {
		if (!is_of_interest(spaces, &spaces->rows[i]))
			continue;
		fill(&rows[top->all_count], spaces, &spaces->rows[i], top->look_for.all_netns);
		top_name_group(top, &rows[top->all_count]);
		take_rate(top, &rows[top->all_count], spaces->now_ns, &after);
		if (spaces->rows[i].space && rows[top->all_count].rate > 0)
			spaces->rows[i].space->opened_per_s += rows[top->all_count].rate;
		top->all_count++;
	}
	drop_ends(top, spaces);
	drop_before(top);
	top->before = after;
	top->looked_ns = spaces->now_ns;
	return top_fold(top);
}

int top_look(struct top *top)
{
	struct spaces spaces;

	top->look_for.kept = &top->kept;
	top->look_for.ask_ns = top->looked_ns ? ASK_NS : FIRST_ASK_NS;
	int status = spaces_look(&spaces, &top->look_for);
	if (!status)
		status = make_rows(top, &spaces);
	top->skipped = spaces.skipped;
	free(top->hosts);
	top->hosts = spaces.hosts;
	top->host_count = spaces.host_count;
	spaces.hosts = NULL;
	top->process_count = 0;
	for (unsigned i = 0; i < spaces.process_count; i++)
		top->process_count += spaces.processes[i].usage.running;
	spaces_end(&spaces);
	return status;
}

void top_end(struct top *top)
{
	drop_before(top);
	top_groups_end(top);
	free(top->rows);
	free(top->all);
	free(top->hosts);
	spaces_kept_end(&top->kept);
	top->rows = top->all = NULL;
	top->hosts = NULL;
	top->host_count = 0;
	top->row_count = 0;
}

void top_numbers(const struct top_row *row, struct top_numbers *out)
{
	strcpy(out->headroom, "-");
	strcpy(out->rate, "-");
	strcpy(out->lasts, "-");
	strcpy(out->capacity, "-");
	if (row->capacity_known)
		snprintf(out->capacity, sizeof(out->capacity), "%u", row->capacity);
	if (row->capacity_known && row->doubtful)
		snprintf(out->headroom, sizeof(out->headroom), "%u-%u", row->headroom - row->doubtful,
			 row->headroom);
	else if (row->capacity_known)
		snprintf(out->headroom, sizeof(out->headroom), "%u", row->headroom);
	if (row->rate >= 0)
		snprintf(out->rate, sizeof(out->rate), row->rate < 10 ? "%.1f" : "%.0f", row->rate);
	snprintf(out->failed, sizeof(out->failed), "%llu", (unsigned long long)row->failed);
	if (row->capacity_known && !row->headroom)
		strcpy(out->lasts, "now");
	else if (row->capacity_known && !isinf(row->exhausted_in_s))
		terminal_duration(row->exhausted_in_s, out->lasts, sizeof(out->lasts));
}

const char *top_host(const struct top *top, const struct space_host *host, char *out, size_t size)
{
	int used = snprintf(out, size, "%s: %u %s, %u reserved, %u blocked",
			    top->look_for.all_netns ? host->name : "host", host->range,
			    one_or_many(host->range, "port", "ports"), host->reserved, host->blocked);

	if (host->doubtful)
		used += snprintf(out + used, size - (size_t)used, ", %u in doubt", host->doubtful);
	used += snprintf(out + used, size - (size_t)used, "; %s%u for each source and destination%s",
			 host->doubtful ? "at most " : "", host->capacity,
			 host->capacity ? "" : " (headroom ports)");
	if (host->udp_known)
		snprintf(out + used, size - (size_t)used, "; UDP has %u",
			 less(host->range - host->reserved, host->udp_in_use));
	return out;
}

const struct space_host *top_host_of(const struct top *top, const struct top_row *row)
{
	const struct space_host *found = &top->hosts[0];

	for (unsigned i = 1; i < top->host_count; i++)
		if (row ? top->hosts[i].network == row->key.space.network
			: top->hosts[i].capacity < found->capacity)
			found = &top->hosts[i];
	return found;
}

const char *top_nothing(const struct top *top)
{
	return top->host_count
		       ? "no connection uses a port that connect() picked"
		       : "no program under the shim has a port in use, as far as can be seen from here";
}
