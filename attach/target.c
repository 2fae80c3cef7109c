// SPDX-License-Identifier: Apache-2.0
/* target - the cgroup that a word on the command line means. */
#include "attach/target.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { CONTAINER_ID_MIN = 6, DEPTH_MAX = 32 };

bool attach_cgroup_mount(char *out)
{
	char line[PATH_MAX * 2], kind[64];
	FILE *mounts = fopen("/proc/self/mounts", "re");
	bool found = false;

	while (mounts && !found && fgets(line, sizeof(line), mounts))
		found = sscanf(line, "%*s %4095s %63s", out, kind) == 2 && !strcmp(kind, "cgroup2");
	if (mounts)
		fclose(mounts);
	return found;
}

static bool is_cgroup(const char *path)
{
	struct statfs about;

	return !statfs(path, &about) && about.f_type == CGROUP2_SUPER_MAGIC;
}

/* The number of a cgroup is that of its folder's inode (cgroup_id(), include/linux/cgroup.h; kernfs on 64
 * bit). */
static bool settle(struct attach_target *target, char *reason)
{
	struct stat about;

	if (stat(target->path, &about)) {
		snprintf(reason, ATTACH_REASON_MAX, "%.400s: %s", target->path, strerror(errno));
		return false;
	}
	if (!S_ISDIR(about.st_mode) || !is_cgroup(target->path)) {
		snprintf(reason, ATTACH_REASON_MAX, "%.400s is not a folder of cgroup v2", target->path);
		return false;
	}
	target->id = about.st_ino;
	return true;
}

static bool join(char *out, const char *mount, const char *below)
{
	return (size_t)snprintf(out, PATH_MAX, "%s%s", mount, strcmp(below, "/") ? below : "") < PATH_MAX;
}

static bool find_folder(const char *word, const char *mount, struct attach_target *out, char *reason)
{
	char whole[PATH_MAX];

	if (!is_cgroup(word) && join(whole, mount, word) && is_cgroup(whole))
		word = whole;
	if (!realpath(word, out->path)) {
		snprintf(reason, ATTACH_REASON_MAX, "%.400s: %s", word, strerror(errno));
		return false;
	}
	return settle(out, reason);
}

static bool find_pid(const char *word, const char *mount, struct attach_target *out, char *reason)
{
	char path[64], line[PATH_MAX], *end;
	long pid = strtol(word, &end, 10);
	bool found = false;

	if (pid <= 0 || *end || pid > INT_MAX) {
		snprintf(reason, ATTACH_REASON_MAX, "`%s` is not a process id", word);
		return false;
	}
	snprintf(path, sizeof(path), "/proc/%ld/cgroup", pid);
	FILE *file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "0::", 3);
	if (file)
		fclose(file);
	if (!found) {
		snprintf(reason, ATTACH_REASON_MAX,
			 file ? "process %ld is in no cgroup of version 2" : "there is no process %ld", pid);
		return false;
	}
	line[strcspn(line, "\n")] = '\0';
	if (!strcmp(line + 3, "/")) {
		snprintf(reason, ATTACH_REASON_MAX,
			 "process %ld is in the root cgroup, with all of this machine: name %.300s if you mean "
			 "that",
			 pid, mount);
		return false;
	}
	return join(out->path, mount, line + 3) && settle(out, reason);
}

/* nftw() has no argument for its caller. */
static struct {
	const char *wanted;
	bool part; /* of the name, and it ends there or at ".scope" */
	char path[PATH_MAX], second[PATH_MAX];
	unsigned found;
} looked_for;

static bool is_wanted(const char *name)
{
	if (!looked_for.part)
		return !strcmp(name, looked_for.wanted);
	const char *at = strstr(name, looked_for.wanted);
	/* docker-ID.scope, cri-containerd-ID.scope, libpod-ID.scope, ID; an ID may be cut short at its end.
	 */
	return at && (at == name || at[-1] == '-' || at[-1] == ':');
}

