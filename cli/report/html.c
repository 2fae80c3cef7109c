// SPDX-License-Identifier: Apache-2.0
/* html - the report as one page that needs nothing else: for a browser, a phone, a printer. */
#include "cli/report/report.h"

#include "cli/shared/terminal.h"
#include "pool/log/event_text.h"

#include <math.h>
#include <string.h>

/* Pictures are drawn in units of their own; the browser makes them as wide as there is room. */
enum { BAR_WIDTH = 400, BAR_HEIGHT = 14, PLOT_WIDTH = 400, PLOT_HEIGHT = 110, PLOT_BASE = 90 };

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<title>headroom report</title>\n<style>\n"
	":root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #fff;\n"
	"  --used: #2f6fb2; --late: #c98500; --gone: #c0392b; --free: #e4e9ee; }\n"
	"@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa5b1; --line: #30363d;\n"
	"  --paper: #0d1117; --used: #58a6ff; --late: #e3a008; --gone: #f0665a; --free: #262c34; } }\n"
	"body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);\n"
	"  max-width: 70rem; margin: 0 auto; padding: 1rem; }\n"
	"h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .2rem; }\n"
	"h3 { font-size: .95rem; margin: 1rem 0 .3rem; }\n"
	"p { margin: .2rem 0; } .soft, figcaption { color: var(--soft); font-size: .85rem; }\n"
	"code { overflow-wrap: anywhere; }\n"
	".wide { overflow-x: auto; }\n"
	"table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem; }\n"
	"th, td { padding: .15rem .6rem .15rem 0; text-align: right; white-space: nowrap;\n"
	"  border-bottom: 1px solid var(--line); }\n"
	"th:nth-child(-n+2), td:nth-child(-n+2), .events th, .events td { text-align: left; }\n"
	".events td:last-child { white-space: normal; min-width: 14rem; }\n"
	"figure { margin: .5rem 0; } svg { display: block; width: 100%; max-width: 34rem; height: auto; }\n"
	"svg text { font: 9px system-ui, sans-serif; fill: var(--soft); }\n"
	".free { fill: var(--free); } .used { fill: var(--used); } .late { fill: var(--late); }\n"
	".gone { fill: var(--gone); } .knee { stroke: var(--ink); stroke-dasharray: 2 2; }\n"
	"@media print { body { max-width: none; padding: 0; font-size: 10pt; } section { break-inside: "
	"avoid-page; }\n"
	"  .wide { overflow: visible; } table { font-size: 7.5pt; } rect { print-color-adjust: exact;\n"
	"  -webkit-print-color-adjust: exact; } }\n"
	"</style>\n</head>\n<body>\n";

static void escaped(FILE *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
}

static void put_command(const struct usage_header *header, FILE *out)
{
	const char *at = header->command, *end = at + sizeof(header->command);

	fputs("<p class=\"soft\"><code>", out);
	while (at < end && *at) {
		escaped(out, at);
		fputc(' ', out);
		at += strlen(at) + 1;
	}
	fputs("</code></p>\n", out);
}

static void put_title(const struct report_process *process, FILE *out)
{
	const struct usage_header *header = &process->usage.header;
	char time[32];

	fputs(process->usage.merged     ? "<h2>Short-lived processes of "
	      : process->usage.attached ? "<h2>Cgroup "
					: "<h2>",
	      out);
	escaped(out, header->name);
	if (process->usage.merged)
		fprintf(out, ", %u of them</h2>\n", process->usage.merged);
	else if (process->usage.attached)
		fputs(", attached</h2>\n", out);
	else
		fprintf(out, " [%u]%s</h2>\n", header->pid, process->usage.running ? "" : ", ended");
	put_command(header, out);
	fprintf(out, "<p>Counted from %s", report_time(header, header->started_ns, time));
	if (header->ended_ns)
		fprintf(out, " to %s", report_time(header, header->ended_ns, time));
	fprintf(out, ": opened %llu, open %u, in TIME_WAIT %u, failed %llu, exhausted %llu times.</p>\n",
		(unsigned long long)process->opened, process->open, process->time_wait,
		(unsigned long long)process->failed, (unsigned long long)process->exhausted);
}

/* In use against capacity, with a mark at the knee and one at the peak. */
static void put_bar(const struct report_row *row, FILE *out)
{
	const struct usage_figures *f = &row->figures;
	char to[ENDPOINT_TEXT_MAX], source[ADDRESS_TEXT_MAX];
	double scale = (double)BAR_WIDTH / (double)(f->capacity ? f->capacity : 1);
	double peak = row->entry->peak < f->capacity ? row->entry->peak : f->capacity;
	const char *style = f->headroom == 0 ? "gone" : f->in_use > f->capacity / 2 ? "late" : "used";

	report_destination(&row->entry->to, to);
	report_source(&row->entry->source, source);
	fprintf(out,
		"<figure><figcaption>%s from %s: %u of %u in use, headroom %u, peak %u</figcaption>\n"
		"<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%u of %u ports in use\">"
		"<rect class=\"free\" width=\"%d\" height=\"%d\" rx=\"2\"/>"
		"<rect class=\"%s\" width=\"%.2f\" height=\"%d\" rx=\"2\"/>"
		"<line class=\"knee\" x1=\"%d\" x2=\"%d\" y1=\"0\" y2=\"%d\"/>"
		"<rect class=\"gone\" x=\"%.2f\" width=\"1.5\" height=\"%d\"/></svg></figure>\n",
		to, source, f->in_use, f->capacity, f->headroom, row->entry->peak, BAR_WIDTH, BAR_HEIGHT,
		f->in_use, f->capacity, BAR_WIDTH, BAR_HEIGHT, style, f->in_use * scale, BAR_HEIGHT,
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
		escaped(out, event_text(event, text));
		fputs("</tr>\n", out);
	}
	fputs("</table></div>\n", out);
}

void report_html(const struct report *report, FILE *out)
{
	struct usage_header now = { .started_realtime_ns = report->now_realtime_ns };
	char time[32];

	fputs(head, out);
	fprintf(out, "<h1>Ports in use</h1>\n<p class=\"soft\">headroom " HEADROOM_VERSION ", %s</p>\n",
		report_time(&now, 0, time));
	for (unsigned i = 0; i < report->process_count; i++) {
		const struct report_process *process = &report->processes[i];
		fputs("<section>\n", out);
		put_title(process, out);
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
		escaped(out, report->skipped[i].path);
		fputs(": ", out);
		escaped(out, report->skipped[i].reason);
		fputs("; skipped</p>\n", out);
	}
	fputs("</body>\n</html>\n", out);
}
