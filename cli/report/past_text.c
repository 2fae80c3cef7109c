// SPDX-License-Identifier: Apache-2.0
/* past_text - what was recorded, for people. */
#include "cli/history/moment.h"
#include "cli/report/past.h"
#include "cli/shared/terminal.h"

#include <string.h>

enum { GROWERS = 4 };

const char *past_name(const struct past *past, const struct past_series *series, char *out)
{
	char to[ENDPOINT_TEXT_MAX], from[LOOK_SOURCE_MAX];

	if (series == &past->blocked)
		return strcpy(out, "ports lost to every destination");
	snprintf(out, PAST_NAME_MAX, "%s from %s", endpoint_format(&series->space.to, to),
		 look_source(&series->space, from));
	return out;
}

bool past_is_shown(const struct past *past, const struct past_series *series)
{
	return series != &past->blocked || (past->count && series->grew_to != PAST_NEVER) ||
	       (past->count && series->points[past->count - 1].in_use);
}

const struct past_series *past_next(const struct past *past, const struct past_series *series)
{
	const struct past_series *next = series == &past->blocked    ? NULL
					 : series && series->hh.next ? series->hh.next
					 : !series && past->series   ? past->series
								     : &past->blocked;

	return next == &past->blocked && (!past->count || !past_is_shown(past, next)) ? NULL : next;
}

static void put_head(const struct past *past, FILE *out)
{
	const struct look_host *last = &past->last;
	char from[MOMENT_TEXT_MAX], to[MOMENT_TEXT_MAX], text[64];

	fprintf(out, "%s, Linux %s, network namespace %llu\n", last->host, last->kernel,
		(unsigned long long)last->network);
	fprintf(out, "%s to %s: %u look%s", moment_text(past->times_ns[0], from),
		moment_text(past->times_ns[past->count - 1], to), past->count, past->count == 1 ? "" : "s");
	if (past->count > 1)
		fprintf(out, ", every %.3g s", (double)past->typical_gap_ns / 1e9);
	fputc('\n', out);
	if (past->gaps)
		fprintf(out, "not recorded %u time%s, the longest for %s\n", past->gaps,
			past->gaps == 1 ? "" : "s",
			terminal_duration((double)past->longest_gap_ns / 1e9, text, sizeof(text)));
}

static void put_headroom(const struct past *past, const struct past_series *s, FILE *out)
{
	const struct past_point *least = &s->points[s->least_at], *last = &s->points[past->count - 1];
	char time[MOMENT_TEXT_MAX];

	fprintf(out, "  headroom  %u of %u at first, %u at least", s->points[0].at_least, s->whole,
		least->at_least);
	if (least->at_least < s->points[0].at_least)
		fprintf(out, " at %s", moment_text(past->times_ns[s->least_at], time));
	fprintf(out, ", %u at last\n", last->at_least);
}

static void put_span(const struct past *past, const char *what, unsigned from, unsigned to, FILE *out)
{
	char begin[MOMENT_TEXT_MAX], end[MOMENT_TEXT_MAX], lasted[64];
	bool still = to + 1 == past->count;
	double seconds = (double)(past->times_ns[to] - past->times_ns[from]) / 1e9;

	if (from == PAST_NEVER)
		return;
	fprintf(out, "  %-9s from %s ", what, moment_text(past->times_ns[from], begin));
	if (still)
		fputs("until now", out);
	else
		fprintf(out, "to %s", moment_text(past->times_ns[to], end));
	if (seconds >= 1)
		fprintf(out, ", %s", terminal_duration(seconds, lasted, sizeof(lasted)));
	fputc('\n', out);
}

static void put_growth(const struct past *past, const struct past_series *s, FILE *out)
{
	const struct past_owner *growers[GROWERS];
	struct columns columns = { .out = out, .label = 12 };
	char time[MOMENT_TEXT_MAX];

	if (s->grew_from == PAST_NEVER)
		return;
	const struct past_point *from = &s->points[s->grew_from], *to = &s->points[s->grew_to];
	fprintf(out, "  began     %s: %u in use, ", moment_text(past->times_ns[s->grew_from], time),
		from->in_use);
	fprintf(out, "then %u at %s\n", to->in_use, moment_text(past->times_ns[s->grew_to], time));
	unsigned count = past_growers(s, growers, GROWERS);
	bool waits = to->time_wait > from->time_wait;
	if (!count && !waits)
		return;
	columns_start(&columns, "  who grew");
	for (unsigned i = 0; i < count; i++) {
		const struct past_owner *o = growers[i];
		char of[32] = "";
		if (o->processes > 1)
			snprintf(of, sizeof(of), " (%u processes)", o->processes);
		columns_item(&columns, "%s%s %u to %u", o->group, of, o->ports[s->grew_from],
			     o->ports[s->grew_to]);
	}
	if (waits)
		columns_item(&columns, "TIME_WAIT %u to %u", from->time_wait, to->time_wait);
	columns_end(&columns);
}

void past_text(const struct past *past, FILE *out)
{
	char name[PAST_NAME_MAX];
	unsigned shown = 0, more = 0;

	if (!past->count) {
		fputs("nothing was recorded then\n", out);
		return;
	}
	put_head(past, out);
	for (const struct past_series *s = past_next(past, NULL); s; s = past_next(past, s)) {
		if (shown >= PAST_SHOWN && s != &past->blocked) {
			more++;
			continue;
		}
		shown++;
		terminal_style(out, STYLE_BOLD);
		fprintf(out, "%s\n", past_name(past, s, name));
		terminal_style(out, STYLE_NONE);
		put_headroom(past, s, out);
		if (s->full_from != PAST_NEVER)
			put_span(past, "exhausted", s->full_from, s->full_to, out);
		if (s->bad_from != PAST_NEVER && (s->bad_from != s->full_from || s->bad_to != s->full_to))
			put_span(past, "bad", s->bad_from, s->bad_to, out);
		put_growth(past, s, out);
	}
	if (more)
		fprintf(out, "and %u more; --json has them all\n", more);
	if (!shown)
		fputs("no connection used a port that connect() picked\n", out);
}
