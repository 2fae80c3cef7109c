// SPDX-License-Identifier: Apache-2.0
/* test_settings - what the user asked for, by name and by environment, and which rule decides. */
#include "pool/rules/file.h"
#include "pool/rules/settings.h"
#include "tests/unit/check.h"

static struct arena arena;
static struct settings settings;
static char reason[REASON_MAX];
static struct complaint complaint;

static const char *const variables[] = { "HEADROOM_SOURCES",   "HEADROOM_SPREAD",     "HEADROOM_LOG",
					 "HEADROOM_LOG_LEVEL", "HEADROOM_LOG_FORMAT", "HEADROOM_SUMMARY" };

static void start(void)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	settings_default(&settings);
}

TestSuite(settings, .init = start);

static void set(const char *name, const char *value)
{
	cr_assert(settings_set(&arena, &settings, name, value, reason), "%s = %s: %s", name, value, reason);
}

static void rules(const char *given)
{
	char text[2048];
	strcpy(text, given);
	cr_assert(rule_file_parse(&arena, &settings, text, strlen(text), "rules", &complaint), "%s: %s",
		  complaint.place, complaint.reason);
	settings_finish(&settings);
}

static const struct rule *rule_for(const char *to, const char *process)
{
	struct endpoint endpoint = at(to);
	return settings_rule_for(&settings, &endpoint, process);
}

Test(settings, nothing_configured_changes_no_source_and_warns_on_stderr)
{
	settings_finish(&settings);
	check_number(settings.otherwise.spread, SPREAD_OFF);
	check_number(settings.otherwise.sources.count, 0);
	check(!settings.otherwise.leave_alone && !settings.otherwise.override_bound_source);
	check_number(settings.log_to, LOG_TO_STDERR);
	check_number(settings.log_level, LOG_LEVEL_WARN);
	check_number(settings.log_format, LOG_FORMAT_LOGFMT);
	check(!settings.summary);
	check_number(settings.warn_steps, 3);
	check_number(settings.warn_percent[0], 50);
	check_number(settings.warn_percent[1], 80);
	check_number(settings.warn_percent[2], 95);
	check(rule_for("10.0.0.9:80", "curl") == &settings.otherwise);
}

Test(settings, every_name_is_taken)
{
	set("log", "syslog");
	check_number(settings.log_to, LOG_TO_SYSLOG);
	set("log", "off");
	check_number(settings.log_to, LOG_TO_NOTHING);
	set("log", "file:/var/log/a b.log");
	check_number(settings.log_to, LOG_TO_FILE);
	check_text(settings.log_path, "/var/log/a b.log");
	set("log", "stderr");
	check_number(settings.log_to, LOG_TO_STDERR);
	set("log_level", "error");
	check_number(settings.log_level, LOG_LEVEL_ERROR);
	set("log_level", "info");
	check_number(settings.log_level, LOG_LEVEL_INFO);
	set("log_format", "json");
	check_number(settings.log_format, LOG_FORMAT_JSON);
	set("summary", "yes");
	check(settings.summary);
	set("summary", "0");
	check(!settings.summary);
	set("summary", "1");
	check(settings.summary);
	set("spread", "spill");
	check_number(settings.otherwise.spread, SPREAD_SPILL);
	set("sources", "10.0.0.1-10.0.0.3");
	check_number(settings.otherwise.sources.count, 3);
	set("sources", "10.0.0.4");
	check_number(settings.otherwise.sources.count, 4);
}

struct bad_setting {
	char name[24], value[80], why[80];
};

