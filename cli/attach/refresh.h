// SPDX-License-Identifier: Apache-2.0
/* refresh - links that came, went or got other addresses after `headroom attach`. */
#ifndef HEADROOM_CLI_ATTACH_REFRESH_H
#define HEADROOM_CLI_ATTACH_REFRESH_H

#include <stdbool.h>

/**
 * links_changed() - would an attachment have other rules of links if it was made now?
 * @folder:	from attach_pins_each()
 */
bool links_changed(const char *folder);

/**
 * refresh_attached() - `headroom attach --refresh`: put the rules of the links that are there now in force
 * @word:	the TARGET; NULL: all
 * Return: exit status
 */
int refresh_attached(const char *word);

#endif
