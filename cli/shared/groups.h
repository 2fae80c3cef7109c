// SPDX-License-Identifier: Apache-2.0
/* groups - processes that belong together: sixty workers are one row. */
#ifndef HEADROOM_CLI_SHARED_GROUPS_H
#define HEADROOM_CLI_SHARED_GROUPS_H

#include "cli/shared/identity.h"

enum group_by {
	GROUP_BY_PROCESS,
	GROUP_BY_WORKERS, /* their unit, else their container, else their program */
	GROUP_BY_UNIT,
	GROUP_BY_CONTAINER,
	GROUP_BY_USER,
	GROUP_BY_SOURCE, /* no property of a process: for verbs that know sources */
	GROUP_WAYS,
};

enum { GROUP_NAME_MAX = 96 };

/* A process that is to be put into a group. */
struct group_member {
	int pid;          /* 0: it has ended, or is not known */
	const char *name; /* comm; what printable.h would escape is escaped */
	unsigned uid;
};

/* So many of a kind are shown one by one, where nothing was asked for. */
enum { GROUP_FEW = 3 };

/**
 * group_by_parse() - "process", "unit", "container", "user", "source"; "workers"
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint on --by
 */
int group_by_parse(const char *text, enum group_by *out);

/**
 * group_by_name() - as above
 */
const char *group_by_name(enum group_by by);

/**
 * group_name() - "nginx.service", "container 0123456789ab", "php-fpm", "user www-data", "nginx[80]"
 *
 * In none: "php-fpm (no unit)", "php-fpm (no container)". Of GROUP_BY_SOURCE that of GROUP_BY_PROCESS.
 * @out:	GROUP_NAME_MAX bytes
 * Return: @out
 */
const char *group_name(enum group_by by, const struct group_member *member, char *out);

/**
 * group_of_process() - the same of a process that runs; its user is that of /proc/PID
 */
const char *group_of_process(enum group_by by, int pid, const char *name, char *out);

#endif
