// SPDX-License-Identifier: Apache-2.0
/* shim_path - where libheadroom.so is. */
#include "cli/shared/shim_path.h"

#include "cli/shared/complain.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool own_folder(char *out, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", out, size - 1);

	if (length <= 0)
		return false;
	out[length] = '\0';
	char *slash = strrchr(out, '/');
	if (slash)
		*slash = '\0';
	return slash;
}

/* Beside this command in a build folder, in ../lib/headroom of an installation that may have been moved, or
 * where it was installed. */
static bool find(char *out)
{
	static const char *const places[] = { "libheadroom.so", HEADROOM_SHIM_FROM_BIN "/libheadroom.so" };
	char folder[PATH_MAX], candidate[PATH_MAX * 2];

	for (size_t i = 0; own_folder(folder, sizeof(folder)) && i < sizeof(places) / sizeof(places[0]);
	     i++) {
		snprintf(candidate, sizeof(candidate), "%s/%s", folder, places[i]);
		if (realpath(candidate, out))
			return true;
	}
	return realpath(HEADROOM_SHIM_INSTALLED, out);
}

int shim_path_find(char *out)
{
	if (!find(out))
		return complain(
			NULL,
			"libheadroom.so is neither beside this command nor at " HEADROOM_SHIM_INSTALLED);
	/* Both end a name in LD_PRELOAD, and $ starts what the loader puts another text for (ld.so(8)). */
	if (strpbrk(out, " :$"))
		return complain(out, "the loader cannot preload from a path with a space, a colon or a $");
	return STATUS_FINE;
}
