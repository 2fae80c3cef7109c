// SPDX-License-Identifier: Apache-2.0
/* shim_path - where libheadroom.so is: several may be installed, one for each machine. */
#include "cli/shared/shim_path.h"

#include "cli/shared/complain.h"
#include "cli/shared/program.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { OWN_MACHINE = EM_X86_64 };
#else
enum { OWN_MACHINE = EM_AARCH64 };
#endif

static const struct {
	unsigned machine;
	const char *folder; /* Debian's multiarch tuple */
} folders[] = { { EM_X86_64, "x86_64-linux-gnu" }, { EM_AARCH64, "aarch64-linux-gnu" } };

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

static bool is_for(const char *path, unsigned machine)
{
	Elf64_Ehdr head;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool whole = fd >= 0 && read(fd, &head, sizeof(head)) == sizeof(head);

	if (fd >= 0)
		close(fd);
	return whole && !memcmp(head.e_ident, ELFMAG, SELFMAG) && head.e_machine == machine;
}

static const char *folder_of(unsigned machine)
{
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (folders[i].machine == machine)
			return folders[i].folder;
	return NULL;
}

/* The path with the folder of another machine instead of ours. */
static bool of_machine(const char *path, unsigned machine, char *out, size_t size)
{
	const char *own = folder_of(OWN_MACHINE), *other = folder_of(machine), *at = strstr(path, own);

	if (!at || !other)
		return false;
	return (size_t)snprintf(out, size, "%.*s%s%s", (int)(at - path), path, other, at + strlen(own)) <
	       size;
}

static bool is_at(const char *path, unsigned machine, char *out)
{
	char there[PATH_MAX];

	if (realpath(path, out) && is_for(out, machine))
		return true;
	return of_machine(path, machine, there, sizeof(there)) && realpath(there, out) &&
	       is_for(out, machine);
}

/* Beside this command in a build folder, in ../lib/headroom of an installation that may have been moved, or
 * where it was installed. */
static bool find(unsigned machine, char *out)
{
	static const char *const places[] = { "libheadroom.so", HEADROOM_SHIM_FROM_BIN "/libheadroom.so" };
	char folder[PATH_MAX], candidate[PATH_MAX * 2];

	for (size_t i = 0; own_folder(folder, sizeof(folder)) && i < sizeof(places) / sizeof(places[0]);
	     i++) {
		snprintf(candidate, sizeof(candidate), "%s/%s", folder, places[i]);
		if (is_at(candidate, machine, out))
			return true;
	}
	return is_at(HEADROOM_SHIM_INSTALLED, machine, out);
}

int shim_path_find(unsigned machine, char *out)
{
	if (!machine)
		machine = OWN_MACHINE;
	if (!find(machine, out))
		return complain(
			NULL,
			"no libheadroom.so for %s is beside this command or at " HEADROOM_SHIM_INSTALLED,
			program_machine(machine));
	/* Both end a name in LD_PRELOAD, and $ starts what the loader puts another text for (ld.so(8)). */
	if (strpbrk(out, " :$"))
		return complain(out, "the loader cannot preload from a path with a space, a colon or a $");
	return STATUS_FINE;
}
