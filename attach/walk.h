// SPDX-License-Identifier: Apache-2.0
/* walk - let a BPF iterator visit the sockets of a cgroup, so that its counts are right: programs/walk.h. */
#ifndef HEADROOM_ATTACH_WALK_H
#define HEADROOM_ATTACH_WALK_H

#include "attach/layout.h"

/**
 * attach_walk_sockets() - visit them, in each network namespace that a process of the cgroup is in
 * @folder:	from attach_pins_each(); the lock of the pins is held
 * Return: 0; -ENOENT where the kernel cannot (attach_walks()); another negative errno
 */
int attach_walk_sockets(const char *folder);

/**
 * attach_walk_if_due() - the same, if the tracepoint program was left out since the last walk and that is a
 * minute ago, or no walk has come to its end
 */
void attach_walk_if_due(const char *folder);

/**
 * attach_walk_read() - what the walks have found
 * @misses:	calls of the tracepoint program that the kernel has left out since the last of them
 * Return: 0 or a negative errno
 */
int attach_walk_read(const char *folder, struct attach_walk *out, __u64 *misses);

#endif
