// SPDX-License-Identifier: Apache-2.0
/* identity_json - who a process is, for programs. */
#include "cli/ports/identity_json.h"

#include "cli/shared/identity.h"

void identity_json(struct json *json, int pid)
{
	struct identity identity;

	identity_of(pid, &identity);
	json_text(json, "command", identity.command);
	json_text(json, "unit", identity.unit);
	json_text(json, "container", identity.container);
	json_text(json, "cgroup", identity.cgroup);
	json_number(json, "pid_there", (uint64_t)(identity.inner_pid ? identity.inner_pid : pid));
}
