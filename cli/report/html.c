// SPDX-License-Identifier: Apache-2.0
/* html - the report as one page that needs nothing else: for a browser, a phone, a printer. */
#include "cli/report/report.h"

#include "cli/report/markup.h"
#include "cli/report/past.h"
#include "cli/shared/terminal.h"
#include "pool/base/printable.h"
#include "pool/log/event_text.h"

#include <math.h>
#include <string.h>
#include <sys/utsname.h>

/* Pictures are drawn in units of their own; the browser makes them as wide as there is room. */
enum { BAR_WIDTH = 400, BAR_HEIGHT = 14, PLOT_WIDTH = 400, PLOT_HEIGHT = 110, PLOT_BASE = 90 };

static void put_command(const struct usage_header *header, FILE *out)
{
	const char *at = header->command, *end = at + sizeof(header->command);

	fputs("<p class=\"soft\"><code>", out);
	while (at < end && *at) {
		markup_text(out, at);
		fputc(' ', out);
		at += strlen(at) + 1;
	}
	fputs("</code></p>\n", out);
}

static void put_title(const struct report *report, const struct report_process *process, FILE *out)
{
	const struct usage_header *header = &process->usage.header;
	char time[32];

	fputs(process->usage.merged     ? "<h2>Short-lived processes of "
	      : process->usage.attached ? "<h2>Cgroup "
					: "<h2>",
	      out);
	markup_text(out, header->name);
	if (process->usage.merged)
		fprintf(out, ", %u of them</h2>\n", process->usage.merged);
	else if (process->usage.attached)
		fputs(", attached</h2>\n", out);
	else
		fprintf(out, " [%u]%s</h2>\n", header->pid, process->usage.running ? "" : ", ended");
	put_command(header, out);
	const char *netns = report_netns(report, header);
	if (netns) {
		fputs("<p>Network namespace: ", out);
		markup_text(out, netns);
		fputs("</p>\n", out);
	}
	fprintf(out, "<p>Counted from %s", report_time(header, header->started_ns, time));
	if (header->ended_ns)
		fprintf(out, " to %s", report_time(header, header->ended_ns, time));
	fprintf(out, ": opened %llu, open %u, in TIME_WAIT %u, failed %llu, exhausted %llu %s.</p>\n",
		(unsigned long long)process->opened, process->open, process->time_wait,
		(unsigned long long)process->failed, (unsigned long long)process->exhausted,
		one_or_many(process->exhausted, "time", "times"));
}

/* In use against capacity, with a mark at the knee and one at the peak. */
static void put_bar(const struct report_row *row, FILE *out)
{
	const struct usage_figures *f = &row->figures;
	char to[ENDPOINT_TEXT_MAX], source[ADDRESS_TEXT_MAX];
	double scale = (double)BAR_WIDTH / (double)(f->capacity ? f->capacity : 1);
	double peak = row->entry->peak < f->capacity ? row->entry->peak : f->capacity;
	uint32_t taken = f->capacity - (f->headroom < f->capacity ? f->headroom : f->capacity);
	uint32_t others = f->in_use < taken ? taken - f->in_use : 0;
	const char *style = f->headroom == 0 ? "gone" : taken > f->capacity / 2 ? "late" : "used";

	report_destination(&row->entry->to, to);
	report_source(&row->entry->source, source);
	fprintf(out,
		"<figure><figcaption>%s from %s: %u of %u in use, %u by others, headroom %u, peak "
		"%u</figcaption>\n"
		"<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%u of %u %s in use\">"
		"<rect class=\"free\" width=\"%d\" height=\"%d\" rx=\"2\"/>"
		"<rect class=\"rest\" width=\"%.2f\" height=\"%d\" rx=\"2\"/>"
		"<rect class=\"%s\" width=\"%.2f\" height=\"%d\" rx=\"2\"/>"
		"<line class=\"knee\" x1=\"%d\" x2=\"%d\" y1=\"0\" y2=\"%d\"/>"
		"<rect class=\"gone\" x=\"%.2f\" width=\"1.5\" height=\"%d\"/></svg></figure>\n",
		to, source, f->in_use, f->capacity, others, f->headroom, row->entry->peak, BAR_WIDTH,
		BAR_HEIGHT, f->in_use, f->capacity, one_or_many(f->capacity, "port", "ports"), BAR_WIDTH,
		BAR_HEIGHT, (f->in_use + others) * scale, BAR_HEIGHT, style, f->in_use * scale, BAR_HEIGHT,
		BAR_WIDTH / 2, BAR_WIDTH / 2, BAR_HEIGHT, peak * scale > 1.5 ? peak * scale - 1.5 : 0.0,
		BAR_HEIGHT);
}

