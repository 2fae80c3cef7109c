// SPDX-License-Identifier: Apache-2.0
/* test_reuse_limits - what a rule says of reuse: values, bounds, what is inherited. */
#include "pool/rules/reuse_limits.h"
#include "pool/rules/source_list.h"
#include "tests/unit/check.h"

TestSuite(reuse_limits, .init = limit_time);

static struct reuse_limits defaults(void)
{
	struct reuse_limits limits;
	reuse_limits_default(&limits);
	return limits;
}

Test(reuse_limits, off_by_default)
{
	struct reuse_limits limits = defaults();
	check_number(limits.guard, GUARD_OFF);
	check_number(limits.max_idle, 64);
	check_number(limits.idle_timeout_ns, 1000000000);
	check_number(limits.max_uses, 1000);
	check_number(limits.max_age_ns, 600000000000);
	check_number(limits.given, 0);
}

Test(reuse_limits, good_values)
{
	struct reuse_limits limits = defaults();
	char reason[REASON_MAX];
	check(reuse_limits_set(&limits, "reuse", "redis", reason));
	check(reuse_limits_set(&limits, "max_idle", "4096", reason));
	check(reuse_limits_set(&limits, "idle_timeout", "250ms", reason));
	check(reuse_limits_set(&limits, "max_uses", "1", reason));
	check(reuse_limits_set(&limits, "max_age", "24h", reason));
	check_number(limits.guard, GUARD_REDIS);
	check_number(limits.max_idle, 4096);
	check_number(limits.idle_timeout_ns, 250000000);
	check_number(limits.max_uses, 1);
	check_number(limits.max_age_ns, 86400000000000);
	check_number(limits.given, 31);
}

Test(reuse_limits, bad_values_change_nothing)
{
	static const struct {
		const char *name, *value;
	} bad[] = { { "reuse", "https" },      { "reuse", "" },
		    { "max_idle", "0" },       { "max_idle", "4097" },
		    { "max_idle", "-1" },      { "max_idle", "1x" },
		    { "max_uses", "" },        { "max_uses", "1000000001" },
		    { "idle_timeout", "1" },   { "idle_timeout", "0s" },
		    { "idle_timeout", "-1s" }, { "idle_timeout", "25h" },
		    { "max_age", "1d" },       { "max_age", "18446744073709551617s" } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct reuse_limits limits = defaults(), before = limits;
		char reason[REASON_MAX] = "";
		cr_assert(!reuse_limits_set(&limits, bad[i].name, bad[i].value, reason), "%s = %s",
			  bad[i].name, bad[i].value);
		cr_assert(*reason && !memcmp(&limits, &before, sizeof(limits)), "%s = %s", bad[i].name,
			  bad[i].value);
	}
}

Test(reuse_limits, what_is_not_given_is_inherited)
{
	struct reuse_limits own = defaults(), from = defaults();
	char reason[REASON_MAX];
	check(reuse_limits_set(&own, "max_idle", "3", reason));
	check(reuse_limits_set(&from, "max_idle", "9", reason));
	check(reuse_limits_set(&from, "reuse", "http", reason));
	reuse_limits_inherit(&own, &from);
	check_number(own.max_idle, 3);
	check_number(own.guard, GUARD_HTTP);
	check_number(own.max_uses, 1000);
}
