// SPDX-License-Identifier: Apache-2.0
/* watch - see how programs end, and take the shim out of all of them when ten in a row die by a signal. */
#ifndef HEADROOM_CLI_HOST_WATCH_H
#define HEADROOM_CLI_HOST_WATCH_H

#include <stdbool.h>
#include <stddef.h>

enum { WATCH_DEATHS = 10 };

/**
 * watch_run() - watch until `headroom host disable`, or until it was taken back
 *
 * Writes its pid to WATCHER_FILE once it is told of processes.
 * @reason:	filled if it cannot be watched here
 * Return: false if it cannot
 */
bool watch_run(char *reason, size_t size);

/**
 * watch_pid() - the watcher
 * Return: 0 if nobody watches
 */
int watch_pid(void);

/**
 * watch_is_crash() - is this a signal that a program dies of by its own doing?
 */
bool watch_is_crash(int signal);

#endif
