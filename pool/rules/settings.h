// SPDX-License-Identifier: Apache-2.0
/* settings - what the user asked for: the environment and the rule file, read once at start.
 *
 * To add a setting:
 *
 *  - A field in struct settings or struct rule, its default in settings_default().
 *  - Its name in settings_set() for [headroom], or in set_of_rule() (file.c) for [to ...]. Inheritance is
 *    in settings_finish().
 *  - If it has a variable: the table in settings_read_environment(). If it has an option: values[],
 *    options[] and usage in cli/run/run.c. If it is a rule's: print_rule() in cli/run/config.c.
 *  - docs/man/headroom.1, completions/ if it has an option, and a unit test. */
#ifndef HEADROOM_POOL_RULES_SETTINGS_H
#define HEADROOM_POOL_RULES_SETTINGS_H

#include "pool/base/address.h"
#include "pool/base/arena.h"
#include "pool/base/hot.h"
#include "pool/rules/reuse_limits.h"
#include "pool/rules/source_list.h"

#include <stdbool.h>
#include <stdint.h>

enum spread { SPREAD_OFF, SPREAD_EVEN, SPREAD_SPILL, SPREAD_STICKY };
enum log_destination { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE, LOG_TO_NOTHING };
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
enum { WARN_STEPS_MAX = 8, SETTING_PATH_MAX = 1024, PROCESS_NAME_MAX = 64 };

/* Which destinations a rule is for. The first rule that matches decides. */
struct pattern {
	struct address net;
	unsigned bits; /* of the 128-bit form; 0 with `any_address` */
	bool any_address;
	uint16_t port;                  /* 0: any */
	char process[PROCESS_NAME_MAX]; /* empty: any */
};

struct rule {
	struct pattern to;
	bool leave_alone;                         /* shim = off */
	bool override_bound_source;               /* explicit_source = spread */
	bool strict;                              /* where a source of the list fits, no other is used */
	bool has_spread, has_sources, has_strict; /* set by the rule itself, not inherited */
	enum spread spread;
	struct source_list sources;
	struct reuse_limits reuse;
};

struct settings {
	struct rule *rules;
	unsigned rule_count, rule_room;
	struct rule otherwise; /* for destinations that no rule matches */
	enum log_destination log_to;
	char log_path[SETTING_PATH_MAX];
	bool log_asked; /* `log` was set: then standard error may be any socket */
	/* The socket of systemd's journal, by JOURNAL_STREAM; inode 0: none */
	uint64_t journal_device, journal_inode;
	enum log_level log_level;
	enum log_format log_format;
	bool summary;
	bool no_state;                        /* no usage segment */
	char state_dir[SETTING_PATH_MAX];     /* for usage segments; empty: the default */
	char runtime_dir[SETTING_PATH_MAX];   /* XDG_RUNTIME_DIR; empty: none */
	uint8_t warn_percent[WARN_STEPS_MAX]; /* ascending */
	unsigned warn_steps;
	bool reuses; /* some rule has a guard */
};

/* Where a setting came from and what is wrong with it, for one line to the user. */
struct complaint {
	char place[SETTING_PATH_MAX + 16]; /* "FILE:LINE" or the name of the variable; empty: none */
	char reason[REASON_MAX];
};

/**
 * settings_default() - what holds when nothing was configured
 */
void settings_default(struct settings *settings);

/**
 * settings_set() - set one value by the name it has in the rule file's [headroom] section
 * @name:	log, log_level, log_format, warn_at, summary, state_dir, sources, spread, strict, and those of
 * reuse_limits_known()
 * @reason:	REASON_MAX bytes, filled on failure
 * Return: false when the name is unknown or the value bad; then nothing is changed
 */
bool settings_set(struct arena *arena, struct settings *settings, const char *name, const char *value,
		  char *reason);

/**
 * settings_read_environment() - take over HEADROOM_SOURCES, _SPREAD, _STRICT, _LOG, _LOG_LEVEL, _LOG_FORMAT,
 *	_SUMMARY, _REUSE, _STATE_DIR, and XDG_RUNTIME_DIR
 * @complaint:	filled with the first bad value
 * Return: false if one was bad; the others are taken over
 */
bool settings_read_environment(struct arena *arena, struct settings *settings, struct complaint *complaint);

/**
 * settings_finish() - let rules inherit what they left out; call once, after the last value was set
 */
void settings_finish(struct settings *settings);

/**
 * pattern_matches() - is a pattern for this destination of this program?
 */
bool pattern_matches(const struct pattern *pattern, const struct endpoint *to, const char *process);

/**
 * settings_find_rule() - settings_rule_for() where there are rules to look through
 */
const struct rule *settings_find_rule(const struct settings *settings, const struct endpoint *to,
				      const char *process);

/**
 * settings_rule_for() - the rule that decides for a destination
 * @process:	name of the running program, without its path
 */
static inline const struct rule *settings_rule_for(const struct settings *settings, const struct endpoint *to,
						   const char *process)
{
	return likely(!settings->rule_count) ? &settings->otherwise
					     : settings_find_rule(settings, to, process);
}

/**
 * rule_names_loopback() - has the rule sources of its own, for destinations of the loopback?
 *
 * A list that is for others, or for all, serves these with its loopback addresses alone: what listens there
 * lets 127.0.0.1 in, and often nobody else.
 */
static inline bool rule_names_loopback(const struct rule *rule)
{
	return rule->has_sources && !rule->to.any_address && address_is_loopback(&rule->to.net);
}

/**
 * parse_spread() - even, spill, sticky or off
 */
bool parse_spread(const char *value, enum spread *out, char *reason);

/**
 * spread_name() - the word for it
 */
const char *spread_name(enum spread spread);

/**
 * set_strict() - yes or no
 */
bool set_strict(struct rule *rule, const char *value, char *reason);

#endif
