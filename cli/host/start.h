// SPDX-License-Identifier: Apache-2.0
/* start - start the watcher, so that it outlives the command and the session. */
#ifndef HEADROOM_CLI_HOST_START_H
#define HEADROOM_CLI_HOST_START_H

#include <stdbool.h>
#include <stddef.h>

#define WATCHER_UNIT "headroom-host-watch.service"

/**
 * watch_start() - start `headroom host watch`, and wait until it watches
 * @reason:	filled if it does not; nothing of it is left then
 *
 * Where systemd runs, as a transient unit, which is started again if it dies; else as a daemon.
 */
bool watch_start(char *reason, size_t size);

#endif
