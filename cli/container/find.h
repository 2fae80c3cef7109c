// SPDX-License-Identifier: Apache-2.0
/* find - a process of a container, by what people call the container. */
#ifndef HEADROOM_CLI_CONTAINER_FIND_H
#define HEADROOM_CLI_CONTAINER_FIND_H

#include <stddef.h>

enum { CONTAINER_ID_LEAST = 4 };

/**
 * container_find() - by the beginning of its ID (CONTAINER_ID_LEAST digits at least), by the name that
 * Docker, Podman, LXC or systemd-nspawn has for it, or by its hostname: of a Kubernetes pod its name
 *
 * Its processes are those whose cgroup says so (name.h); nothing is run, and no socket of a daemon is asked.
 * Names of Docker and Podman are in files that only root may read.
 * @why:	@size bytes; filled if there is none
 * Return: the lowest pid; 0 if there is none, or more than one container
 */
int container_find(const char *what, char *why, size_t size);

#endif
