// SPDX-License-Identifier: Apache-2.0
/* identity - what a process is to those who run it: its command line, its unit, its container. */
#include "cli/shared/identity.h"

#include "cli/container/name.h"
#include "cli/container/text_file.h"
#include "pool/base/printable.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ID_SHOWN = 12, TEXT_MAX = 4096 };

/* Return: bytes read, and a NUL behind them; 0 if nothing can be read */
static size_t read_text(int pid, const char *name, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return text_file_read(path, text, size);
}

static void take_command(int pid, struct identity *out)
{
	char words[IDENTITY_COMMAND_MAX], shown[IDENTITY_COMMAND_MAX * PRINTABLE_MAX];
	size_t length = read_text(pid, "cmdline", words, sizeof(words));

	while (length && !words[length - 1])
		length--;
	words[length] = '\0';
	for (size_t i = 0; i < length; i++)
		if (!words[i])
			words[i] = ' ';
	printable_text(words, shown, sizeof(shown));
	bool cut = strlen(shown) >= sizeof(out->command) || length == sizeof(words) - 1;
	snprintf(out->command, sizeof(out->command), "%.*s", IDENTITY_COMMAND_MAX - 1, shown);
	if (cut)
		memcpy(out->command + sizeof(out->command) - 4, "...", 4);
}

void identity_from_cgroup(const char *path, struct identity *out)
{
	char name[CONTAINER_NAME_MAX], shown[CONTAINER_NAME_MAX * PRINTABLE_MAX];

	for (const char *at = path; container_next(&at, name);) {
		printable_text(name, shown, sizeof(shown));
		snprintf(out->container, sizeof(out->container), "%.*s",
			 container_is_id(name) ? ID_SHOWN : IDENTITY_CONTAINER_MAX - 1, shown);
	}
	while (*path && *path != '\n') {
		path += strspn(path, "/");
		size_t length = strcspn(path, "/\n");
		bool service = length > 8 && !strncmp(path + length - 8, ".service", 8);
		if (service && length < sizeof(out->unit))
			snprintf(out->unit, sizeof(out->unit), "%.*s", (int)length, path);
		path += length;
	}
}

/* Of a path that is too long the end tells more. */
static void take_cgroup(const char *path, size_t length, struct identity *out)
{
	char whole[TEXT_MAX], shown[TEXT_MAX];

	snprintf(whole, sizeof(whole), "%.*s", (int)length, path);
	printable_text(whole, shown, sizeof(shown));
	size_t all = strlen(shown), room = sizeof(out->cgroup) - 1;
	size_t from = all > room ? all - room : 0;
	memcpy(out->cgroup, shown + from, all - from + 1);
}

static void take_inner_pid(int pid, struct identity *out)
{
	char status[TEXT_MAX], *end;

	read_text(pid, "status", status, sizeof(status));
	const char *line = strstr(status, "\nNSpid:");
	if (!line)
		return;
	line += 7;
	long outer = strtol(line, &end, 10), inner = outer;
	while (*end == '\t' || *end == ' ')
		inner = strtol(end, &end, 10);
	out->inner_pid = inner != outer ? (int)inner : 0;
}

void identity_of(int pid, struct identity *out)
{
	char cgroups[TEXT_MAX];

	*out = (struct identity){ 0 };
	take_command(pid, out);
	take_inner_pid(pid, out);
	read_text(pid, "cgroup", cgroups, sizeof(cgroups));
	/* "0::/path", or of version 1 "4:memory:/path": any of them tells. */
	for (const char *line = cgroups; *line;) {
		const char *path = strchr(line, '/'), *end = strchr(line, '\n');
		if (path && (!end || path < end)) {
			identity_from_cgroup(path, out);
			if (!*out->cgroup || !strncmp(line, "0::", 3))
				take_cgroup(path, end ? (size_t)(end - path) : strlen(path), out);
		}
		line = end ? end + 1 : line + strlen(line);
	}
}

static uint64_t pid_namespace_of(const char *pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.16s/ns/pid", pid);
	return stat(path, &st) ? 0 : st.st_ino;
}

int identity_pid_here(unsigned pid, uint64_t pid_namespace)
{
	const struct dirent *entry;
	int here = 0;

	if (!pid_namespace || pid_namespace == pid_namespace_of("self"))
		return (int)pid;
	DIR *proc = opendir("/proc");
	while (proc && !here && (entry = readdir(proc))) {
		struct identity identity = { 0 };
		if (*entry->d_name < '1' || *entry->d_name > '9' ||
		    pid_namespace_of(entry->d_name) != pid_namespace)
			continue;
		take_inner_pid(atoi(entry->d_name), &identity);
		if (identity.inner_pid == (int)pid)
			here = atoi(entry->d_name);
	}
	if (proc)
		closedir(proc);
	return here;
}

const char *identity_mark(int pid, char *out)
{
	struct identity identity;
	char there[32] = "";

	*out = '\0';
	identity_of(pid, &identity);
	if (identity.inner_pid)
		snprintf(there, sizeof(there), "pid %d there", identity.inner_pid);
	if (*identity.container)
		snprintf(out, IDENTITY_MARK_MAX, " (container %s%s%s)", identity.container,
			 *there ? ", " : "", there);
	else if (*there)
		snprintf(out, IDENTITY_MARK_MAX, " (another pid namespace, %s)", there);
	else if (*identity.unit)
		snprintf(out, IDENTITY_MARK_MAX, " (%s)", identity.unit);
	return out;
}

bool identity_under_shim(int pid)
{
	char path[64], *line = NULL;
	size_t size = 0;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "re");
	/* Of a library that could not be loaded, as from a file system without execution, the loader leaves a
	 * part. */
	while (maps && !found && getline(&line, &size, maps) > 0)
		found = strstr(line, "/libheadroom.so") && strstr(line, " r-xp ");
	free(line);
	if (maps)
		fclose(maps);
	return found;
}
