// SPDX-License-Identifier: Apache-2.0
/* file - the rule file: [headroom] and [to DESTINATION] sections. */
#ifndef HEADROOM_POOL_RULES_FILE_H
#define HEADROOM_POOL_RULES_FILE_H

#include "pool/rules/settings.h"

/* The line length is inih's as distributions build it (INI_MAX_LINE 200): it would cut a longer one in two.
 */
enum { RULE_FILE_MAX = 1024 * 1024, RULE_LINE_MAX = 199 };

/* Addresses in all lists of one file, repetitions included. */
enum { RULE_SOURCES_MAX = 16 * SOURCE_LIST_MAX };

/**
 * rule_file_read() - add what a rule file says to the settings
 * @path:	a regular file of at most RULE_FILE_MAX bytes
 * @complaint:	on failure: "PATH:LINE" (or PATH) and the reason
 * Return: false on an error (of several the first, with those in section lines before others); then the
 * settings may hold part of the file: drop them
 */
bool rule_file_read(struct arena *arena, struct settings *settings, const char *path,
		    struct complaint *complaint);

/**
 * rule_file_parse() - the same for text in memory
 * @text:	NUL-terminated; written to
 * @length:	of @text, without the NUL
 * @name:	stands for the path in a complaint
 */
bool rule_file_parse(struct arena *arena, struct settings *settings, char *text, size_t length,
		     const char *name, struct complaint *complaint);

/**
 * pattern_parse() - the destination of a [to ...] section
 * @text:	10.20.0.0/16:443, 10.1.2.3, *:6379, [fd00::]/64:443, `*`; may be followed by proc=NAME
 * @reason:	REASON_MAX bytes, filled on failure
 */
bool pattern_parse(const char *text, struct pattern *out, char *reason);

#endif
