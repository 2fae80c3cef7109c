// SPDX-License-Identifier: Apache-2.0
/* refresh - links that came, went or got other addresses after `headroom attach`, and another port range. */
#ifndef HEADROOM_CLI_ATTACH_REFRESH_H
#define HEADROOM_CLI_ATTACH_REFRESH_H

#include <stdbool.h>

struct attach_changes {
	bool links; /* an attachment would have other rules of links if it was made now, */
	bool range; /* another ephemeral range, or other reserved ports in it */
};

/**
 * attach_changes() - what has changed since an attachment was made or refreshed
 * @folder:	from attach_pins_each()
 */
struct attach_changes attach_changes(const char *folder);

/**
 * refresh_attached() - `headroom attach --refresh`: put the rules of the links that are there now in
 * force, and the range
 * @word:	the TARGET; NULL: all
 * Return: exit status
 */
int refresh_attached(const char *word);

#endif
