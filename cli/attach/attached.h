// SPDX-License-Identifier: Apache-2.0
/* attached - the attachment that a word on the command line means. */
#ifndef HEADROOM_CLI_ATTACH_ATTACHED_H
#define HEADROOM_CLI_ATTACH_ATTACHED_H

/**
 * attached_find() - one that is there, also of another version of the command; the pins are locked
 * @folder:	ATTACH_PIN_NAME_MAX bytes, filled on success
 * Return: 0, or the status to exit with after one line that says why
 */
int attached_find(const char *word, char *folder);

#endif
