// SPDX-License-Identifier: Apache-2.0
/* text - the report for people, as a table. */
#include "cli/report/report.h"

#include "cli/shared/identity.h"
#include "cli/shared/terminal.h"
#include "pool/base/printable.h"

#include <math.h>
#include <string.h>

static const char *exhausted_in(const struct usage_figures *figures, char *text, size_t size)
{
	if (!figures->capacity_known)
		return "-";
	if (!figures->headroom)
		return "now";
	return isinf(figures->exhausted_in_s) ? "-" : terminal_duration(figures->exhausted_in_s, text, size);
}

static void print_process(const struct report_process *process, const struct report *report, FILE *out)
{
	const struct usage_header *header = &process->usage.header;
	uint64_t until_ns = header->ended_ns ? header->ended_ns : report->now_ns;
	char time[32], duration[32], mark[IDENTITY_MARK_MAX];
	int pid = report_pid(&process->usage);
	const char *netns = report_netns(report, header);

	terminal_style(out, STYLE_BOLD);
	if (process->usage.merged)
		fprintf(out, "short-lived processes of %s", header->name);
	else if (process->usage.attached)
		fprintf(out, "cgroup %s", header->name);
	else if (pid)
		fprintf(out, "%s[%d]%s", header->name, pid, identity_mark(pid, mark));
	else
		fprintf(out, "%s[%u]", header->name, header->pid);
	terminal_style(out, STYLE_NONE);
	if (report->all_netns)
		fprintf(out, " in %s", netns ? netns : "another network namespace");
	if (process->usage.merged)
		fprintf(out, ", %u of them, the last ended %s", process->usage.merged,
			report_time(header, header->ended_ns, time));
	else if (process->usage.running)
		fprintf(out, process->usage.attached ? " attached for %s" : " for %s",
			terminal_duration((double)(until_ns - header->started_ns) / 1e9, duration,
					  sizeof(duration)));
	else if (header->ended_ns)
		fprintf(out, " ended %s", report_time(header, header->ended_ns, time));
	else
		fprintf(out, " was killed, or became another program; counted from %s",
			report_time(header, header->started_ns, time));
	fprintf(out, ": opened %llu, open %u, time-wait %u, failed %llu", (unsigned long long)process->opened,
		process->open, process->time_wait, (unsigned long long)process->failed);
	if (process->exhausted)
		fprintf(out, ", exhausted %llu %s", (unsigned long long)process->exhausted,
			one_or_many(process->exhausted, "time", "times"));
	fputc('\n', out);
}

struct widths {
	int to, source;
};

static struct widths widths_of(const struct report_process *process)
{
	struct widths w = { .to = 11, .source = 6 };
	char text[ENDPOINT_TEXT_MAX];

	for (unsigned i = 0; i < process->row_count; i++) {
		const struct usage_entry *entry = process->rows[i].entry;
		int to = (int)strlen(report_destination(&entry->to, text));
		int source = (int)strlen(report_source(&entry->source, text));
		w.to = to > w.to ? to : w.to;
		w.source = source > w.source ? source : w.source;
	}
	return w;
}

static void print_row(const struct report_row *row, const struct widths *w, FILE *out)
{
	const struct usage_entry *entry = row->entry;
	const struct usage_figures *f = &row->figures;
	char to[ENDPOINT_TEXT_MAX], source[ADDRESS_TEXT_MAX], left[16] = "-", lasts[32];
	bool tight = f->capacity_known && f->headroom <= f->capacity / 5;

	if (f->capacity_known)
		snprintf(left, sizeof(left), "%u", f->headroom);
	fprintf(out, "  %-*s  %-*s %8llu %7u ", w->to, report_destination(&entry->to, to), w->source,
		report_source(&entry->source, source), (unsigned long long)entry->opened, f->in_use);
	if (tight)
		terminal_style(out, f->headroom ? STYLE_YELLOW : STYLE_RED);
	fprintf(out, "%8s %9s", left, exhausted_in(f, lasts, sizeof(lasts)));
	if (tight)
		terminal_style(out, STYLE_NONE);
	fprintf(out, " %7u %7llu %9llu", entry->peak, (unsigned long long)entry->failed,
		(unsigned long long)entry->failovers);
	/* Of an attached cgroup it is not known how long connect() took. */
	if (entry->opened && !entry->connect_ns)
		fprintf(out, " %10s\n", "-");
	else
		fprintf(out, " %10llu\n",
			(unsigned long long)(entry->opened ? entry->connect_ns / entry->opened / 1000 : 0));
}

static void print_rows(const struct report_process *process, FILE *out)
{
	struct widths w = widths_of(process);

	if (!process->row_count)
		return;
	fprintf(out, "  %-*s  %-*s %8s %7s %8s %9s %7s %7s %9s %10s\n", w.to, "destination", w.source,
		"source", "opened", "in use", "headroom", "lasts", "peak", "failed", "failovers",
		"connect us");
	for (unsigned i = 0; i < process->row_count; i++)
		print_row(&process->rows[i], &w, out);
	if (process->usage.attached && process->usage.header.untracked)
		fprintf(out, "  not counted for want of room: %llu\n",
			(unsigned long long)process->usage.header.untracked);
	if (process->usage.torn)
		fprintf(out, "  %u of these were being written: a number may be off by one\n",
			process->usage.torn);
}

void report_text(const struct report *report, FILE *out)
{
	if (!report->process_count)
		fputs("no process under the shim has opened a connection, as far as can be seen from here\n",
		      out);
	for (unsigned i = 0; i < report->process_count; i++) {
		print_process(&report->processes[i], report, out);
		print_rows(&report->processes[i], out);
	}
}
