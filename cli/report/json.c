// SPDX-License-Identifier: Apache-2.0
/* json - the report for programs; docs/users/usage.md has the schema. */
#include "cli/report/report.h"

#include "cli/shared/identity.h"
#include "cli/shared/json.h"
#include "pool/log/event_text.h"
#include "pool/reuse/reuse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void put_address(struct json *json, const struct address *source)
{
	char text[ADDRESS_TEXT_MAX];

	if (address_is_unset(source))
		json_null(json, "source");
	else
		json_text(json, "source", address_format(source, text));
}

static void put_destination(struct json *json, const struct endpoint *to)
{
	char text[ENDPOINT_TEXT_MAX];

	if (to->port)
		json_text(json, "destination", endpoint_format(to, text));
	else
		json_null(json, "destination");
}

static void put_figures(struct json *json, const struct report_process *process, const struct report_row *row)
{
	const struct usage_figures *f = &row->figures;

	json_number(json, "open", process->usage.running ? row->entry->open : 0);
	json_number(json, "time_wait", f->time_wait);
	json_number(json, "parked", process->usage.running ? row->entry->reuse_parked : 0);
	json_number(json, "in_use", f->in_use);
	if (!f->capacity_known) {
		json_null(json, "capacity");
		json_null(json, "headroom");
		json_null(json, "knee");
	} else {
		json_number(json, "capacity", f->capacity);
		json_number(json, "headroom", f->headroom);
		json_number(json, "knee", f->capacity / 2);
	}
	json_real(json, "growth_per_s", f->growth);
	if (isinf(f->exhausted_in_s))
		json_null(json, "exhausted_in_s");
	else
		json_real(json, "exhausted_in_s", f->exhausted_in_s);
}

static void put_failures(struct json *json, const struct usage_entry *entry)
{
	char number[16];

	json_number(json, "failed", entry->failed);
	json_open(json, "failures", '{');
	for (unsigned i = 0; i < USAGE_FAILURES; i++) {
		const struct usage_failure *failure = &entry->failures[i];
		const char *name = failure->error < 0 ? "other"
				   : failure->error   ? strerrorname_np(failure->error)
						      : "given_up";
		if (!failure->count)
			continue;
		snprintf(number, sizeof(number), "%d", failure->error);
		json_number(json, name ? name : number, failure->count);
	}
	json_close(json, '}');
}

