// SPDX-License-Identifier: Apache-2.0
/* start - restart a service, and see whether it stays. */
#include "cli/service/start.h"

#include "cli/service/command.h"
#include "cli/service/systemctl.h"
#include "cli/service/unit.h"
#include "cli/shared/identity.h"
#include "cli/shared/sleep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double LOOK_EVERY_S = 0.1;

/* One that systemd starts again and again is "activating", but for moments. */
static bool has_failed(const struct unit *unit, int restarts, char *reason, size_t size)
{
	const char *state = unit_value(unit, "ActiveState");

	if (!strcmp(state, "failed") || !unit_is(unit, "Result", "success"))
		snprintf(reason, size, "it failed: %s, status %s", unit_value(unit, "Result"),
			 unit_value(unit, "ExecMainStatus"));
	else if (unit_is(unit, "SubState", "auto-restart") || atoi(unit_value(unit, "NRestarts")) > restarts)
		snprintf(reason, size, "it ended with status %s, and systemd starts it again",
			 unit_value(unit, "ExecMainStatus"));
	else
		return false;
	return true;
}

static bool look(const char *name, int *restarts, char *reason, size_t size)
{
	struct unit unit;
	bool good = unit_read(name, &unit, reason, size);

	if (good && *restarts < 0)
		*restarts = atoi(unit_value(&unit, "NRestarts"));
	good = good && !has_failed(&unit, *restarts, reason, size);
	unit_free(&unit);
	return good;
}

bool start_again(const char *unit, double watch_s, char *reason, size_t size)
{
	int restarts = -1; /* systemd counts from the restart that was asked for */

	if (!systemctl("restart", unit, reason, size))
		return false;
	for (double past_s = 0;; past_s += LOOK_EVERY_S) {
		if (!look(unit, &restarts, reason, size))
			return false;
		if (past_s >= watch_s)
			return true;
		sleep_s(LOOK_EVERY_S);
	}
}

bool start_is_up(const char *unit)
{
	const char *words[] = { "systemctl", "show", "-p", "ActiveState", unit, NULL };
	struct said said;
	bool up = command_run(words, &said) &&
		  (!strcmp(said.out, "ActiveState=active") || !strcmp(said.out, "ActiveState=activating") ||
		   !strcmp(said.out, "ActiveState=reloading"));

	said_free(&said);
	return up;
}

bool start_under_shim(const char *unit, int *pid)
{
	const char *words[] = { "systemctl", "show", "-p", "MainPID", unit, NULL };
	struct said said;

	*pid = command_run(words, &said) && !strncmp(said.out, "MainPID=", 8) ? atoi(said.out + 8) : 0;
	said_free(&said);
	return *pid && identity_under_shim(*pid);
}
