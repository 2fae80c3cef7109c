// SPDX-License-Identifier: Apache-2.0
/* place - the link at /etc/ld.so.preload and what it leads to. */
#include "cli/host/place.h"

#include "pool/base/resting.h"
#include "pool/rules/host_wide.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char FRESH_LINK[] = LOADER_FILE ".headroom-new";

enum place place_look(void)
{
	char target[PATH_MAX];
	struct stat st;

	if (lstat(LOADER_FILE, &st))
		return errno == ENOENT ? PLACE_FREE : PLACE_OF_OTHERS;
	ssize_t length = readlink(LOADER_FILE, target, sizeof(target) - 1);
	if (length <= 0)
		return PLACE_OF_OTHERS;
	target[length] = '\0';
	return strcmp(target, HOST_PRELOAD) ? PLACE_OF_OTHERS : PLACE_OURS;
}

bool place_is_on(void)
{
	return place_look() == PLACE_OURS && !access(LOADER_FILE, R_OK);
}

static bool root_alone(const char *path, mode_t everybody, char *reason, size_t size)
{
	struct stat st;

	if (lstat(path, &st)) {
		snprintf(reason, size, "%s: %s", path, strerror(errno));
		return false;
	}
	/* In a folder like /tmp nobody can replace what is root's. */
	bool sticky = S_ISDIR(st.st_mode) && st.st_mode & S_ISVTX;
	if (st.st_uid || (st.st_mode & (S_IWGRP | S_IWOTH) && !sticky)) {
		snprintf(reason, size, "%s can be changed by others than root", path);
		return false;
	}
	if ((st.st_mode & everybody) != everybody) {
		snprintf(reason, size, "%s is not for everybody to read", path);
		return false;
	}
	return true;
}

bool place_may_be_preloaded(const char *path, char *reason, size_t size)
{
	char part[PATH_MAX];

	if (!root_alone(path, S_IROTH, reason, size))
		return false;
	snprintf(part, sizeof(part), "%s", path);
	for (char *slash; (slash = strrchr(part, '/')) && slash != part;) {
		*slash = '\0';
		if (!root_alone(part, S_IXOTH, reason, size))
			return false;
	}
	return true;
}

static int put_text(const char *path, const char *text)
{
	size_t length = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	int rc = fchmod(fd, 0644) || write(fd, text, length) != (ssize_t)length ? -EIO : 0;
	close(fd);
	return rc;
}

/* Root's usage segments may be in /run/headroom already, which is then for nobody else to look into. */
static int make_folder(const char *path)
{
	struct stat st;

	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	if (lstat(path, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid || st.st_mode & (S_IWGRP | S_IWOTH))
		return -EPERM;
	return chmod(path, 0755) ? -errno : 0;
}

int place_fill(const char *shim, const char *include, const char *rules)
{
	int rc = make_folder(RESTING_FOLDER);

	if (!rc)
		rc = make_folder(HOST_FOLDER);
	if (!rc && unlink(HOST_SHIM) && errno != ENOENT)
		rc = -errno;
	if (!rc && symlink(shim, HOST_SHIM))
		rc = -errno;
	if (!rc)
		rc = put_text(HOST_INCLUDE, include);
	return rc ? rc : put_text(HOST_RULES, rules);
}

int place_turn_on(void)
{
	int rc = put_text(HOST_PRELOAD, HOST_SHIM "\n");

	if (rc)
		return rc;
	unlink(FRESH_LINK);
	if (symlink(HOST_PRELOAD, FRESH_LINK))
		return -errno;
	/* Nobody else has put one there since it was looked at: link(2) does not replace. */
	rc = linkat(AT_FDCWD, FRESH_LINK, AT_FDCWD, LOADER_FILE, 0) ? -errno : 0;
	unlink(FRESH_LINK);
	return rc == -EEXIST && place_look() == PLACE_OURS ? 0 : rc;
}

int place_turn_off(void)
{
	static const char *const files[] = { HOST_PRELOAD, HOST_SHIM, HOST_INCLUDE, HOST_RULES,
					     WATCHER_FILE };
	int rc = unlink(HOST_PRELOAD) && errno != ENOENT ? -errno : 0;

	if (place_look() == PLACE_OURS && unlink(LOADER_FILE) && rc)
		rc = -errno;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(files[i]);
	rmdir(HOST_FOLDER);
	return rc;
}
