// SPDX-License-Identifier: Apache-2.0
/* start - restart a service, and see whether it stays. */
#ifndef HEADROOM_CLI_SERVICE_START_H
#define HEADROOM_CLI_SERVICE_START_H

#include <stdbool.h>
#include <stddef.h>

/**
 * start_again() - `systemctl restart`, then look for a while whether it fails or is started once more
 * @watch_s:	how long, once systemd says that it has started
 * @reason:	filled if it has failed
 * Return: it is up, or has ended as it should
 */
bool start_again(const char *unit, double watch_s, char *reason, size_t size);

/**
 * start_is_up() - is it active, or on its way?
 */
bool start_is_up(const char *unit);

/**
 * start_under_shim() - does its main process have the shim?
 * @pid:	set to that process; 0: it has none
 */
bool start_under_shim(const char *unit, int *pid);

#endif
