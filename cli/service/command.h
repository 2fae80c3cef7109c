// SPDX-License-Identifier: Apache-2.0
/* command - run another command and take what it says. */
#ifndef HEADROOM_CLI_SERVICE_COMMAND_H
#define HEADROOM_CLI_SERVICE_COMMAND_H

#include <stdbool.h>

/* What a command said. */
struct said {
	char *out, *err; /* never NULL; without the newlines at the end */
	int status;      /* exit status; 128 + N for signal N; 127 if it could not be started */
};

/**
 * command_run() - run a command to its end, with an empty standard input and the messages of no language
 * @words:	NULL at the end; the first is looked for in PATH
 * @out:	to be freed by said_free()
 * Return: true if its exit status is 0
 */
bool command_run(const char *const *words, struct said *out);

/**
 * said_why() - the last line on standard error
 */
const char *said_why(const struct said *said);

/**
 * said_free() - after command_run(), whatever it returned
 */
void said_free(struct said *said);

#endif
