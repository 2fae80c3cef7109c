// SPDX-License-Identifier: Apache-2.0
/* past_html - what was recorded, as pictures: ports in use over time, in the colours of who had them. */
#include "cli/history/moment.h"
#include "cli/report/markup.h"
#include "cli/report/past.h"
#include "cli/shared/terminal.h"
#include "pool/base/printable.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEFT = 46, WIDTH = 640, HEIGHT = 150, TOP = 18, BASE = HEIGHT + TOP, COLUMNS = 320, LAYERS = 5 };

/* One column of the picture: of the looks in it the one with the most in use. */
struct column {
	bool known;
	unsigned look;
};

struct picture {
	const struct past *past;
	const struct past_series *series;
	struct column columns[COLUMNS];
	const struct past_owner *owners[LAYERS];
	unsigned owner_count;
	uint64_t from_ns, span_ns;
};

static void fill_columns(struct picture *picture)
{
	const struct past *past = picture->past;
	unsigned last = 0;

	memset(picture->columns, 0, sizeof(picture->columns));
	for (unsigned i = 0; i < past->count; i++) {
		uint64_t after_ns =
			past->times_ns[i] > picture->from_ns ? past->times_ns[i] - picture->from_ns : 0;
		unsigned at = (unsigned)((double)after_ns / (double)picture->span_ns * (COLUMNS - 1));
		at = at < COLUMNS ? at : COLUMNS - 1;
		struct column *column = &picture->columns[at];
		const struct past_point *points = picture->series->points;
		if (!column->known || points[i].in_use >= points[column->look].in_use)
			column->look = i;
		column->known = true;
		/* Between two looks it stays as it was, unless nobody looked for long. */
		bool gap = i && past->typical_gap_ns &&
			   past->times_ns[i] - past->times_ns[i - 1] >= 4 * past->typical_gap_ns;
		for (unsigned k = last + 1; i && !gap && k < at; k++)
			if (!picture->columns[k].known)
				picture->columns[k] = picture->columns[last];
		last = at;
	}
}

static uint64_t total(const struct past_owner *owner, unsigned count)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += owner->ports[i];
	return sum;
}

/* Those that grew, then those that had the most. */
static void choose_owners(struct picture *picture)
{
	const struct past_series *s = picture->series;

	picture->owner_count = past_growers(s, picture->owners, LAYERS);
	while (picture->owner_count < LAYERS) {
		const struct past_owner *best = NULL;
		for (const struct past_owner *o = s->owners; o; o = o->hh.next) {
			bool taken = false;
			for (unsigned i = 0; i < picture->owner_count; i++)
				taken |= picture->owners[i] == o;
			if (!taken && total(o, picture->past->count) &&
			    (!best || total(o, picture->past->count) > total(best, picture->past->count)))
				best = o;
		}
		if (!best)
			return;
		picture->owners[picture->owner_count++] = best;
	}
}

/* What a layer and those below it reach up to, of a look. Layer 0: all in use; then TIME_WAIT and the rest
 * are on top of the owners. */
static uint32_t up_to(const struct picture *picture, unsigned layer, unsigned look)
{
	const struct past_point *point = &picture->series->points[look];
	uint32_t sum = 0;

	for (unsigned i = 0; i <= layer && i < picture->owner_count; i++)
		sum += picture->owners[i]->ports[look];
	if (layer == picture->owner_count) /* with TIME_WAIT */
		sum += point->time_wait;
	if (layer > picture->owner_count) /* with those who do not show, too */
		sum = point->in_use;
	return sum < point->in_use ? sum : point->in_use;
}

static double x_of(unsigned column)
{
	return LEFT + (double)column * (WIDTH - LEFT) / (COLUMNS - 1);
}

static double y_of(const struct picture *picture, uint32_t ports)
{
	double share = picture->series->whole ? (double)ports / picture->series->whole : 0;
	return BASE - (share > 1 ? 1 : share) * HEIGHT;
}

