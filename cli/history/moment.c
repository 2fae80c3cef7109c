// SPDX-License-Identifier: Apache-2.0
/* moment - a time in the past, as people type it and as it is shown. */
#include "cli/history/moment.h"

#include "cli/shared/complain.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const uint64_t NS = 1000000000;
enum { DAY_S = 86400 };

static bool parse_ago(const char *text, double *ago_s)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = { { "s", 1 },    { "sec", 1 },   { "m", 60 },         { "min", 60 },
		      { "h", 3600 }, { "d", DAY_S }, { "w", 7.0 * DAY_S } };
	char *end;
	double number = strtod(text, &end);

	if (end == text || !(number >= 0) || number > 1e9)
		return false;
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].name)) {
			*ago_s = number * units[i].seconds;
			return true;
		}
	return false;
}

/* Today's, or if that is still to come yesterday's. */
static bool parse_hour(const char *text, time_t now, time_t *out)
{
	static const char *const forms[] = { "%H:%M:%S", "%H:%M" };

	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm;
		localtime_r(&now, &tm);
		tm.tm_sec = 0;
		const char *end = strptime(text, forms[i], &tm);
		if (!end || *end)
			continue;
		tm.tm_isdst = -1;
		*out = mktime(&tm);
		if (*out > now) {
			tm.tm_mday--;
			tm.tm_isdst = -1;
			*out = mktime(&tm);
		}
		return true;
	}
	return false;
}

static bool parse_date(const char *text, time_t *out)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
					     "%Y-%m-%d %H:%M", "%Y-%m-%d" };

	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &tm);
		if (!end || (*end && strcmp(end, "Z") != 0))
			continue;
		*out = *end ? timegm(&tm) : mktime(&tm);
		return *out >= 0;
	}
	return false;
}

int moment_parse(const char *option, const char *text, uint64_t now_ns, uint64_t *out_ns)
{
	time_t now = (time_t)(now_ns / NS), then;
	double ago_s;

	if (parse_ago(text, &ago_s)) {
		*out_ns = ago_s * 1e9 < (double)now_ns ? now_ns - (uint64_t)(ago_s * 1e9) : 0;
		return STATUS_FINE;
	}
	if (!parse_hour(text, now, &then) && !parse_date(text, &then))
		return complain(option, "`%s` is no time such as 2h, 14:05 or 2026-11-27T14:05Z", text);
	if (then > now)
		return complain(option, "`%s` is still to come", text);
	*out_ns = (uint64_t)then * NS;
	return STATUS_FINE;
}

const char *moment_text(uint64_t realtime_ns, char *out)
{
	time_t seconds = (time_t)(realtime_ns / NS);
	struct tm utc;

	*out = '\0';
	if (gmtime_r(&seconds, &utc))
		strftime(out, MOMENT_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &utc);
	return out;
}

uint64_t moment_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}
