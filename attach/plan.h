// SPDX-License-Identifier: Apache-2.0
/* plan - the rules and lists of sources of one attachment, as the maps hold them. */
#ifndef HEADROOM_ATTACH_PLAN_H
#define HEADROOM_ATTACH_PLAN_H

#include "attach/layout.h"
#include "pool/rules/settings.h"

struct attach_plan {
	struct attach_config config;
	struct attach_rule rules[ATTACH_RULES_MAX];
	struct attach_address *sources;
	unsigned source_count, source_room;
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
 * attach_plan_leave() - leave a prefix to the kernel's choice, unless a rule names it or what it is part of
 *
 * The rule that is made for it stands before the first that is for any address. Nothing is done without room.
 */
void attach_plan_leave(struct attach_plan *plan, const struct address *net, unsigned bits);

void attach_plan_free(struct attach_plan *plan);

#endif