/* Each run of columns without a gap is a shape of its own. */
static void put_layer(const struct picture *picture, unsigned layer, const char *style, FILE *out)
{
	const struct column *c = picture->columns;

	fprintf(out, "<path class=\"%s\" d=\"", style);
	for (unsigned from = 0, to; from < COLUMNS; from = to + 1) {
		to = from;
		if (!c[from].known)
			continue;
		while (to + 1 < COLUMNS && c[to + 1].known)
			to++;
		fprintf(out, "M%.1f %d", x_of(from), BASE);
		uint32_t before = 0xffffffff;
		for (unsigned i = from; i <= to; i++) {
			uint32_t now = up_to(picture, layer, c[i].look);
			if (now != before || i == to || up_to(picture, layer, c[i + 1].look) != now)
				fprintf(out, "L%.1f %.1f", x_of(i), y_of(picture, now));
			before = now;
		}
		fprintf(out, "L%.1f %dZ", x_of(to) + 1, BASE);
	}
	fputs("\"/>", out);
}

static void put_mark(const struct picture *picture, unsigned look, const char *text, FILE *out)
{
	uint64_t after_ns = picture->past->times_ns[look] - picture->from_ns;
	double x = LEFT + (double)after_ns / (double)picture->span_ns * (WIDTH - LEFT);
	bool right = x > WIDTH - 90;

	fprintf(out,
		"<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"6\" y2=\"%d\"/>"
		"<text x=\"%.1f\" y=\"12\"%s>%s</text>",
		x, x, BASE, right ? x - 3 : x + 3, right ? " text-anchor=\"end\"" : "", text);
}

/* Hours and minutes of UTC, as the tables have them; days where it is about days. */
static void put_axis(const struct picture *picture, FILE *out)
{
	const bool days = picture->span_ns > UINT64_C(172800000000000);
	const bool seconds = picture->span_ns < UINT64_C(600000000000);

	for (unsigned i = 0; i <= 4; i++) {
		time_t at = (time_t)((picture->from_ns + picture->span_ns / 4 * i) / 1000000000u);
		char text[32];
		struct tm utc;
		gmtime_r(&at, &utc);
		strftime(text, sizeof(text), days ? "%m-%d %H:%M" : seconds ? "%H:%M:%S" : "%H:%M", &utc);
		fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%s</text>",
			LEFT + (WIDTH - LEFT) * i / 4.0, BASE + 14,
			i == 0   ? "start"
			: i == 4 ? "end"
				 : "middle",
			text);
	}
	for (unsigned i = 0; i <= 2; i++) {
		uint32_t ports = picture->series->whole / 2 * i;
		if (i == 2)
			ports = picture->series->whole;
		fprintf(out,
			"<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%u</text>"
			"<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>",
			LEFT - 5, y_of(picture, ports) + 3, ports, LEFT, WIDTH, y_of(picture, ports),
			y_of(picture, ports));
	}
}

static void put_key(const char *style, const char *text, unsigned processes, FILE *out)
{
	fprintf(out,
		"<span class=\"key\"><svg viewBox=\"0 0 10 10\"><rect class=\"%s\" width=\"10\" "
		"height=\"10\" rx=\"2\"/></svg>",
		style);
	markup_text(out, text);
	if (processes > 1)
		fprintf(out, " (%u processes)", processes);
	fputs("</span> ", out);
}

