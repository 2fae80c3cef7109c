// SPDX-License-Identifier: Apache-2.0
/* identity - what a process is to those who run it: its command line, its unit, its container. */
#ifndef HEADROOM_CLI_SHARED_IDENTITY_H
#define HEADROOM_CLI_SHARED_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	IDENTITY_COMMAND_MAX = 100,
	IDENTITY_UNIT_MAX = 64,
	IDENTITY_CONTAINER_MAX = 33,
	IDENTITY_CGROUP_MAX = 200,
	IDENTITY_MARK_MAX = 128
};

struct identity {
	char command[IDENTITY_COMMAND_MAX]; /* words with spaces between, cut off; escaped (printable.h) */
	char unit[IDENTITY_UNIT_MAX];       /* of systemd: NAME.service; empty if there is none */
	char cgroup[IDENTITY_CGROUP_MAX]; /* its path, of version 2 if there is one; escaped; the end of it */
	char container[IDENTITY_CONTAINER_MAX]; /* first 12 digits of its ID, or its name; empty: in none */
	int inner_pid;                          /* in its own pid namespace, if that is another one; else 0 */
};

/**
 * identity_of() - from /proc/PID/cmdline, cgroup and status (proc(5)); what does not show stays empty
 */
void identity_of(int pid, struct identity *out);

/**
 * identity_from_cgroup() - unit and container from a line of /proc/PID/cgroup
 *
 * Units are the last part of the path that ends in .service; containers are as of container_next(), the
 * innermost.
 */
void identity_from_cgroup(const char *path, struct identity *out);

/**
 * identity_pid_here() - the pid that a process has for us
 * @pid:	in its own pid namespace
 * @pid_namespace:	inode of that; 0: not known, then it is ours
 * Return: 0 if it does not show here
 */
int identity_pid_here(unsigned pid, uint64_t pid_namespace);

/**
 * identity_mark() - " (nginx.service)", " (container 0123456789ab, pid 7 there)", or ""
 * @out:	IDENTITY_MARK_MAX bytes
 * Return: @out
 */
const char *identity_mark(int pid, char *out);

/**
 * identity_under_shim() - has this process loaded the shim?
 */
bool identity_under_shim(int pid);

#endif
