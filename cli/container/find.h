// SPDX-License-Identifier: Apache-2.0
/* find - a process of a container, by what people call the container. */
#ifndef HEADROOM_CLI_CONTAINER_FIND_H
#define HEADROOM_CLI_CONTAINER_FIND_H

#include <stddef.h>

enum { CONTAINER_ID_LEAST = 4 };

/**
 * container_find() - by the beginning of its ID (CONTAINER_ID_LEAST digits at least), by the name that Docker
 * or Podman has for it, or by its hostname: of a Kubernetes pod its name
 *
 * Its processes are those whose cgroup has the ID (Docker, Podman, CRI-O, containerd); nothing is run, and no
 * socket of a daemon is asked. Names are in files that only root may read.
 * @why:	@size bytes; filled if there is none
 * Return: the lowest pid; 0 if there is none, or more than one container
 */
int container_find(const char *what, char *why, size_t size);

/**
 * container_id_in() - the ID in a path of a cgroup: 64 hexadecimal digits
 * @length:	of @path
 * Return: where it begins; NULL if there is none
 */
const char *container_id_in(const char *path, size_t length);

#endif
