// SPDX-License-Identifier: Apache-2.0
/* name - which containers the path of a cgroup is in. */
#ifndef HEADROOM_CLI_CONTAINER_NAME_H
#define HEADROOM_CLI_CONTAINER_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum { CONTAINER_ID_DIGITS = 64, CONTAINER_NAME_MAX = CONTAINER_ID_DIGITS + 1 };

/**
 * container_next() - the next container that a path names, from the outermost on
 *
 * An ID of 64 hexadecimal digits (Docker, Podman, CRI-O, containerd, Kubernetes), a name of LXC
 * (lxc.payload.NAME) or of systemd-nspawn (machine-NAME.scope, systemd-nspawn@NAME.service). The processes
 * that watch a container on its host are in none: conmon, lxc.monitor, nspawn's supervisor.
 * @path:	in and out; a line of /proc/PID/cgroup, to its line feed or end (cgroups(7)), is gone through
 * @out:	CONTAINER_NAME_MAX bytes; a name that is longer is cut off
 * Return: false if there is no further one
 */
bool container_next(const char **path, char *out);

/**
 * container_is_id() - is it an ID, and not a name?
 */
bool container_is_id(const char *name);

/**
 * container_id_in() - the ID in a text: 64 hexadecimal digits
 * @length:	of @text
 * Return: where it begins; NULL if there is none
 */
const char *container_id_in(const char *text, size_t length);

#endif
