// SPDX-License-Identifier: Apache-2.0
/* trial - is the shim loaded in a unit's own sandbox? Tried with another program, before the unit is touched.
 */
#ifndef HEADROOM_CLI_SERVICE_TRIAL_H
#define HEADROOM_CLI_SERVICE_TRIAL_H

#include "cli/service/drop_in.h"
#include "cli/service/unit.h"

enum trial {
	TRIAL_LOADED,    /* it was in the program's memory, and had no complaint */
	TRIAL_REFUSED,   /* the program ran without the shim, or not with it */
	TRIAL_IMPOSSIBLE /* the program does not run there without the shim either: nothing is known */
};

/**
 * trial_run() - by systemd-run, as a unit of its own with the sandbox, the user and the limits of @unit
 * @reason:	filled, if it is not TRIAL_LOADED
 */
enum trial trial_run(const struct unit *unit, const struct drop_in *drop_in, char *reason, size_t size);

#endif
