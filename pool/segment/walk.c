// SPDX-License-Identifier: Apache-2.0
/* walk - visit all usage segments there are. For the command: it uses the heap. */
#include "pool/segment/read.h"

#include "pool/base/kernel.h"
#include "pool/segment/directory.h"
#include "pool/segment/recent_read.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct walk {
	struct arena *arena;
	usage_visit *visit;
	usage_skipped *skipped;
	void *argument;
};

static void skip(const struct walk *walk, const char *path, const char *reason)
{
	if (walk->skipped)
		walk->skipped(path, reason, walk->argument);
}

static void visit_file(const struct walk *walk, int directory, const char *folder, const char *name,
		       unsigned owner)
{
	char path[USAGE_PATH_MAX + USAGE_FILE_NAME_MAX], reason[REASON_MAX];
	struct usage usage;

	int rc = usage_read_file(walk->arena, directory, name, owner, &usage, reason);
	if (rc == -ENOENT || rc == -EAGAIN)
		return;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (rc) {
		skip(walk, path, reason);
		return;
	}
	walk->visit(path, &usage, walk->argument);
	if (usage.entries)
		usage_free(walk->arena, &usage);
}

/* @owner: as of usage_directory_open(); @must_be: complain if it is not there */
static void visit_directory(const struct walk *walk, const char *folder, long owner, bool must_be)
{
	struct usage_names names;
	char reason[REASON_MAX];
	const char *name;

	long directory = usage_directory_open(folder, false, &owner, reason);
	if (directory < 0) {
		if (must_be || directory == -EPERM)
			skip(walk, folder, reason);
		return;
	}
	usage_names_start(&names, (int)directory);
	while ((name = usage_names_next(&names)))
		visit_file(walk, (int)directory, folder, name, (unsigned)owner);
	kernel.close((int)directory);
	if (recent_read(walk->arena, folder, (unsigned)owner, walk->visit, walk->argument, reason) ==
	    -EINVAL) {
		char path[USAGE_PATH_MAX + USAGE_FILE_NAME_MAX];
		snprintf(path, sizeof(path), "%s/%s", folder, RECENT_NAME);
		skip(walk, path, reason);
	}
}

/* The directories of all users, but for the caller's: PARENT/PREFIXuidSUFFIX, each if that user owns it. */
static void visit_users(const struct walk *walk, const char *parent, const char *prefix, const char *suffix,
			const char *own)
{
	char folder[USAGE_PATH_MAX];
	DIR *users = opendir(parent);
	struct dirent *user;

	while (users && (user = readdir(users))) {
		size_t skipped = strlen(prefix);
		char *end;

		if (strncmp(user->d_name, prefix, skipped) || !isdigit((unsigned char)user->d_name[skipped]))
			continue;
		long uid = strtol(user->d_name + skipped, &end, 10);
		if (*end)
			continue;
		int used = snprintf(folder, sizeof(folder), "%s/%s%s", parent, user->d_name, suffix);
		if (used < (int)sizeof(folder) && strcmp(folder, own))
			visit_directory(walk, folder, uid, false);
	}
	if (users)
		closedir(users);
}

/* Root, and a service that was given CAP_DAC_READ_SEARCH for it. */
static bool reads_what_is_anyones(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (geteuid() == 0)
		return true;
	return !kernel_syscall(SYS_capget, (long)&header, (long)data, 0, 0, 0, 0) &&
	       data[CAP_TO_INDEX(CAP_DAC_READ_SEARCH)].effective & CAP_TO_MASK(CAP_DAC_READ_SEARCH);
}

void usage_walk(struct arena *arena, const char *state_dir, const char *runtime_dir, usage_visit *visit,
		usage_skipped *skipped, void *argument)
{
	struct walk walk = { .arena = arena, .visit = visit, .skipped = skipped, .argument = argument };
	bool chosen = state_dir && *state_dir, all = reads_what_is_anyones();
	char path[USAGE_PATH_MAX] = "", last[USAGE_PATH_MAX] = "", runtime[USAGE_PATH_MAX] = "";
	unsigned uid = geteuid();

	/* A directory is taken only from the user whose name is on it. */
	for (unsigned i = 0; i < USAGE_PLACES; i++) {
		if (!usage_place(i, state_dir, runtime_dir, uid, path))
			continue;
		visit_directory(&walk, path, all && chosen ? -1 : (long)uid, chosen);
		memcpy(i == 0 ? runtime : last, path, sizeof(path));
	}
	if (chosen || !all)
		return;
	if (uid && usage_place(1, NULL, NULL, 0, path))
		visit_directory(&walk, path, 0, false);
	visit_users(&walk, "/run/user", "", "/headroom", runtime);
	visit_users(&walk, "/dev/shm", "headroom-", "", last);
}
