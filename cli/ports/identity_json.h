// SPDX-License-Identifier: Apache-2.0
/* identity_json - who a process is, for programs. */
#ifndef HEADROOM_CLI_PORTS_IDENTITY_JSON_H
#define HEADROOM_CLI_PORTS_IDENTITY_JSON_H

#include "cli/shared/json.h"

/**
 * identity_json() - members of an object: command, unit, container, cgroup, pid_there; empty where none shows
 */
void identity_json(struct json *json, int pid);

#endif
