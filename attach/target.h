// SPDX-License-Identifier: Apache-2.0
/* target - the cgroup that a word on the command line means. */
#ifndef HEADROOM_ATTACH_TARGET_H
#define HEADROOM_ATTACH_TARGET_H

#include "attach/layout.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum { ATTACH_REASON_MAX = 512 };

struct attach_target {
	char path[PATH_MAX]; /* its folder */
	uint64_t id;         /* as the kernel numbers cgroups */
};

/**
 * attach_cgroup_mount() - where cgroup v2 is mounted
 * @out:	PATH_MAX bytes
 * Return: false if it is not
 */
bool attach_cgroup_mount(char *out);

/**
 * attach_target_find() - a folder of cgroup v2, UNIT.service (or another kind of unit), pid:N or container:ID
 * @reason:	ATTACH_REASON_MAX bytes, filled on failure
 */
bool attach_target_find(const char *word, struct attach_target *out, char *reason);

/**
 * attach_target_process() - a process in a cgroup or below it
 * Return: its pid; 0 if there is none
 */
int attach_target_process(const char *path);

/**
 * attach_target_networks() - call for each network namespace that a process in a cgroup or below it is in
 * @take:	with an fd of the namespace; what is not 0 ends it
 * Return: what @take said last
 */
int attach_target_networks(const char *path, int (*take)(int network, void *context), void *context);

#endif
