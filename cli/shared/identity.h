// SPDX-License-Identifier: Apache-2.0
/* identity - what a process is to those who run it: its command line, its unit, its container. */
#ifndef HEADROOM_CLI_SHARED_IDENTITY_H
#define HEADROOM_CLI_SHARED_IDENTITY_H

#include <stdbool.h>

enum {
	IDENTITY_COMMAND_MAX = 100,
	IDENTITY_UNIT_MAX = 64,
	IDENTITY_CONTAINER_MAX = 16,
	IDENTITY_MARK_MAX = 128
};

struct identity {
	char command[IDENTITY_COMMAND_MAX]; /* words with spaces between, cut off; escaped (printable.h) */
	char unit[IDENTITY_UNIT_MAX];       /* of systemd: NAME.service; empty if there is none */
	char container[IDENTITY_CONTAINER_MAX]; /* first 12 digits of its id; empty: in none that is known */
	int inner_pid;                          /* in its own pid namespace, if that is another one; else 0 */
};

/**
 * identity_of() - from /proc/PID/cmdline, cgroup and status (proc(5)); what does not show stays empty
 */
void identity_of(int pid, struct identity *out);

/**
 * identity_from_cgroup() - unit and container from a line of /proc/PID/cgroup
 *
 * Units are the last part of the path that ends in .service; ids of containers are 64 hexadecimal digits, as
 * Docker, Podman, CRI-O and containerd have them in their paths.
 */
void identity_from_cgroup(const char *path, struct identity *out);

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
