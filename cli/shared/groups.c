// SPDX-License-Identifier: Apache-2.0
/* groups - processes that belong together: sixty workers are one row. */
#include "cli/shared/groups.h"

#include "cli/shared/complain.h"
#include "cli/shared/nearest_word.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const names[GROUP_WAYS + 1] = {
	[GROUP_BY_PROCESS] = "process",     [GROUP_BY_WORKERS] = "workers", [GROUP_BY_UNIT] = "unit",
	[GROUP_BY_CONTAINER] = "container", [GROUP_BY_USER] = "user",       [GROUP_BY_SOURCE] = "source",
};

int group_by_parse(const char *text, enum group_by *out)
{
	for (unsigned i = 0; i < GROUP_WAYS; i++)
		if (!strcmp(names[i], text)) {
			*out = (enum group_by)i;
			return STATUS_FINE;
		}
	const char *meant = nearest_word(text, names);
	if (meant)
		return complain("--by", "`%s` is unknown; did you mean `%s`?", text, meant);
	return complain("--by", "`%s` is none of process, workers, unit, container, user, source", text);
}

const char *group_by_name(enum group_by by)
{
	return names[by];
}

static const char *user_name(unsigned uid, char *out)
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		snprintf(out, GROUP_NAME_MAX, "user %.80s", user->pw_name);
	else
		snprintf(out, GROUP_NAME_MAX, "user %u", uid);
	return out;
}

static const char *without(const struct group_member *member, const char *what, char *out)
{
	snprintf(out, GROUP_NAME_MAX, "%.70s (%s)", member->name, member->pid ? what : "ended");
	return out;
}

const char *group_name(enum group_by by, const struct group_member *member, char *out)
{
	struct identity identity = { 0 };

	if (by == GROUP_BY_USER)
		return user_name(member->uid, out);
	if (by == GROUP_BY_PROCESS || by == GROUP_BY_SOURCE) {
		snprintf(out, GROUP_NAME_MAX, "%.70s[%d]", member->name, member->pid);
		return out;
	}
	if (member->pid)
		identity_of(member->pid, &identity);
	if (by == GROUP_BY_CONTAINER && !*identity.container)
		return without(member, "no container", out);
	if (by == GROUP_BY_UNIT && !*identity.unit)
		return without(member, "no unit", out);
	/* In a container a unit is one of its own; on the host Docker's scopes have none. */
	if (*identity.container && (by == GROUP_BY_CONTAINER || !*identity.unit))
		snprintf(out, GROUP_NAME_MAX, "container %s", identity.container);
	else
		snprintf(out, GROUP_NAME_MAX, "%.90s", *identity.unit ? identity.unit : member->name);
	return out;
}

const char *group_of_process(enum group_by by, int pid, const char *name, char *out)
{
	struct group_member member = { .pid = pid, .name = name };
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (by == GROUP_BY_USER && !stat(path, &st))
		member.uid = st.st_uid;
	return group_name(by, &member, out);
}
