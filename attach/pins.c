// SPDX-License-Identifier: Apache-2.0
/* pins - the folder in the BPF file system that keeps attachments alive. */
#include "attach/pins.h"

#include "attach/target.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static const char finished[] = "cgroup-";

void attach_pin_name(uint64_t cgroup_id, char *out)
{
	snprintf(out, ATTACH_PIN_NAME_MAX, "%s%llu", finished, (unsigned long long)cgroup_id);
}

static void path_of(const char *folder, const char *name, char *out, size_t size)
{
	snprintf(out, size, ATTACH_PINS "/%.63s/%.63s", folder, name);
}

int attach_pin_open(const char *folder, const char *name)
{
	char path[256];

	path_of(folder, name, path, sizeof(path));
	int fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static bool has_size(int map, __u32 value, __u32 entries)
{
	struct bpf_map_info about = { 0 };
	__u32 size = sizeof(about);

	return !bpf_obj_get_info_by_fd(map, &about, &size) && about.value_size == value &&
	       about.max_entries == entries;
}

/* Also where it is not there: the folder is half made or half removed. */
static bool pin_has_size(const char *folder, const char *name, __u32 value, __u32 entries)
{
	int map = attach_pin_open(folder, name);
	bool has = map < 0 || has_size(map, value, entries);

	if (map >= 0)
		close(map);
	return has;
}

/* What another version of the command has attached may have more in it than there is room for. */
static bool is_of_this_version(const char *folder, int config)
{
	return has_size(config, sizeof(struct attach_config), 1) &&
	       pin_has_size(folder, "pairs", sizeof(struct attach_counts), ATTACH_PAIRS_MAX) &&
	       pin_has_size(folder, "rules", sizeof(struct attach_rule), ATTACH_RULES_MAX * 2);
}

bool attach_pin_config(const char *folder, struct attach_config *out)
{
	const __u32 first = 0;
	int fd = attach_pin_open(folder, "config");
	bool read = fd >= 0 && is_of_this_version(folder, fd) && !bpf_map_lookup_elem(fd, &first, out);

	if (fd >= 0)
		close(fd);
	return read;
}

bool attach_pin_is_foreign(const char *folder)
{
	int fd = attach_pin_open(folder, "config");
	bool is = fd >= 0 && !is_of_this_version(folder, fd);

	if (fd >= 0)
		close(fd);
	return is;
}

static void set_live(struct attach_config *config, const struct attach_config *wanted)
{
	config->live = wanted->live;
}

static void set_range(struct attach_config *config, const struct attach_config *wanted)
{
	config->low = wanted->low;
	config->high = wanted->high;
	config->capacity = wanted->capacity;
	config->range_reserved = wanted->range_reserved;
	config->time_wait_reuse = wanted->time_wait_reuse;
	config->reuse_delay_ms = wanted->reuse_delay_ms;
	config->waits_bound = wanted->waits_bound;
}

static int change(const char *folder, void (*set)(struct attach_config *, const struct attach_config *),
		  const struct attach_config *wanted)
{
	const __u32 first = 0;
	struct attach_config config;
	int fd = attach_pin_open(folder, "config"), rc = 0;

	if (fd < 0)
		return fd;
	if (!is_of_this_version(folder, fd))
		rc = -EPROTO;
	else if (bpf_map_lookup_elem(fd, &first, &config))
		rc = -errno;
	if (!rc) {
		set(&config, wanted);
		rc = bpf_map_update_elem(fd, &first, &config, BPF_ANY) ? -errno : 0;
	}
	close(fd);
	return rc;
}

int attach_pin_set_live(const char *folder, bool live)
{
	const struct attach_config wanted = { .live = live };

	return change(folder, set_live, &wanted);
}

int attach_pin_set_range(const char *folder, const struct attach_config *wanted)
{
	return change(folder, set_range, wanted);
}

/* A link goes some time after its last pin: taken off the cgroup by hand it is gone now. */
static void detach_link(const char *folder, const char *name)
{
	int fd = strncmp(name, "link_", 5) ? -1 : attach_pin_open(folder, name);

	if (fd < 0)
		return;
	bpf_link_detach(fd); /* not for tracing programs */
	close(fd);
}

int attach_pin_remove(int pins, const char *folder)
{
	int fd = openat(pins, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *files = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *file;

	if (!files)
		return -errno;
	attach_pin_set_live(folder, false);
	while ((file = readdir(files)))
		if (*file->d_name != '.')
			detach_link(folder, file->d_name);
	rewinddir(files);
	while ((file = readdir(files)))
		if (*file->d_name != '.' && unlinkat(dirfd(files), file->d_name, 0))
			rc = -errno;
	closedir(files);
	return unlinkat(pins, folder, AT_REMOVEDIR) && !rc ? -errno : rc;
}

/* A cgroup that was removed has taken its links with it (cgroup_bpf_release(), kernel/bpf/cgroup.c). */
static bool is_attached(const char *folder)
{
	struct bpf_link_info about = { 0 };
	__u32 size = sizeof(about);
	int fd = attach_pin_open(folder, "link_connect4");
	bool is = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &about, &size) && about.cgroup.cgroup_id;

	if (fd >= 0)
		close(fd);
	return is;
}

static bool is_whole(const char *folder)
{
	struct attach_config config;

	return !strncmp(folder, finished, sizeof(finished) - 1) && is_attached(folder) &&
	       (attach_pin_is_foreign(folder) || (attach_pin_config(folder, &config) && config.live));
}

/* Names first: what is removed while it is listed may hide others. */
static int each_folder(int pins, bool whole, int (*take)(const char *, void *), void *context)
{
	enum { AT_ONCE = 64 };
	char names[AT_ONCE][ATTACH_PIN_NAME_MAX];
	int fd = openat(pins, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *folders = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *folder;
	unsigned count;

	if (!folders)
		return -errno;
	do {
		for (count = 0; count < AT_ONCE && (folder = readdir(folders));)
			if (*folder->d_name != '.' && is_whole(folder->d_name) == whole)
				snprintf(names[count++], ATTACH_PIN_NAME_MAX, "%.63s", folder->d_name);
		for (unsigned i = 0; i < count && !rc; i++)
			rc = take(names[i], context);
	} while (count == AT_ONCE && !rc);
	closedir(folders);
	return rc;
}

int attach_pins_each(int pins, int (*take)(const char *folder, void *context), void *context)
{
	return each_folder(pins, true, take, context);
}

static int remove_half(const char *folder, void *pins)
{
	attach_pin_remove(*(int *)pins, folder);
	return 0;
}

static bool is_bpf_fs(void)
{
	struct statfs about;

	return !statfs(ATTACH_BPF_FS, &about) && about.f_type == BPF_FS_MAGIC;
}

static int fail(char *reason, const char *what, int error)
{
	snprintf(reason, ATTACH_REASON_MAX, "%s: %s", what, strerror(error));
	return -error;
}

/* The command that had the lock before may have removed the folder at its end: then the locked one is no
 * more. */
static bool is_the_folder(int fd)
{
	struct stat locked, named;

	return !fstat(fd, &locked) && !stat(ATTACH_PINS, &named) && locked.st_ino == named.st_ino;
}

int attach_pins_open(bool make, char *reason)
{
	if (!is_bpf_fs() && !make)
		return -ENOENT;
	if (!is_bpf_fs() && mount("bpf", ATTACH_BPF_FS, "bpf", 0, "mode=0700"))
		return fail(reason, "the BPF file system cannot be mounted at " ATTACH_BPF_FS, errno);
	for (;;) {
		if (make && mkdir(ATTACH_PINS, 0700) && errno != EEXIST)
			return fail(reason, ATTACH_PINS, errno);
		int fd = open(ATTACH_PINS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT && make)
			continue;
		if (fd < 0)
			return fail(reason, ATTACH_PINS, errno);
		if (flock(fd, LOCK_EX)) {
			int error = errno;
			close(fd);
			return fail(reason, ATTACH_PINS, error);
		}
		if (is_the_folder(fd)) {
			each_folder(fd, false, remove_half, &fd);
			return fd;
		}
		close(fd);
	}
}

void attach_pins_close(int fd)
{
	rmdir(ATTACH_PINS); /* not while something is in it */
	close(fd);
}
