// SPDX-License-Identifier: Apache-2.0
/* terminal - text for people in 80 columns; colour on a terminal only. */
#ifndef HEADROOM_CLI_SHARED_TERMINAL_H
#define HEADROOM_CLI_SHARED_TERMINAL_H

#include <stdint.h>
#include <stdio.h>

enum { TERMINAL_WIDTH = 80 };

enum style { STYLE_NONE, STYLE_BOLD, STYLE_RED, STYLE_GREEN, STYLE_YELLOW, STYLE_MAGENTA };

/**
 * terminal_style() - from here on; nothing unless @out is a terminal and NO_COLOR is unset (no-color.org)
 */
void terminal_style(FILE *out, enum style style);

struct bar_part {
	char sign;
	enum style style;
	uint32_t size;
};

enum { BAR_PARTS_MAX = 8 };

/**
 * terminal_bar_widths() - signs that each part gets; a part that is there gets one at least
 * @width:	signs in all; BAR_PARTS_MAX at least
 * @widths:	out, @count of them; all 0 if the parts are
 */
void terminal_bar_widths(const struct bar_part *parts, unsigned count, unsigned width, unsigned *widths);

/**
 * terminal_bar() - parts of a whole, 74 signs and brackets; a part that is there shows, be it ever so small
 */
void terminal_bar(FILE *out, const struct bar_part *parts, unsigned count);

/**
 * terminal_duration() - "40 s", "12 min", "3 h 20 min", "5 days"
 * Return: @text
 */
const char *terminal_duration(double seconds, char *text, size_t size);

/**
 * terminal_paragraph() - text broken at spaces, its lines set in as deep as @first is long
 */
void terminal_paragraph(FILE *out, const char *first, const char *text);

/* A labelled list, broken between its items. */
struct columns {
	FILE *out;
	unsigned used, items;
	unsigned label; /* columns up to the first item; 0: the usual 13, set in by two */
};

void columns_start(struct columns *columns, const char *label);
void columns_item(struct columns *columns, const char *format, ...) __attribute__((format(printf, 2, 3)));
void columns_end(struct columns *columns);

#endif
