// SPDX-License-Identifier: Apache-2.0
/* reach - which processes are under the shim, and whether they see the file that disables it. */
#include "cli/disable/reach.h"

#include "cli/shared/identity.h"
#include "pool/base/printable.h"
#include "pool/base/resting.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Does the process see the same file, by its own root? Where there is none, it would see one made now if its
 * folder /run is ours. */
static bool sees_file(int pid)
{
	static const char *const paths[] = { RESTING_FILE, RESTING_FOLDER, "/run" };
	struct stat ours, theirs;
	char there[64];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (stat(paths[i], &ours))
			continue;
		snprintf(there, sizeof(there), "/proc/%d/root%s", pid, paths[i]);
		return !stat(there, &theirs) && theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
	}
	return false;
}

/* Where the user namespace has no root of ours, the file is shown as somebody else's (user_namespaces(7)). */
static bool knows_root(int pid)
{
	char path[64];
	unsigned inside, outside, count;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	FILE *map = fopen(path, "re");
	while (map && !found && fscanf(map, "%u %u %u", &inside, &outside, &count) == 3)
		found = inside == 0 && outside == 0;
	if (map)
		fclose(map);
	return found;
}

void disable_reach_look(struct disable_reach *reach)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;

	*reach = (struct disable_reach){ 0 };
	while (processes && (entry = readdir(processes))) {
		int pid = atoi(entry->d_name);
		if (!isdigit((unsigned char)*entry->d_name) || !identity_under_shim(pid))
			continue;
		reach->processes++;
		if (sees_file(pid) && knows_root(pid))
			continue;
		if (reach->unseen < DISABLE_NAMED_MAX)
			reach->named[reach->unseen] = pid;
		reach->unseen++;
	}
	if (processes)
		closedir(processes);
}

void disable_reach_put_unseen(const struct disable_reach *reach, FILE *out)
{
	char mark[IDENTITY_MARK_MAX];

	if (!reach->unseen)
		return;
	fprintf(out, "%u more %s another /run, or %s another root, and %s on:\n", reach->unseen,
		one_or_many(reach->unseen, "sees", "see"), one_or_many(reach->unseen, "has", "have"),
		one_or_many(reach->unseen, "goes", "go"));
	for (unsigned i = 0; i < reach->unseen && i < DISABLE_NAMED_MAX; i++) {
		struct identity identity;
		identity_of(reach->named[i], &identity);
		fprintf(out, "  %d %s%s\n", reach->named[i], identity.command,
			identity_mark(reach->named[i], mark));
	}
	if (reach->unseen > DISABLE_NAMED_MAX)
		fprintf(out, "  and %u more\n", reach->unseen - DISABLE_NAMED_MAX);
	fprintf(out, "Run `headroom disable --now` there, or make " RESTING_FILE " there by hand.\n");
}
