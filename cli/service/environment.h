// SPDX-License-Identifier: Apache-2.0
/* environment - the LD_PRELOAD that a unit has of its own, and one in front of it.
 *
 * A later Environment= of the same name replaces an earlier one, and what an EnvironmentFile= says replaces
 * both (systemd.exec(5)). So the value that holds has to be found, and the shim put in front of it. */
#ifndef HEADROOM_CLI_SERVICE_ENVIRONMENT_H
#define HEADROOM_CLI_SERVICE_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

enum { ENVIRONMENT_VALUE_MAX = 8192 };

/**
 * environment_word() - the value of a variable in what `systemctl show` prints for Environment=
 * @words:	NAME=VALUE words, quoted as a shell has them where need be
 * @out:	ENVIRONMENT_VALUE_MAX bytes
 * Return: false if the variable is not there
 */
bool environment_word(const char *words, const char *name, char *out);

/**
 * environment_files() - the same in what it prints for EnvironmentFiles=, lines of "PATH (ignore_errors=no)"
 * @lines:	with newlines between them; paths may be patterns of glob(7)
 */
bool environment_files(const char *lines, const char *name, char *out);

/**
 * environment_preload() - an LD_PRELOAD with the shim in front; another copy of it is left out
 * @others:	the value so far, or NULL
 * @out:	ENVIRONMENT_VALUE_MAX bytes
 * Return: false if that is too long
 */
bool environment_preload(const char *shim, const char *others, char *out);

#endif
