// SPDX-License-Identifier: Apache-2.0
/* settings - what the user asked for: the environment and the rule file, read once at start. */
#include "pool/rules/settings.h"
#include "pool/base/hot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct word {
	const char *name;
	int value;
};

static const struct word spread_words[] = { { "off", SPREAD_OFF },
					    { "even", SPREAD_EVEN },
					    { "spill", SPREAD_SPILL },
					    { "sticky", SPREAD_STICKY },
					    { NULL, 0 } };
static const struct word level_words[] = {
	{ "error", LOG_LEVEL_ERROR }, { "warn", LOG_LEVEL_WARN }, { "info", LOG_LEVEL_INFO }, { NULL, 0 }
};
static const struct word format_words[] = { { "logfmt", LOG_FORMAT_LOGFMT },
					    { "json", LOG_FORMAT_JSON },
					    { NULL, 0 } };
static const struct word yes_words[] = { { "yes", 1 }, { "1", 1 }, { "no", 0 }, { "0", 0 }, { NULL, 0 } };

ONCE static bool parse_word(const struct word *words, const char *value, int *out, char *reason)
{
	size_t used;

	for (const struct word *w = words; w->name; w++)
		if (!strcmp(w->name, value)) {
			*out = w->value;
			return true;
		}
	used = (size_t)snprintf(reason, REASON_MAX, "`%.40s` is none of", value);
	for (const struct word *w = words; w->name && used < REASON_MAX; w++)
		used += (size_t)snprintf(reason + used, REASON_MAX - used, " %s", w->name);
	return false;
}

bool parse_spread(const char *value, enum spread *out, char *reason)
{
	int word;
	if (!parse_word(spread_words, value, &word, reason))
		return false;
	*out = (enum spread)word;
	return true;
}

const char *spread_name(enum spread spread)
{
	return spread_words[spread].name;
}

bool set_strict(struct rule *rule, const char *value, char *reason)
{
	int word;
	if (!parse_word(yes_words, value, &word, reason))
		return false;
	rule->strict = word;
	rule->has_strict = true;
	return true;
}

ONCE void settings_default(struct settings *settings)
{
	*settings = (struct settings){ .log_level = LOG_LEVEL_WARN,
				       .warn_percent = { 50, 80, 95 },
				       .warn_steps = 3,
				       .otherwise.to.any_address = true };
	reuse_limits_default(&settings->otherwise.reuse);
}

static bool set_log(struct settings *settings, const char *value, char *reason)
{
	if (!strcmp(value, "stderr"))
		settings->log_to = LOG_TO_STDERR;
	else if (!strcmp(value, "syslog"))
		settings->log_to = LOG_TO_SYSLOG;
	else if (!strcmp(value, "off"))
		settings->log_to = LOG_TO_NOTHING;
	else if (!strncmp(value, "file:", 5) && value[5] && value[5] != '/') {
		/* The program may go to other folders, and its children start in others. */
		snprintf(reason, REASON_MAX, "`%.60s` is not a path from the root (file:/...)", value);
		return false;
	} else if (!strncmp(value, "file:", 5) && value[5] &&
		   strlen(value + 5) < sizeof(settings->log_path)) {
		settings->log_to = LOG_TO_FILE;
		strcpy(settings->log_path, value + 5);
	} else {
		snprintf(reason, REASON_MAX, "`%.60s` is none of stderr syslog off file:PATH", value);
		return false;
	}
	settings->log_asked = true;
	return true;
}

static bool set_warn_at(struct settings *settings, const char *value, char *reason)
{
	uint8_t steps[WARN_STEPS_MAX];
	unsigned count = 0;
	char *end;

	for (const char *at = value; *at;) {
		at += strspn(at, " \t,");
		if (!*at)
			break;
		unsigned long percent = strtoul(at, &end, 10);
		bool number = end != at && percent >= 1 && percent <= 100;
		if (*end == '%')
			end++;
		bool separated = !*end || strchr(" \t,", *end);
		bool rising = !count || steps[count - 1] < percent;
		if (!number || !separated || !rising || count == WARN_STEPS_MAX) {
			snprintf(reason, REASON_MAX, "`%.60s`: up to %d rising percentages from 1%% to 100%%",
				 value, WARN_STEPS_MAX);
			return false;
		}
		steps[count++] = (uint8_t)percent;
		at = end;
	}
	memcpy(settings->warn_percent, steps, sizeof(steps[0]) * count);
	settings->warn_steps = count;
	return true;
}

static bool set_rule_sources(struct arena *arena, struct rule *rule, const char *value, char *reason)
{
	if (!source_list_extend(arena, &rule->sources, value, reason))
		return false;
	rule->has_sources = true;
	return true;
}

static bool set_state_dir(struct settings *settings, const char *value, char *reason)
{
	settings->no_state = !strcmp(value, "off");
	if (settings->no_state)
		return true;
	if (*value != '/' || strlen(value) >= sizeof(settings->state_dir)) {
		snprintf(reason, REASON_MAX, "`%.60s` is neither off nor a path that begins with /", value);
		return false;
	}
	strcpy(settings->state_dir, value);
	return true;
}

