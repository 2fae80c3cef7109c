// SPDX-License-Identifier: Apache-2.0
/* host_wide - the files by which the shim is in every program of a host, and at work in those of a list. */
#include "pool/rules/host_wide.h"

#include <string.h>

bool host_wide_lists(const char *list, const char *program)
{
	size_t length = strlen(program);

	while (length && *list) {
		const char *end = strchr(list, '\n');
		size_t line = end ? (size_t)(end - list) : strlen(list);
		if (line == length && !memcmp(list, program, length))
			return true;
		list += end ? line + 1 : line;
	}
	return false;
}