static void put_picture(const struct picture *picture, FILE *out)
{
	const struct past_series *s = picture->series;
	char style[16];
	const bool tuple = s != &picture->past->blocked;

	fprintf(out,
		"<figure class=\"past\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"ports in use "
		"over "
		"time, by who holds them\">",
		WIDTH, BASE + 20);
	put_layer(picture, picture->owner_count + 1, "rest", out);
	if (tuple)
		put_layer(picture, picture->owner_count, "waits", out);
	for (unsigned i = picture->owner_count; i--;) {
		snprintf(style, sizeof(style), "who%u", i + 1);
		put_layer(picture, i, style, out);
	}
	put_axis(picture, out);
	if (s->grew_from != PAST_NEVER)
		put_mark(picture, s->grew_from, "began", out);
	if (s->full_from != PAST_NEVER)
		put_mark(picture, s->full_from, "exhausted", out);
	fputs("</svg><figcaption>", out);
	for (unsigned i = 0; i < picture->owner_count; i++) {
		snprintf(style, sizeof(style), "who%u", i + 1);
		put_key(style, picture->owners[i]->group, picture->owners[i]->processes, out);
	}
	if (tuple)
		put_key("waits", "TIME_WAIT", 0, out);
	put_key("rest", "others", 0, out);
	fputs("</figcaption></figure>\n", out);
}

/* The lines of the text. */
static void put_story(const struct past *past, const struct past_series *s, FILE *out)
{
	const struct past_owner *who[1];
	const struct past_point *least = &s->points[s->least_at];
	char time[MOMENT_TEXT_MAX];

	fprintf(out, "<p>Headroom %u of %u at first, <b>%u</b> at least (%s), %u at last.",
		s->points[0].at_least, s->whole, least->at_least,
		moment_text(past->times_ns[s->least_at], time), s->points[past->count - 1].at_least);
	if (s->grew_from != PAST_NEVER) {
		fprintf(out, " It began %s, with %u in use, then %u.",
			moment_text(past->times_ns[s->grew_from], time), s->points[s->grew_from].in_use,
			s->points[s->grew_to].in_use);
		if (past_growers(s, who, 1)) {
			fputs(" Most grew <b>", out);
			markup_text(out, who[0]->group);
			fprintf(out, "</b>, from %u to %u.", who[0]->ports[s->grew_from],
				who[0]->ports[s->grew_to]);
		}
	}
	if (s->full_from != PAST_NEVER)
		fprintf(out, " Exhausted from %s to ", moment_text(past->times_ns[s->full_from], time));
	if (s->full_from != PAST_NEVER)
		fprintf(out, "%s.",
			s->full_to + 1 == past->count ? "the end"
						      : moment_text(past->times_ns[s->full_to], time));
	fputs("</p>\n", out);
}

void past_html(const struct past *past, FILE *out)
{
	struct picture *picture = calloc(1, sizeof(*picture));
	char from[MOMENT_TEXT_MAX], to[MOMENT_TEXT_MAX], name[PAST_NAME_MAX];
	unsigned shown = 0;

	if (!picture || !past->count) {
		free(picture);
		return;
	}
	fprintf(out,
		"<section>\n<h2>History</h2>\n<p class=\"soft\">%s to %s, %u %s of network namespace %llu",
		moment_text(past->times_ns[0], from), moment_text(past->times_ns[past->count - 1], to),
		past->count, one_or_many(past->count, "look", "looks"),
		(unsigned long long)past->last.network);
	if (past->gaps)
		fprintf(out, "; not recorded %u %s", past->gaps, one_or_many(past->gaps, "time", "times"));
	fputs(". Times are UTC.</p>\n", out);
	picture->past = past;
	picture->from_ns = past->times_ns[0];
	picture->span_ns = past->times_ns[past->count - 1] > picture->from_ns
				   ? past->times_ns[past->count - 1] - picture->from_ns
				   : 1;
	for (const struct past_series *s = past_next(past, NULL); s; s = past_next(past, s)) {
		if (shown++ >= PAST_SHOWN && s != &past->blocked)
			continue;
		picture->series = s;
		fill_columns(picture);
		choose_owners(picture);
		fprintf(out, "<h3>%s</h3>\n", past_name(past, s, name));
		put_story(past, s, out);
		put_picture(picture, out);
	}
	fputs("</section>\n", out);
	free(picture);
}
