// SPDX-License-Identifier: Apache-2.0
/* reached - is a process attached, or could it be? */
#include "cli/attach/reached.h"

#include "attach/needs.h"
#include "attach/pins.h"
#include "attach/target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)ATTACHED_REASON_MAX >= (int)ATTACH_REASON_MAX, "a reason has room");

struct search {
	const char *path; /* of the process' cgroup */
	char *where;
};

/* What is attached to a cgroup is attached to those below it. */
static int compare(const char *folder, void *context)
{
	struct search *search = context;
	struct attach_config config;

	if (!attach_pin_config(folder, &config))
		return 0;
	size_t length = strlen(config.target);
	if (strncmp(config.target, search->path, length) ||
	    (search->path[length] && search->path[length] != '/'))
		return 0;
	snprintf(search->where, ATTACHED_REASON_MAX, "%s", config.target);
	return 1;
}

enum attached attached_process(int pid, char *reason)
{
	struct attach_target target;
	char word[32];

	if (attach_lacks_rights(reason) || attach_lacks(false, reason))
		return ATTACHED_CANNOT;
	if (!pid)
		return ATTACHED_NOT;
	snprintf(word, sizeof(word), "pid:%d", pid);
	if (!attach_target_find(word, &target, reason))
		return ATTACHED_CANNOT;
	struct search search = { .path = target.path, .where = reason };
	int pins = attach_pins_open(false, reason);
	if (pins == -ENOENT)
		return ATTACHED_NOT;
	if (pins < 0)
		return ATTACHED_CANNOT;
	int found = attach_pins_each(pins, compare, &search);
	attach_pins_close(pins);
	return found ? ATTACHED : ATTACHED_NOT;
}
