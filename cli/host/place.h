// SPDX-License-Identifier: Apache-2.0
/* place - the link at /etc/ld.so.preload and what it leads to. */
#ifndef HEADROOM_CLI_HOST_PLACE_H
#define HEADROOM_CLI_HOST_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#define LOADER_FILE "/etc/ld.so.preload"
/* Why the watcher took it back. */
#define TAKEN_BACK "/run/headroom/host-taken-back"
/* The pid of the watcher, once it watches. */
#define WATCHER_FILE "/run/headroom/host/watcher"

enum place { PLACE_FREE, PLACE_OURS, PLACE_OF_OTHERS };

/**
 * place_look() - whose is /etc/ld.so.preload?
 */
enum place place_look(void);

/**
 * place_is_on() - is it ours, and does it lead somewhere? Not so after a boot
 */
bool place_is_on(void);

/**
 * place_may_be_preloaded() - is this a file that root alone can change, and that everybody can read?
 *
 * It will be code in every program. Each folder above it is looked at, too.
 * @reason:	filled if not
 */
bool place_may_be_preloaded(const char *path, char *reason, size_t size);

/**
 * place_fill() - make the folder, with the link to the shim, the list and the rules; nothing leads there yet
 * @rules:	the text of the rule file
 * Return: 0 or a negative errno
 */
int place_fill(const char *shim, const char *include, const char *rules);

/**
 * place_turn_on() - let /etc/ld.so.preload lead there
 * Return: 0 or a negative errno
 */
int place_turn_on(void);

/**
 * place_turn_off() - nothing leads there any more, and the folder goes. Only system calls: it works when no
 * program can be started Return: 0, or a negative errno if the loader still finds it
 */
int place_turn_off(void);

#endif
