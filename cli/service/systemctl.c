// SPDX-License-Identifier: Apache-2.0
/* systemctl - ask systemd, and tell it, by its command. */
#include "cli/service/systemctl.h"

#include "cli/service/command.h"

#include <stdio.h>
#include <unistd.h>

bool systemd_runs(char *reason, size_t size)
{
	if (!access("/run/systemd/system", F_OK))
		return true;
	if (reason)
		snprintf(reason, size,
			 "systemd does not run here: start the program by `headroom run -- COMMAND`, or "
			 "reach one "
			 "that runs by `headroom attach pid:PID --sources LIST`");
	return false;
}

bool systemctl(const char *verb, const char *unit, char *error, size_t size)
{
	const char *words[] = { "systemctl", verb, unit, NULL };
	struct said said;
	bool good = command_run(words, &said);

	if (!good && error)
		snprintf(error, size, "%s", said_why(&said));
	said_free(&said);
	return good;
}
