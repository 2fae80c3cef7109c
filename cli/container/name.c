// SPDX-License-Identifier: Apache-2.0
/* name - which containers the path of a cgroup is in. */
#include "cli/container/name.h"

#include <ctype.h>
#include <string.h>

static bool is_digit(char c)
{
	return isdigit((unsigned char)c) || (c >= 'a' && c <= 'f');
}

const char *container_id_in(const char *text, size_t length)
{
	size_t run = 0;

	for (size_t i = 0; i < length; i++) {
		run = is_digit(text[i]) ? run + 1 : 0;
		if (run == CONTAINER_ID_DIGITS)
			return text + i + 1 - CONTAINER_ID_DIGITS;
	}
	return NULL;
}

bool container_is_id(const char *name)
{
	return strlen(name) == CONTAINER_ID_DIGITS && container_id_in(name, CONTAINER_ID_DIGITS);
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* systemd writes what may not be in the name of a unit as \x2d (systemd.unit(5)). */
static void copy(const char *from, size_t length, bool escaped, char *out)
{
	size_t used = 0;

	for (size_t i = 0; i < length && used < CONTAINER_NAME_MAX - 1; i++) {
		if (escaped && i + 3 < length && from[i] == '\\' && from[i + 1] == 'x' &&
		    hex(from[i + 2]) >= 0 && hex(from[i + 3]) >= 0) {
			out[used++] = (char)(hex(from[i + 2]) << 4 | hex(from[i + 3]));
			i += 3;
		} else {
			out[used++] = from[i];
		}
	}
	out[used] = '\0';
}

/* @part:	what may be between @before and @after: then it is the name */
static bool between(const char *part, size_t length, const char *before, const char *after, char *out)
{
	size_t first = strlen(before), last = strlen(after);

	if (length <= first + last || strncmp(part, before, first) != 0 ||
	    strncmp(part + length - last, after, last) != 0)
		return false;
	copy(part + first, length - first - last, *after, out);
	return true;
}

static bool begins(const char *part, const char *word)
{
	size_t length = strlen(word);
	return !strncmp(part, word, length) && (!part[length] || part[length] == '/' || part[length] == '\n');
}

static bool take(const char *part, size_t length, char *out)
{
	const char *id = container_id_in(part, length), *rest = part + length;

	if (id) {
		copy(id, CONTAINER_ID_DIGITS, false, out);
		return id - part < 7 || strncmp(id - 7, "conmon-", 7) != 0;
	}
	if (between(part, length, "lxc.payload.", "", out))
		return true;
	return (between(part, length, "machine-", ".scope", out) ||
		between(part, length, "systemd-nspawn@", ".service", out)) &&
	       !begins(rest, "/supervisor");
}

bool container_next(const char **path, char *out)
{
	while (**path && **path != '\n') {
		*path += strspn(*path, "/");
		const char *part = *path;
		size_t length = strcspn(part, "/\n");
		*path += length;
		/* Of LXC before 4.0: a folder for all of them. */
		if ((begins(part, "lxc") || begins(part, "lxc.payload")) && **path == '/') {
			part = *path + 1;
			length = strcspn(part, "/\n");
			*path = part + length;
			copy(part, length, false, out);
			if (length)
				return true;
		} else if (length && take(part, length, out)) {
			return true;
		}
	}
	return false;
}
