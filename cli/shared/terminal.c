// SPDX-License-Identifier: Apache-2.0
/* terminal - text for people in 80 columns; colour on a terminal only. */
#include "cli/shared/terminal.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 74, LABEL = 13 };

static bool colours(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *kind = getenv("TERM");
	return isatty(fileno(out)) && !(no_color && *no_color) && !(kind && !strcmp(kind, "dumb"));
}

void terminal_style(FILE *out, enum style style)
{
	static const char *const codes[] = { "\033[0m",  "\033[1m",  "\033[31m",
					     "\033[32m", "\033[33m", "\033[35m" };
	if (colours(out))
		fputs(codes[style], out);
}

/* What each part loses by rounding down goes to the largest. */
void terminal_bar_widths(const struct bar_part *parts, unsigned count, unsigned width, unsigned *widths)
{
	unsigned used = 0, largest = 0;
	uint64_t whole = 0;

	for (unsigned i = 0; i < count; i++)
		whole += parts[i].size;
	for (unsigned i = 0; i < count; i++) {
		widths[i] = whole ? (unsigned)(parts[i].size * (uint64_t)width / whole) : 0;
		if (!widths[i] && parts[i].size)
			widths[i] = 1;
		used += widths[i];
		if (parts[i].size > parts[largest].size)
			largest = i;
	}
	if (whole)
		widths[largest] += width - used;
}

void terminal_bar(FILE *out, const struct bar_part *parts, unsigned count)
{
	unsigned widths[BAR_PARTS_MAX];

	terminal_bar_widths(parts, count, BAR, widths);
	fputc('[', out);
	for (unsigned i = 0; i < count; i++) {
		terminal_style(out, parts[i].style);
		for (unsigned j = 0; j < widths[i]; j++)
			fputc(parts[i].sign, out);
	}
	terminal_style(out, STYLE_NONE);
	fputc(']', out);
}

const char *terminal_duration(double seconds, char *text, size_t size)
{
	if (seconds < 120)
		snprintf(text, size, "%.0f s", seconds);
	else if (seconds < 2 * 3600)
		snprintf(text, size, "%.0f min", seconds / 60);
	else if (seconds < 48 * 3600)
		snprintf(text, size, "%.0f h", seconds / 3600);
	else
		snprintf(text, size, "%.0f days", seconds / 86400);
	return text;
}

void terminal_paragraph(FILE *out, const char *first, const char *text)
{
	size_t indent = strlen(first), used = indent;

	fputs(first, out);
	for (bool start = true; *text; start = false) {
		size_t word = strcspn(text, " ");
		if (!start && used + 1 + word > TERMINAL_WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			used = indent;
			start = true;
		}
		fprintf(out, "%s%.*s", start ? "" : " ", (int)word, text);
		used += word + !start;
		text += word + strspn(text + word, " ");
	}
	fputc('\n', out);
}

void columns_start(struct columns *columns, const char *label)
{
	if (columns->label)
		fprintf(columns->out, "%-*s", (int)columns->label, label);
	else
		fprintf(columns->out, "  %-*s", LABEL - 2, label);
	columns->label = columns->label ? columns->label : LABEL;
	columns->used = columns->label;
	columns->items = 0;
}

void columns_item(struct columns *columns, const char *format, ...)
{
	char item[200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(item, sizeof(item), format, arguments);
	va_end(arguments);
	unsigned length = (unsigned)strlen(item);
	if (columns->items++) {
		fputc(',', columns->out);
		if (++columns->used + 1 + length > TERMINAL_WIDTH - 1) {
			fprintf(columns->out, "\n%*s", (int)columns->label, "");
			columns->used = columns->label;
		} else {
			fputc(' ', columns->out);
			columns->used++;
		}
	}
	fputs(item, columns->out);
	columns->used += length;
}

void columns_end(struct columns *columns)
{
	fputc('\n', columns->out);
}
