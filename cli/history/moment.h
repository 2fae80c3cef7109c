// SPDX-License-Identifier: Apache-2.0
/* moment - a time in the past, as people type it and as it is shown. */
#ifndef HEADROOM_CLI_HISTORY_MOMENT_H
#define HEADROOM_CLI_HISTORY_MOMENT_H

#include <stdint.h>

/**
 * moment_parse() - "90s", "30min", "2h", "3d" ago; "14:05" or "14:05:30", the last time it was so;
 * "2026-11-27T14:05", "2026-11-27 14:05:30", local time, with Z behind it UTC
 * @option:	for the complaint
 * @now_ns:	CLOCK_REALTIME
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int moment_parse(const char *option, const char *text, uint64_t now_ns, uint64_t *out_ns);

/**
 * moment_text() - RFC 3339 in UTC
 * @out:	MOMENT_TEXT_MAX bytes
 * Return: @out
 */
enum { MOMENT_TEXT_MAX = 32 };
const char *moment_text(uint64_t realtime_ns, char *out);

/**
 * moment_now() - CLOCK_REALTIME
 */
uint64_t moment_now(void);

#endif
