// SPDX-License-Identifier: Apache-2.0
/* place - where the history is kept. */
#ifndef HEADROOM_CLI_HISTORY_PLACE_H
#define HEADROOM_CLI_HISTORY_PLACE_H

#include <limits.h>
#include <stdbool.h>

/**
 * place_of_history() - root's: /var/lib/headroom/history; another user's: $XDG_STATE_HOME/headroom/history,
 * by default below ~/.local/state (XDG Base Directory Specification)
 * @out:	PATH_MAX bytes
 * Return: false if there is no such place: no home
 */
bool place_of_history(char *out);

/**
 * place_make_folders() - those that lead to a file
 * Return: 0 or a negative errno
 */
int place_make_folders(const char *path);

#endif