ONCE bool settings_set(struct arena *arena, struct settings *settings, const char *name, const char *value,
		       char *reason)
{
	int word;

	if (!strcmp(name, "log"))
		return set_log(settings, value, reason);
	if (!strcmp(name, "log_level")) {
		if (!parse_word(level_words, value, &word, reason))
			return false;
		settings->log_level = (enum log_level)word;
		return true;
	}
	if (!strcmp(name, "log_format")) {
		if (!parse_word(format_words, value, &word, reason))
			return false;
		settings->log_format = (enum log_format)word;
		return true;
	}
	if (!strcmp(name, "summary")) {
		if (!parse_word(yes_words, value, &word, reason))
			return false;
		settings->summary = word;
		return true;
	}
	if (!strcmp(name, "state_dir"))
		return set_state_dir(settings, value, reason);
	if (!strcmp(name, "warn_at"))
		return set_warn_at(settings, value, reason);
	if (!strcmp(name, "sources"))
		return set_rule_sources(arena, &settings->otherwise, value, reason);
	if (!strcmp(name, "spread")) {
		if (!parse_spread(value, &settings->otherwise.spread, reason))
			return false;
		settings->otherwise.has_spread = true;
		return true;
	}
	if (!strcmp(name, "strict"))
		return set_strict(&settings->otherwise, value, reason);
	if (reuse_limits_known(name))
		return reuse_limits_set(&settings->otherwise.reuse, name, value, reason);
	snprintf(reason, REASON_MAX, "`%.40s` is not a setting of [headroom]", name);
	return false;
}

/* DEVICE:INODE, decimal (systemd.exec(5)). */
static void read_journal_stream(struct settings *settings, const char *text)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return;
	uint64_t device = strtoull(text, &end, 10);
	if (*end != ':')
		return;
	settings->journal_device = device;
	settings->journal_inode = strtoull(end + 1, NULL, 10);
}

ONCE bool settings_read_environment(struct arena *arena, struct settings *settings,
				    struct complaint *complaint)
{
	static const struct {
		const char *variable, *name;
	} variables[] = {
		{ "HEADROOM_SOURCES", "sources" },     { "HEADROOM_SPREAD", "spread" },
		{ "HEADROOM_STRICT", "strict" },       { "HEADROOM_LOG", "log" },
		{ "HEADROOM_LOG_LEVEL", "log_level" }, { "HEADROOM_LOG_FORMAT", "log_format" },
		{ "HEADROOM_SUMMARY", "summary" },     { "HEADROOM_REUSE", "reuse" },
		{ "HEADROOM_STATE_DIR", "state_dir" },
	};
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	bool good = true;
	char reason[REASON_MAX];

	if (runtime_dir && strlen(runtime_dir) < sizeof(settings->runtime_dir))
		strcpy(settings->runtime_dir, runtime_dir);
	read_journal_stream(settings, getenv("JOURNAL_STREAM"));

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i].variable);
		if (!value || !*value)
			continue;
		/* The environment replaces the file's list, it does not add to it. */
		struct source_list of_file = settings->otherwise.sources;
		if (!strcmp(variables[i].name, "sources"))
			settings->otherwise.sources = (struct source_list){ 0 };
		if (settings_set(arena, settings, variables[i].name, value, reason) &&
		    source_list_complete(&settings->otherwise.sources, reason))
			continue;
		settings->otherwise.sources = of_file;
		if (good) {
			snprintf(complaint->place, sizeof(complaint->place), "%s", variables[i].variable);
			memcpy(complaint->reason, reason, sizeof(reason));
		}
		good = false;
	}
	return good;
}

/* Spreading without sources is none. Without a word on spreading, sources that the user named are used at
 * once: a server that does not let one in shows it in the first test, not at the peak. What `auto` finds
 * nobody has asked the servers about, so it is used only past the knee. */
static void settle_spread(struct rule *rule)
{
	bool any = rule->sources.count || rule->sources.automatic;
	if (!any)
		rule->spread = SPREAD_OFF;
	else if (!rule->has_spread)
		rule->spread = rule->sources.automatic ? SPREAD_SPILL : SPREAD_EVEN;
}

ONCE void settings_finish(struct settings *settings)
{
	for (unsigned i = 0; i < settings->rule_count; i++) {
		struct rule *rule = &settings->rules[i];
		if (!rule->has_sources)
			rule->sources = settings->otherwise.sources;
		if (!rule->has_spread && settings->otherwise.has_spread) {
			rule->spread = settings->otherwise.spread;
			rule->has_spread = true;
		}
		if (!rule->has_strict)
			rule->strict = settings->otherwise.strict;
		settle_spread(rule);
		reuse_limits_inherit(&rule->reuse, &settings->otherwise.reuse);
		settings->reuses |= rule->reuse.guard != GUARD_OFF && !rule->leave_alone;
	}
	settle_spread(&settings->otherwise);
	settings->reuses |= settings->otherwise.reuse.guard != GUARD_OFF;
}

HOT bool pattern_matches(const struct pattern *pattern, const struct endpoint *to, const char *process)
{
	if (pattern->port && pattern->port != to->port)
		return false;
	if (*pattern->process && strcmp(pattern->process, process))
		return false;
	return pattern->any_address || (address_is_v4(&to->ip) == address_is_v4(&pattern->net) &&
					address_prefix_match(&to->ip, &pattern->net, pattern->bits));
}

const struct rule *settings_find_rule(const struct settings *settings, const struct endpoint *to,
				      const char *process)
{
	for (unsigned i = 0; i < settings->rule_count; i++)
		if (pattern_matches(&settings->rules[i].to, to, process))
			return &settings->rules[i];
	return &settings->otherwise;
}