static void put_latency(struct json *json, const struct usage_entry *entry)
{
	json_open(json, "connect", '{');
	json_real(json, "sum_s", (double)entry->connect_ns / 1e9);
	json_open(json, "histogram", '[');
	for (unsigned i = 0; i < USAGE_LATENCY_BUCKETS; i++) {
		if (!entry->latency[i])
			continue;
		json_open(json, NULL, '{');
		if (i == USAGE_LATENCY_BUCKETS - 1)
			json_null(json, "below_us");
		else
			json_number(json, "below_us", 16ull << i);
		json_number(json, "count", entry->latency[i]);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

/* Those that are not 0. */
static void put_reasons(struct json *json, const char *name, const uint32_t *counts, unsigned size,
			const char *(*reason)(unsigned))
{
	json_open(json, name, '{');
	for (unsigned i = 0; i < size; i++)
		if (counts[i])
			json_number(json, reason(i), counts[i]);
	json_close(json, '}');
}

static const char *refusal_name(unsigned i)
{
	return reuse_refusal_name((enum reuse_refusal)i);
}

static const char *retirement_name(unsigned i)
{
	return reuse_retirement_name((enum reuse_retirement)i);
}

static void put_reuse(struct json *json, const struct usage_entry *entry)
{
	uint64_t refused = 0, retired = 0;

	for (unsigned i = 0; i < USAGE_REFUSED_REASONS; i++)
		refused += entry->reuse_refused[i];
	for (unsigned i = 0; i < USAGE_RETIRED_REASONS; i++)
		retired += entry->reuse_retired[i];
	json_open(json, "reuse", '{');
	json_number(json, "hits", entry->reuse_hits);
	json_number(json, "misses", entry->reuse_misses);
	json_number(json, "refused", refused);
	put_reasons(json, "refused_by", entry->reuse_refused, REUSE_REFUSALS, refusal_name);
	json_number(json, "retired", retired);
	put_reasons(json, "retired_by", entry->reuse_retired, REUSE_RETIREMENTS, retirement_name);
	json_number(json, "first_use_failures", entry->reuse_first_use_failures);
	json_number(json, "idle_limit_ms", entry->reuse_idle_limit_ms);
	json_close(json, '}');
}

static void put_row(struct json *json, const struct report_process *process, const struct report_row *row)
{
	const struct usage_entry *entry = row->entry;
	char time[32];

	json_open(json, NULL, '{');
	put_destination(json, &entry->to);
	put_address(json, &entry->source);
	json_number(json, "opened", entry->opened);
	put_figures(json, process, row);
	json_number(json, "peak", entry->peak);
	if (entry->peak_ns)
		json_text(json, "peak_at", report_time(&process->usage.header, entry->peak_ns, time));
	else
		json_null(json, "peak_at");
	json_open(json, "closed", '{');
	json_number(json, "by_us", entry->closed_by_us);
	json_number(json, "by_peer", entry->closed_by_peer);
	json_number(json, "by_reset", entry->closed_by_reset);
	json_number(json, "unseen", entry->closed_unseen);
	json_close(json, '}');
	put_failures(json, entry);
	json_number(json, "failovers", entry->failovers);
	json_number(json, "exhausted", entry->exhausted);
	json_number(json, "deferred", entry->deferred);
	json_number(json, "set_aside", entry->aside);
	put_latency(json, entry);
	put_reuse(json, entry);
	json_close(json, '}');
}

static void put_event(struct json *json, const struct usage_header *header, const struct usage_event *event)
{
	char text[EVENT_TEXT_MAX], time[32];

	json_open(json, NULL, '{');
	json_text(json, "time", report_time(header, event->time_ns, time));
	json_text(json, "event", event_name(event->kind));
	put_destination(json, &event->to);
	put_address(json, &event->source);
	json_number(json, "in_use", event->in_use);
	json_number(json, "capacity", event->capacity);
	json_number(json, "repeats", event->repeats);
	json_text(json, "text", event_text(event, text));
	json_close(json, '}');
}

static void put_command(struct json *json, const struct usage_header *header)
{
	const char *at = header->command, *end = at + sizeof(header->command);

	json_open(json, "command", '[');
	while (at < end && *at) {
		json_text(json, NULL, at);
		at += strlen(at) + 1;
	}
	json_close(json, ']');
}

static void put_header(struct json *json, const struct report *report, const struct report_process *process)
{
	const struct usage_header *header = &process->usage.header;
	char time[32];

	if (process->usage.merged || process->usage.attached)
		json_null(json, "pid");
	else
		json_number(json, "pid", header->pid);
	json_text(json, "name", header->name);
	json_number(json, "processes", process->usage.merged ? process->usage.merged : 1);
	put_command(json, header);
	int pid = report_pid(&process->usage);
	struct identity identity = { 0 };
	if (pid)
		identity_of(pid, &identity);
	json_text(json, "unit", identity.unit);
	json_text(json, "container", identity.container);
	json_text(json, "cgroup", identity.cgroup);
	json_number(json, "pid_here", (uint64_t)pid);
	json_bool(json, "attached", process->usage.attached);
	json_number(json, "uid", header->uid);
	json_bool(json, "running", process->usage.running);
	json_text(json, "counted_from", report_time(header, header->started_ns, time));
	if (header->ended_ns)
		json_text(json, "ended", report_time(header, header->ended_ns, time));
	else
		json_null(json, "ended");
	json_number(json, "pid_namespace", header->pid_namespace);
	json_number(json, "network_namespace", header->network_namespace);
	json_number(json, "network_cookie", header->network_cookie);
	const char *netns = report_netns(report, header);
	if (netns)
		json_text(json, "network_name", netns);
	json_open(json, "range", '{');
	json_number(json, "low", header->range_low);
	json_number(json, "high", header->range_high);
	json_number(json, "reserved", header->range_reserved);
	json_close(json, '}');
	json_number(json, "forgotten_destinations", header->forgotten);
	json_number(json, "not_counted", header->untracked);
	json_number(json, "torn", process->usage.torn);
	json_text(json, "segment", process->path);
}

static void put_process(struct json *json, const struct report *report, const struct report_process *process)
{
	json_open(json, NULL, '{');
	put_header(json, report, process);
	json_open(json, "spaces", '[');
	for (unsigned i = 0; i < process->row_count; i++)
		put_row(json, process, &process->rows[i]);
	json_close(json, ']');
	json_open(json, "events", '[');
	for (unsigned i = 0; i < process->usage.event_count; i++)
		put_event(json, &process->usage.header, &process->usage.events[i]);
	json_close(json, ']');
	json_close(json, '}');
}

void report_json(const struct report *report, FILE *out)
{
	struct json json = { .out = out };

	json_open(&json, NULL, '{');
	json_number(&json, "schema", REPORT_SCHEMA);
	json_open(&json, "processes", '[');
	for (unsigned i = 0; i < report->process_count; i++)
		put_process(&json, report, &report->processes[i]);
	json_close(&json, ']');
	json_open(&json, "skipped", '[');
	for (unsigned i = 0; i < report->skipped_count; i++) {
		json_open(&json, NULL, '{');
		json_text(&json, "path", report->skipped[i].path);
		json_text(&json, "reason", report->skipped[i].reason);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
}
