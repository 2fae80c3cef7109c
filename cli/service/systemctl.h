// SPDX-License-Identifier: Apache-2.0
/* systemctl - ask systemd, and tell it, by its command. */
#ifndef HEADROOM_CLI_SERVICE_SYSTEMCTL_H
#define HEADROOM_CLI_SERVICE_SYSTEMCTL_H

#include <stdbool.h>
#include <stddef.h>

enum { SYSTEMCTL_WORDS_MAX = 160 };

/**
 * systemd_runs() - was this machine or container booted by systemd? As sd_booted(3) looks
 * @reason:	NULL, or filled if not, with what to do instead
 */
bool systemd_runs(char *reason, size_t size);

/**
 * systemctl() - `systemctl VERB UNIT`, of which only the outcome matters
 * @unit:	NULL for none
 * @error:	NULL, or where its last line on standard error goes if it fails
 * Return: true if its exit status is 0
 */
bool systemctl(const char *verb, const char *unit, char *error, size_t size);

#endif