static int look(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about;
	if (kind != FTW_D || !is_wanted(path + where->base))
		return 0;
	/* A folder in a found one is part of it. */
	size_t length = strlen(looked_for.path);
	if (looked_for.found && !strncmp(path, looked_for.path, length) && path[length] == '/')
		return 0;
	snprintf(looked_for.found ? looked_for.second : looked_for.path, PATH_MAX, "%s", path);
	looked_for.found++;
	return 0;
}

static bool find_name(const char *name, bool part, const char *mount, struct attach_target *out, char *reason)
{
	looked_for.wanted = name;
	looked_for.part = part;
	looked_for.found = 0;
	*looked_for.path = '\0';
	nftw(mount, look, DEPTH_MAX, FTW_PHYS);
	if (!looked_for.found) {
		snprintf(reason, ATTACH_REASON_MAX, "no cgroup is called %s%s; is it running?",
			 part ? "…" : "", name);
		return false;
	}
	if (looked_for.found > 1) {
		snprintf(reason, ATTACH_REASON_MAX,
			 "%u cgroups are called so, %.180s and %.180s: name the folder", looked_for.found,
			 looked_for.path, looked_for.second);
		return false;
	}
	snprintf(out->path, sizeof(out->path), "%s", looked_for.path);
	return settle(out, reason);
}

bool attach_target_find(const char *word, struct attach_target *out, char *reason)
{
	char mount[PATH_MAX], unit[NAME_MAX + 1];

	if (!attach_cgroup_mount(mount)) {
		snprintf(reason, ATTACH_REASON_MAX, "cgroup v2 is not mounted here");
		return false;
	}
	if (!strncmp(word, "pid:", 4))
		return find_pid(word + 4, mount, out, reason);
	if (!strncmp(word, "container:", 10)) {
		if (strlen(word + 10) < CONTAINER_ID_MIN) {
			snprintf(reason, ATTACH_REASON_MAX, "an ID of at least 6 letters is needed");
			return false;
		}
		return find_name(word + 10, true, mount, out, reason);
	}
	if (strchr(word, '/'))
		return find_folder(word, mount, out, reason);
	bool bare = !strchr(word, '.');
	if ((size_t)snprintf(unit, sizeof(unit), "%s%s", word, bare ? ".service" : "") >= sizeof(unit)) {
		snprintf(reason, ATTACH_REASON_MAX, "too long a name");
		return false;
	}
	return find_name(unit, false, mount, out, reason);
}

static int first_process;

static int look_for_process(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about;
	if (kind != FTW_F || strcmp(path + where->base, "cgroup.procs"))
		return 0;
	FILE *file = fopen(path, "re");
	if (file && fscanf(file, "%d", &first_process) != 1)
		first_process = 0;
	if (file)
		fclose(file);
	return first_process;
}

int attach_target_process(const char *path)
{
	first_process = 0;
	nftw(path, look_for_process, DEPTH_MAX, FTW_PHYS);
	return first_process;
}

enum { NETWORKS_MAX = 4096 };

static struct {
	ino_t seen[NETWORKS_MAX];
	unsigned count;
	int (*take)(int network, void *context);
	void *context;
} networks;

static int take_network(int pid)
{
	char path[64];
	struct stat about;
	int rc = 0;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (stat(path, &about) || networks.count == NETWORKS_MAX)
		return 0;
	for (unsigned i = 0; i < networks.count; i++)
		if (networks.seen[i] == about.st_ino)
			return 0;
	networks.seen[networks.count++] = about.st_ino;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	rc = networks.take(fd, networks.context);
	close(fd);
	return rc;
}

static int look_for_networks(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	int pid, rc = 0;

	(void)about;
	if (kind != FTW_F || strcmp(path + where->base, "cgroup.procs"))
		return 0;
	FILE *file = fopen(path, "re");
	while (file && !rc && fscanf(file, "%d", &pid) == 1)
		rc = take_network(pid);
	if (file)
		fclose(file);
	return rc;
}

int attach_target_networks(const char *path, int (*take)(int network, void *context), void *context)
{
	networks.count = 0;
	networks.take = take;
	networks.context = context;
	return nftw(path, look_for_networks, DEPTH_MAX, FTW_PHYS);
}
