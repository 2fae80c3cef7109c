// SPDX-License-Identifier: Apache-2.0
/* plan - the rules and lists of sources of one attachment, as the maps hold them. */
#ifndef HEADROOM_ATTACH_PLAN_H
#define HEADROOM_ATTACH_PLAN_H

#include "attach/layout.h"
#include "pool/rules/settings.h"

/* One of the two sets of rules, as the maps hold it. */
struct attach_rule_set {
	struct attach_ruling ruling;
	struct attach_rule rules[ATTACH_RULES_MAX];
	struct attach_address lists[ATTACH_LISTS_MAX]; /* of the rules of links */
	__u32 listed;
};

struct attach_plan {
	struct attach_config config;
	struct attach_rule_set set;
	struct attach_address *sources; /* that the user named; config.sources of them */
	unsigned source_room;
	unsigned unplaced;          /* prefixes that there was no room for */
	__u32 spills;               /* some rule spills */
	__u64 reserved[65536 / 64]; /* ip_local_reserved_ports, a bit for each port */
};

/**
 * attach_plan_make() - from settings after settings_finish()
 * @plan:	all zero at first; attach_plan_free() gives its memory back, also after a failure
 * @complaint:	filled on failure
 * Return: false if the programs cannot do what the settings ask for
 */
bool attach_plan_make(const struct settings *settings, struct attach_plan *plan, struct complaint *complaint);

/**
 * attach_plan_part() - a rule of its own for a prefix, before a rule that is for any address and decides
 * there
 * @at:		the number of that one; it is one more afterwards
 * @serving:	which of its sources serve there: none, and the kernel's own choice stays; NULL: all do
 *
 * Without room for the list the kernel's choice stays too; without room for the rule `unplaced` counts it.
 * Return: false without room for the rule
 */
bool attach_plan_part(struct attach_plan *plan, unsigned at, const struct address *net, unsigned bits,
		      const struct attach_address *serving, unsigned count);

/**
 * attach_lists_begin() - where in the map `sources` the lists of a set of rules are
 */
__u32 attach_lists_begin(const struct attach_config *config, const struct attach_ruling *ruling);

void attach_plan_free(struct attach_plan *plan);

#endif