ParameterizedTestParameters(settings, a_bad_value_is_refused_and_changes_nothing)
{
	static struct bad_setting cases[] = {
		{ "lgo", "stderr", "`lgo` is not a setting of [headroom]" },
		{ "", "stderr", "`` is not a setting of [headroom]" },
		{ "reuse_guard", "x", "`reuse_guard` is not a setting" },
		{ "log", "stdout", "`stdout` is none of stderr syslog off file:PATH" },
		{ "log", "file:", "`file:` is none of stderr syslog off file:PATH" },
		{ "log", "file:x", "`file:x` is not a path from the root (file:/...)" },
		{ "log", "file:../x", "`file:../x` is not a path from the root (file:/...)" },
		{ "log", "", "`` is none of stderr" },
		{ "log_level", "debug", "`debug` is none of error warn info" },
		{ "log_format", "xml", "`xml` is none of logfmt json" },
		{ "summary", "true", "`true` is none of yes 1 no 0" },
		{ "spread", "evenly", "`evenly` is none of off even spill sticky" },
		{ "sources", "eth0", "`eth0` is not an IP address" },
		{ "sources", "10.9.0.1,10.9.0.2,x", "`x` is not an IP address" },
		{ "warn_at", "0", "up to 8 rising percentages from 1% to 100%" },
		{ "warn_at", "101", "rising percentages" },
		{ "warn_at", "-5", "rising percentages" },
		{ "warn_at", "50 50", "rising percentages" },
		{ "warn_at", "80, 50", "rising percentages" },
		{ "warn_at", "50%%", "rising percentages" },
		{ "warn_at", "50 %", "rising percentages" },
		{ "warn_at", "50x", "rising percentages" },
		{ "warn_at", "half", "rising percentages" },
		{ "warn_at", "1,2,3,4,5,6,7,8,9", "rising percentages" },
		{ "warn_at", "99999999999999999999", "rising percentages" },
	};
	return cr_make_param_array(struct bad_setting, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct bad_setting *c, settings, a_bad_value_is_refused_and_changes_nothing)
{
	static struct settings before;
	set("sources", "10.0.0.1,10.0.0.2");
	memcpy(&before, &settings, sizeof(before));
	check(!settings_set(&arena, &settings, c->name, c->value, reason));
	check_contains(reason, c->why);
	check(!memcmp(&before, &settings, sizeof(before)));
}

Test(settings, a_refused_list_leaves_the_list_before_it_whole)
{
	/* Eight fill the first allocation: the ninth needs a larger one. */
	set("sources", "fd00::1-fd00::8");
	arena_free(&arena, arena_alloc(&arena, 128), 128);
	check(!settings_set(&arena, &settings, "sources", "fd00::9,bad", reason));
	check_number(settings.otherwise.sources.count, 8);
	void *other = arena_alloc(&arena, 128);
	memset(other, 0xff, 128);
	check_address(&settings.otherwise.sources.items[0], "fd00::1");
	check_address(&settings.otherwise.sources.items[7], "fd00::8");
}

Test(settings, a_path_too_long_is_refused)
{
	char value[SETTING_PATH_MAX + 8];
	memset(value, 'x', sizeof(value));
	memcpy(value, "file:/", 6);
	value[5 + SETTING_PATH_MAX] = '\0';
	check(!settings_set(&arena, &settings, "log", value, reason));
	check(strlen(reason) < REASON_MAX);
	value[5 + SETTING_PATH_MAX - 1] = '\0';
	set("log", value);
}

struct steps_case {
	char value[48];
	unsigned count;
	uint8_t first, last;
};

ParameterizedTestParameters(settings, warning_steps_are_read)
{
	static struct steps_case cases[] = {
		{ "50%, 80%, 95%", 3, 50, 95 }, { "1 100", 2, 1, 100 },       { "70", 1, 70, 70 },
		{ "1,2,3,4,5,6,7,8", 8, 1, 8 }, { " 60% ,\t90 ", 2, 60, 90 }, { "", 0, 0, 0 },
	};
	return cr_make_param_array(struct steps_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct steps_case *c, settings, warning_steps_are_read)
{
	set("warn_at", c->value);
	check_number(settings.warn_steps, c->count);
	if (!c->count)
		return;
	check_number(settings.warn_percent[0], c->first);
	check_number(settings.warn_percent[c->count - 1], c->last);
}

Test(settings, the_environment_is_taken_over)
{
	setenv("HEADROOM_SOURCES", "10.0.0.1-10.0.0.4", 1);
	setenv("HEADROOM_SPREAD", "spill", 1);
	setenv("HEADROOM_LOG", "file:/tmp/x", 1);
	setenv("HEADROOM_LOG_LEVEL", "info", 1);
	setenv("HEADROOM_LOG_FORMAT", "json", 1);
	setenv("HEADROOM_SUMMARY", "1", 1);
	check(settings_read_environment(&arena, &settings, &complaint));
	check_number(settings.otherwise.sources.count, 4);
	check_number(settings.otherwise.spread, SPREAD_SPILL);
	check_text(settings.log_path, "/tmp/x");
	check_number(settings.log_level, LOG_LEVEL_INFO);
	check_number(settings.log_format, LOG_FORMAT_JSON);
	check(settings.summary);
}

Test(settings, an_empty_variable_counts_as_unset)
{
	set("sources", "10.0.0.1");
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		setenv(variables[i], "", 1);
	check(settings_read_environment(&arena, &settings, &complaint));
	check_number(settings.otherwise.sources.count, 1);
}

Test(settings, a_bad_variable_is_named_and_the_others_count)
{
	set("sources", "10.0.0.1");
	setenv("HEADROOM_SOURCES", "10.0.0.2,eth0", 1);
	setenv("HEADROOM_SPREAD", "evil", 1);
	setenv("HEADROOM_LOG", "off", 1);
	check(!settings_read_environment(&arena, &settings, &complaint));
	check_text(complaint.place, "HEADROOM_SOURCES");
	check_contains(complaint.reason, "`eth0`");
	check_number(settings.log_to, LOG_TO_NOTHING);
	check_number(settings.otherwise.sources.count, 1);
	check_address(&settings.otherwise.sources.items[0], "10.0.0.1");
}

Test(settings, a_list_of_the_environment_replaces_the_file_s)
{
	set("sources", "10.0.0.1-10.0.0.8");
	setenv("HEADROOM_SOURCES", "10.0.0.9", 1);
	check(settings_read_environment(&arena, &settings, &complaint));
	check_number(settings.otherwise.sources.count, 1);
	check_address(&settings.otherwise.sources.items[0], "10.0.0.9");
	set("sources", "10.0.0.1");
	setenv("HEADROOM_SOURCES", "auto", 1);
	check(settings_read_environment(&arena, &settings, &complaint));
	check(settings.otherwise.sources.automatic);
}

Test(settings, sources_alone_mean_even)
{
	set("sources", "10.0.0.1");
	settings_finish(&settings);
	check_number(settings.otherwise.spread, SPREAD_EVEN);
}

Test(settings, auto_alone_means_spill)
{
	set("sources", "auto");
	settings_finish(&settings);
	check_number(settings.otherwise.spread, SPREAD_SPILL);
}

Test(settings, a_word_on_spreading_holds_for_auto_too)
{
	set("sources", "auto");
	set("spread", "even");
	settings_finish(&settings);
	check_number(settings.otherwise.spread, SPREAD_EVEN);
}

Test(settings, strict_is_inherited)
{
	rules("[headroom]\nsources = 10.0.0.1\nstrict = yes\n[to 10.1.0.0/16]\n[to 10.2.0.0/16]\nstrict = no\n");
	check(settings.otherwise.strict && settings.rules[0].strict && !settings.rules[1].strict);
}

Test(settings, spreading_without_sources_is_none)
{
	set("spread", "even");
	settings_finish(&settings);
	check_number(settings.otherwise.spread, SPREAD_OFF);
}

Test(settings, spread_off_stays_off_with_sources)
{
	set("sources", "10.0.0.1");
	set("spread", "off");
	settings_finish(&settings);
	check_number(settings.otherwise.spread, SPREAD_OFF);
}

Test(settings, rules_inherit_what_they_leave_out)
{
	rules("[headroom]\nsources = 10.0.0.1-10.0.0.4\nspread = spill\n"
	      "[to 10.1.0.0/16]\n[to 10.2.0.0/16]\nsources = 10.0.0.9\n[to 10.3.0.0/16]\nspread = even\n"
	      "[to 10.4.0.0/16]\nsources = none\n[to 10.5.0.0/16]\nspread = off\n");
	check_number(settings.rules[0].sources.count, 4);
	check_number(settings.rules[0].spread, SPREAD_SPILL);
	check_number(settings.rules[1].sources.count, 1);
	check_number(settings.rules[1].spread, SPREAD_SPILL);
	check_number(settings.rules[2].sources.count, 4);
	check_number(settings.rules[2].spread, SPREAD_EVEN);
	check_number(settings.rules[3].sources.count, 0);
	check_number(settings.rules[3].spread, SPREAD_OFF);
	check_number(settings.rules[4].spread, SPREAD_OFF);
}

Test(settings, a_rule_s_own_sources_mean_even)
{
	rules("[to 10.1.0.0/16]\nsources = 10.0.0.9\n");
	check_number(settings.rules[0].spread, SPREAD_EVEN);
	check_number(settings.otherwise.spread, SPREAD_OFF);
}

Test(settings, the_first_rule_that_matches_decides)
{
	rules("[to 10.0.0.9:80]\n[to 10.0.0.0/8:443 proc=curl]\n[to 10.0.0.0/8]\n[to *:6379]\n"
	      "[to fd00::/64]\n");
	const struct rule *r = settings.rules;
	check(rule_for("10.0.0.9:80", "wrk") == &r[0]);
	check(rule_for("10.0.0.9:443", "curl") == &r[1]);
	check(rule_for("10.0.0.9:443", "curl2") == &r[2]);
	check(rule_for("10.255.0.1:6379", "wrk") == &r[2]);
	check(rule_for("192.0.2.1:6379", "wrk") == &r[3]);
	check(rule_for("[fd00::9]:6379", "wrk") == &r[3]);
	check(rule_for("[fd00::9]:6380", "wrk") == &r[4]);
	check(rule_for("[fd00:0:0:1::9]:6380", "wrk") == &settings.otherwise);
	check(rule_for("[::ffff:10.0.0.9]:80", "wrk") == &r[0]);
}

Test(settings, a_prefix_is_for_its_own_family)
{
	rules("[to ::/0]\nspread = off\n[to 0.0.0.0/0]\nspread = off\n");
	check(rule_for("[fd00::9]:80", "wrk") == &settings.rules[0]);
	check(rule_for("10.0.0.9:80", "wrk") == &settings.rules[1]);
}