static void put_bars(const struct report_process *process, FILE *out)
{
	unsigned shown = 0;

	fputs("<h3>Use per source</h3>\n", out);
	for (unsigned i = 0; i < process->row_count && shown < 40; i++)
		if (process->rows[i].figures.capacity_known) {
			put_bar(&process->rows[i], out);
			shown++;
		}
	if (!shown)
		fputs("<p class=\"soft\">How many ports there are is not known yet: few were needed.</p>\n",
		      out);
	else
		fputs("<p class=\"soft\">The dashed line is the knee, half of the range; the red mark is the "
		      "peak.</p>\n",
		      out);
}

static void put_table(const struct report_process *process, FILE *out)
{
	char to[ENDPOINT_TEXT_MAX], source[ADDRESS_TEXT_MAX], left[16], lasts[32];

	fputs("<div class=\"wide\"><table>\n<tr><th>destination<th>source<th>opened<th>in use<th>headroom"
	      "<th>lasts<th>peak<th>by us<th>by peer<th>reset<th>failed<th>failovers<th>connect, mean "
	      "µs</tr>\n",
	      out);
	for (unsigned i = 0; i < process->row_count; i++) {
		const struct usage_entry *e = process->rows[i].entry;
		const struct usage_figures *f = &process->rows[i].figures;
		bool never = !f->capacity_known || isinf(f->exhausted_in_s);
		snprintf(left, sizeof(left), f->capacity_known ? "%u" : "-", f->headroom);
		fprintf(out,
			"<tr><td>%s<td>%s<td>%llu<td>%u<td>%s<td>%s<td>%u<td>%llu<td>%llu<td>%llu<td>%llu"
			"<td>%llu<td>%llu</tr>\n",
			report_destination(&e->to, to), report_source(&e->source, source),
			(unsigned long long)e->opened, f->in_use, left,
			never ? "-" : terminal_duration(f->exhausted_in_s, lasts, sizeof(lasts)), e->peak,
			(unsigned long long)e->closed_by_us, (unsigned long long)e->closed_by_peer,
			(unsigned long long)e->closed_by_reset, (unsigned long long)e->failed,
			(unsigned long long)e->failovers,
			(unsigned long long)(e->opened ? e->connect_ns / e->opened / 1000 : 0));
	}
	fputs("</table></div>\n", out);
}

static void put_bound(unsigned bucket, FILE *out)
{
	double below_us = 16.0 * (double)(1u << bucket);

	if (below_us < 1000)
		fprintf(out, "%.0f µs", below_us);
	else if (below_us < 1e6)
		fprintf(out, "%.0f ms", below_us / 1000);
	else
		fprintf(out, "%.0f s", below_us / 1e6);
}

/* Of all rows together. */
static void put_latency(const struct report_process *process, FILE *out)
{
	uint64_t count[USAGE_LATENCY_BUCKETS] = { 0 }, most = 0;
	double step = (double)PLOT_WIDTH / (int)USAGE_LATENCY_BUCKETS;

	for (unsigned i = 0; i < USAGE_LATENCY_BUCKETS; i++) {
		for (unsigned k = 0; k < process->row_count; k++)
			count[i] += process->rows[k].entry->latency[i];
		most = count[i] > most ? count[i] : most;
	}
	if (!most)
		return;
	fprintf(out,
		"<h3>Time in connect()</h3>\n<figure><svg class=\"latency\" viewBox=\"0 0 %d %d\" "
		"role=\"img\" "
		"aria-label=\"histogram of the time connect() took\">",
		PLOT_WIDTH, PLOT_HEIGHT);
	for (unsigned i = 0; i < USAGE_LATENCY_BUCKETS; i++) {
		double height = (PLOT_BASE - 12) * (double)count[i] / (double)most;
		if (count[i] && height < 1)
			height = 1;
		fprintf(out, "<rect class=\"used\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
			i * step + 1, (int)PLOT_BASE - height, step - 2, height);
		if (count[i])
			fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%llu</text>",
				(i + 0.5) * step, (int)PLOT_BASE - height - 2, (unsigned long long)count[i]);
		if (i % 3 == 2 && i < USAGE_LATENCY_BUCKETS - 1) {
			fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", (i + 1) * step,
				PLOT_BASE + 12);
			put_bound(i, out);
			fputs("</text>", out);
		}
	}
	fputs("</svg><figcaption>Calls, by the time they took; each bar reaches up to twice the time of the "
	      "one "
	      "before.</figcaption></figure>\n",
	      out);
}

