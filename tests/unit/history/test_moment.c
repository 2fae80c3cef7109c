// SPDX-License-Identifier: Apache-2.0
/* test_moment - a time in the past, as people type it. */
#include "cli/history/moment.h"
#include "tests/unit/check.h"

#include <time.h>

static const uint64_t NS = 1000000000;
/* 2026-11-27T14:30:00Z */
static const uint64_t NOW_S = 1795789800;

static long long at_s(const char *text)
{
	uint64_t out_ns = 0;

	setenv("TZ", "UTC0", 1);
	tzset();
	return moment_parse("--since", text, NOW_S * NS, &out_ns) ? -1 : (long long)(out_ns / NS);
}

Test(moment, so_long_ago)
{
	check_number(at_s("90s"), NOW_S - 90);
	check_number(at_s("30min"), NOW_S - 1800);
	check_number(at_s("5m"), NOW_S - 300);
	check_number(at_s("1.5h"), NOW_S - 5400);
	check_number(at_s("3d"), NOW_S - 3 * 86400);
	check_number(at_s("99999w"), 0);
}

Test(moment, a_time_of_the_day_is_the_last_one)
{
	check_number(at_s("14:05"), NOW_S - 25 * 60);
	check_number(at_s("14:05:30"), NOW_S - 25 * 60 + 30);
	check_number(at_s("14:31"), NOW_S + 60 - 86400);
}

Test(moment, a_date)
{
	check_number(at_s("2026-11-27T14:00"), NOW_S - 1800);
	check_number(at_s("2026-11-27 14:00:10"), NOW_S - 1790);
	check_number(at_s("2026-11-27T14:00:10Z"), NOW_S - 1790);
	check_number(at_s("2026-11-26"), NOW_S - 52200 - 86400);
	char text[MOMENT_TEXT_MAX];
	check_text(moment_text(NOW_S * NS, text), "2026-11-27T14:30:00Z");
}

Test(moment, local_time_but_with_a_z)
{
	uint64_t out_ns;

	setenv("TZ", "XXX-2", 1); /* two hours ahead */
	tzset();
	check_number(moment_parse("--at", "2026-11-27T16:00", NOW_S * NS, &out_ns), 0);
	check_number(out_ns / NS, NOW_S - 1800);
	check_number(moment_parse("--at", "2026-11-27T14:00Z", NOW_S * NS, &out_ns), 0);
	check_number(out_ns / NS, NOW_S - 1800);
}

Test(moment, what_is_none)
{
	static const char *const words[] = { "",      "x",      "5",          "5x",         "-5min",
					     "25:00", "14:05x", "2026-13-01", "2027-01-01", "nanh" };

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (at_s(words[i]) != -1)
			cr_assert_fail("`%s` is taken for a time", words[i]);
}
