// SPDX-License-Identifier: Apache-2.0
/* variables - HEADROOM_* in the environment that nobody reads. */
#include "cli/run/variables.h"

#include "cli/shared/complain.h"
#include "cli/shared/nearest_word.h"

#include <string.h>
#include <unistd.h>

static const char prefix[] = "HEADROOM_";

/* Without the prefix, which would make any two of them look alike. */
static const char *const known[] = { "CONFIG",    "DISABLE", "LIST",    "LOG",    "LOG_FORMAT",
				     "LOG_LEVEL", "REUSE",   "SOURCES", "SPREAD", "STATE_DIR",
				     "STRICT",    "SUMMARY", NULL };

enum { NAME_MAX_SHOWN = 64 };

static bool is_known(const char *name)
{
	for (unsigned i = 0; known[i]; i++)
		if (!strcmp(known[i], name))
			return true;
	return false;
}

unsigned variables_complain(bool near_only)
{
	unsigned count = 0;

	for (char **variable = environ; variable && *variable; variable++) {
		char name[NAME_MAX_SHOWN];
		size_t length = strcspn(*variable, "=");
		if (strncmp(*variable, prefix, sizeof(prefix) - 1) ||
		    length - sizeof(prefix) + 1 >= sizeof(name))
			continue;
		memcpy(name, *variable + sizeof(prefix) - 1, length - sizeof(prefix) + 1);
		name[length - sizeof(prefix) + 1] = '\0';
		const char *meant = is_known(name) ? NULL : nearest_word(name, known);
		if (is_known(name) || (near_only && !meant))
			continue;
		count++;
		if (meant)
			complain(NULL, "%s%s: nobody reads this variable; did you mean %s%s?", prefix, name,
				 prefix, meant);
		else
			complain(NULL, "%s%s: nobody reads this variable", prefix, name);
	}
	return count;
}
