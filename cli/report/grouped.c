// SPDX-License-Identifier: Apache-2.0
/* grouped - `headroom report --by`: sixty workers are one row. */
#include "cli/report/report.h"
#include "cli/shared/hash_free.h"

#include "cli/shared/json.h"
#include "cli/shared/terminal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct group {
	char name[GROUP_NAME_MAX];
	unsigned processes, running;
	unsigned last; /* the process that was counted in it last, + 1 */
	uint64_t opened, failed, exhausted;
	uint32_t open, time_wait;
	const struct report_row *tightest; /* of what runs; NULL: none is known */
	UT_hash_handle hh;
};

static struct group *find(struct group **groups, const char *name)
{
	struct group *group;

	HASH_FIND_STR(*groups, name, group);
	if (group || !(group = calloc(1, sizeof(*group))))
		return group;
	strcpy(group->name, name);
	HASH_ADD_STR(*groups, name, group);
	return group;
}

static void add_row(struct group *group, unsigned number, const struct report_process *process,
		    const struct report_row *row)
{
	const struct usage *usage = &process->usage;

	if (group->last != number + 1) {
		group->last = number + 1;
		group->processes += usage->merged ? usage->merged : 1;
		group->running += usage->running;
	}
	if (!row)
		return;
	group->opened += row->entry->opened;
	group->failed += row->entry->failed;
	group->exhausted += row->entry->exhausted;
	group->open += usage->running ? row->entry->open : 0;
	group->time_wait += row->figures.time_wait;
	if (usage->running && row->figures.capacity_known &&
	    (!group->tightest || row->figures.headroom < group->tightest->figures.headroom))
		group->tightest = row;
}

static const char *name_of(const struct report_process *process, enum group_by by, char *out)
{
	const struct usage_header *header = &process->usage.header;
	struct group_member member = { .pid = report_pid(&process->usage),
				       .name = header->name,
				       .uid = header->uid };

	if (process->usage.attached)
		snprintf(out, GROUP_NAME_MAX, "cgroup %.80s", header->name);
	else if (by == GROUP_BY_PROCESS && !process->usage.merged)
		snprintf(out, GROUP_NAME_MAX, "%.70s[%u]", header->name, header->pid);
	else
		group_name(by == GROUP_BY_PROCESS ? GROUP_BY_WORKERS : by, &member, out);
	return out;
}

/* In the order of the report: that of the first process of each. */
static struct group *make(const struct report *report, enum group_by by)
{
	struct group *groups = NULL, *group;
	char name[GROUP_NAME_MAX];

	for (unsigned i = 0; i < report->process_count; i++) {
		const struct report_process *process = &report->processes[i];
		if (by != GROUP_BY_SOURCE)
			name_of(process, by, name);
		if (by != GROUP_BY_SOURCE && !process->row_count && (group = find(&groups, name)))
			add_row(group, i, process, NULL);
		for (unsigned k = 0; k < process->row_count; k++) {
			const struct report_row *row = &process->rows[k];
			if (by == GROUP_BY_SOURCE)
				report_source(&row->entry->source, name);
			if ((group = find(&groups, name)))
				add_row(group, i, process, row);
		}
	}
	return groups;
}

static void drop(struct group *groups)
{
	HASH_FREE(struct group, groups);
}

void grouped_text(const struct report *report, enum group_by by, FILE *out)
{
	struct group *groups = make(report, by);
	int width = (int)strlen(group_by_name(by));

	for (const struct group *g = groups; g; g = g->hh.next)
		width = (int)strlen(g->name) > width ? (int)strlen(g->name) : width;
	if (groups)
		fprintf(out, "%-*s %9s %8s %6s %9s %7s %8s  %s\n", width, group_by_name(by), "processes",
			"opened", "open", "time-wait", "failed", "headroom", "towards");
	else
		report_text(report, out); /* says that there is nothing */
	for (const struct group *g = groups; g; g = g->hh.next) {
		char left[16] = "-", to[ENDPOINT_TEXT_MAX] = "";
		if (g->tightest) {
			snprintf(left, sizeof(left), "%u", g->tightest->figures.headroom);
			report_destination(&g->tightest->entry->to, to);
		}
		fprintf(out, "%-*s %9u %8llu %6u %9u %7llu %8s  %s\n", width, g->name, g->processes,
			(unsigned long long)g->opened, g->open, g->time_wait, (unsigned long long)g->failed,
			left, to);
	}
	drop(groups);
}

static void put_tightest(struct json *json, const struct group *group)
{
	char text[ENDPOINT_TEXT_MAX];

	if (!group->tightest) {
		json_null(json, "headroom");
		return;
	}
	const struct report_row *row = group->tightest;
	json_number(json, "headroom", row->figures.headroom);
	json_number(json, "capacity", row->figures.capacity);
	json_text(json, "destination", report_destination(&row->entry->to, text));
	json_text(json, "source", report_source(&row->entry->source, text));
	if (isinf(row->figures.exhausted_in_s))
		json_null(json, "exhausted_in_s");
	else
		json_real(json, "exhausted_in_s", row->figures.exhausted_in_s);
}

void grouped_json(const struct report *report, enum group_by by, FILE *out)
{
	struct group *groups = make(report, by);
	struct json json = { .out = out };

	json_open(&json, NULL, '{');
	json_number(&json, "schema", REPORT_SCHEMA);
	json_text(&json, "by", group_by_name(by));
	json_open(&json, "groups", '[');
	for (const struct group *g = groups; g; g = g->hh.next) {
		json_open(&json, NULL, '{');
		json_text(&json, "name", g->name);
		json_number(&json, "processes", g->processes);
		json_number(&json, "running", g->running);
		json_number(&json, "opened", g->opened);
		json_number(&json, "open", g->open);
		json_number(&json, "time_wait", g->time_wait);
		json_number(&json, "failed", g->failed);
		json_number(&json, "exhausted", g->exhausted);
		put_tightest(&json, g);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	drop(groups);
}
