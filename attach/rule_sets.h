// SPDX-License-Identifier: Apache-2.0
/* rule_sets - the two sets of rules that an attachment has room for: one is replaced while the programs go by
 * the other. */
#ifndef HEADROOM_ATTACH_RULE_SETS_H
#define HEADROOM_ATTACH_RULE_SETS_H

#include "attach/plan.h"

/**
 * attach_set_write() - write a set at its place, and put it in force
 * @rules:	and the others: fds of the maps
 * Return: 0 or a negative errno; then what was in force stays so
 */
int attach_set_write(const struct attach_config *config, const struct attach_rule_set *set, int rules,
		     int sources, int ruling);

/**
 * attach_rules_read() - the rules in force
 * @rules:	ATTACH_RULES_MAX
 * Return: 0 or a negative errno
 */
int attach_rules_read(const char *folder, struct attach_ruling *ruling, struct attach_rule *rules);

/**
 * attach_set_read() - the set in force, and what the user named of it
 * @now:	filled
 * @plan:	all zero at first; gets config, sources and those rules that the user wrote, as
 *attach_plan_make() had made it, at the place of @now; attach_plan_free() gives its memory back, also after a
 *failure Return: 0 or a negative errno
 */
int attach_set_read(const char *folder, struct attach_rule_set *now, struct attach_plan *plan);

/**
 * attach_set_replace() - put another set in force, with the rules of @set
 *
 * The lock of the pins is held. A connect() under way goes by the one or the other.
 * Return: 0 or a negative errno
 */
int attach_set_replace(const char *folder, const struct attach_config *config, struct attach_rule_set *set);

#endif
