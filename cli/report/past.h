// SPDX-License-Identifier: Apache-2.0
/* past - what `headroom record` kept, shown: when it began, who grew, and what the headroom was. */
#ifndef HEADROOM_CLI_REPORT_PAST_H
#define HEADROOM_CLI_REPORT_PAST_H

#include "cli/history/past.h"

#include <stdio.h>

/**
 * past_text() / past_json() / past_html() - write it
 */
void past_text(const struct past *past, FILE *out);
void past_json(const struct past *past, FILE *out);
void past_html(const struct past *past, FILE *out);

enum { PAST_NAME_MAX = ENDPOINT_TEXT_MAX + LOOK_SOURCE_MAX + 16, PAST_SHOWN = 12 };

/**
 * past_name() - "10.1.0.9:6379 from 10.0.0.5", "ports lost to every destination"
 * @out:	PAST_NAME_MAX bytes
 * Return: @out
 */
const char *past_name(const struct past *past, const struct past_series *series, char *out);

/**
 * past_is_shown() - is there something to tell? Not of blocked ports if there never were any
 */
bool past_is_shown(const struct past *past, const struct past_series *series);

/**
 * past_next() - the series in the order in which they are shown: tuple spaces, then the blocked ports
 * @series:	NULL: the first
 * Return: NULL after the last
 */
const struct past_series *past_next(const struct past *past, const struct past_series *series);

#endif