static void put_events(const struct report_process *process, FILE *out)
{
	char time[32], text[EVENT_TEXT_MAX], to[ENDPOINT_TEXT_MAX], source[ADDRESS_TEXT_MAX];

	if (!process->usage.event_count)
		return;
	fputs("<h3>Last events</h3>\n<div class=\"wide\"><table class=\"events\">\n"
	      "<tr><th>time<th>event<th>destination<th>source<th>what</tr>\n",
	      out);
	for (unsigned i = process->usage.event_count; i--;) {
		const struct usage_event *event = &process->usage.events[i];
		fprintf(out, "<tr><td>%s<td>%s<td>%s<td>%s<td>",
			report_time(&process->usage.header, event->time_ns, time), event_name(event->kind),
			event->to.port ? endpoint_format(&event->to, to) : "-",
			report_source(&event->source, source));
		markup_text(out, event_text(event, text));
		fputs("</tr>\n", out);
	}
	fputs("</table></div>\n", out);
}

static void put_total(const char *what, uint64_t number, FILE *out)
{
	fprintf(out, "<div><dt>%s</dt><dd>%llu</dd></div>\n", what, (unsigned long long)number);
}

/* Where this is, and all processes added up. */
static void put_totals(const struct report *report, FILE *out)
{
	uint64_t running = 0, open = 0, time_wait = 0, opened = 0, failed = 0;
	const struct report_row *tightest = NULL;

	for (unsigned i = 0; i < report->process_count; i++) {
		const struct report_process *p = &report->processes[i];
		running += p->usage.running;
		open += p->open;
		time_wait += p->time_wait;
		opened += p->opened;
		failed += p->failed;
		if (p->tightest && (!tightest || p->tightest->figures.headroom < tightest->figures.headroom))
			tightest = p->tightest;
	}
	fputs("<dl>\n", out);
	if (tightest)
		put_total("least headroom", tightest->figures.headroom, out);
	put_total("processes running", running, out);
	put_total("open", open, out);
	put_total("in TIME_WAIT", time_wait, out);
	put_total("opened", opened, out);
	put_total("failed", failed, out);
	if (report->ports.known) {
		put_total("ports of the range", report->ports.range, out);
		put_total("reserved", report->ports.reserved, out);
		put_total("blocked", report->ports.blocked, out);
		if (report->ports.doubtful)
			put_total("in doubt", report->ports.doubtful, out);
	}
	fputs("</dl>\n", out);
}

static void put_host(const struct report *report, FILE *out)
{
	struct usage_header now = { .started_realtime_ns = report->now_realtime_ns };
	struct utsname name = { 0 };
	char time[32];

	uname(&name);
	fputs("<h1>Ports in use on ", out);
	markup_text(out, name.nodename);
	fprintf(out, "</h1>\n<p class=\"soft\">%s, Linux ", report_time(&now, 0, time));
	markup_text(out, name.release);
	fprintf(out, ", network namespace %llu, headroom " HEADROOM_VERSION "</p>\n",
		(unsigned long long)report->network);
	put_totals(report, out);
}

void report_html(const struct report *report, FILE *out)
{
	markup_head(out);
	put_host(report, out);
	if (report->past)
		past_html(report->past, out);
	for (unsigned i = 0; i < report->process_count; i++) {
		const struct report_process *process = &report->processes[i];
		fputs("<section>\n", out);
		put_title(report, process, out);
		if (process->usage.running)
			put_bars(process, out);
		put_table(process, out);
		put_latency(process, out);
		put_events(process, out);
		fputs("</section>\n", out);
	}
	if (!report->process_count)
		fputs("<p>No process under the shim has opened a connection, as far as can be seen from "
		      "here.</p>\n",
		      out);
	for (unsigned i = 0; i < report->skipped_count; i++) {
		fputs("<p class=\"soft\">", out);
		markup_text(out, report->skipped[i].path);
		fputs(": ", out);
		markup_text(out, report->skipped[i].reason);
		fputs("; skipped</p>\n", out);
	}
	fputs("</body>\n</html>\n", out);
}
