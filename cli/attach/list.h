// SPDX-License-Identifier: Apache-2.0
/* list - `headroom attach --list`. */
#ifndef HEADROOM_CLI_ATTACH_LIST_H
#define HEADROOM_CLI_ATTACH_LIST_H

#include <stdbool.h>

/**
 * list_attached() - print all attachments with their counts
 * Return: an exit status
 */
int list_attached(bool as_json);

#endif
