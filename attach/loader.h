// SPDX-License-Identifier: Apache-2.0
/* loader - load the programs, attach them to a cgroup, pin them. */
#ifndef HEADROOM_ATTACH_LOADER_H
#define HEADROOM_ATTACH_LOADER_H

#include "attach/plan.h"
#include "attach/target.h"

/**
 * attach_load() - attach; afterwards all of it is there, or nothing
 * @plan:	with the whole of its config, but `live`
 * @pins:	from attach_pins_open()
 * @reason:	ATTACH_REASON_MAX bytes, filled on failure
 * Return: 0 or a negative errno; -EEXIST if the cgroup has an attachment
 */
int attach_load(const struct attach_plan *plan, const struct attach_target *target, int pins, char *reason);

/**
 * attach_library() - the version of libbpf that is used
 */
const char *attach_library(void);

#endif
