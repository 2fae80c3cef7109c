// SPDX-License-Identifier: Apache-2.0
/* place - where the history is kept. */
#include "cli/history/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool place_of_history(char *out)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int used;

	if (!geteuid())
		used = snprintf(out, PATH_MAX, "/var/lib/headroom/history");
	else if (state && *state == '/')
		used = snprintf(out, PATH_MAX, "%s/headroom/history", state);
	else if (home && *home == '/')
		used = snprintf(out, PATH_MAX, "%s/.local/state/headroom/history", home);
	else
		return false;
	return used < PATH_MAX;
}

int place_make_folders(const char *path)
{
	char folder[PATH_MAX];

	if (snprintf(folder, sizeof(folder), "%s", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	for (char *at = strchr(folder + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(folder, 0755) && errno != EEXIST)
			return -errno;
		*at = '/';
	}
	return 0;
}
