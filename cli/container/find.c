// SPDX-License-Identifier: Apache-2.0
/* find - a process of a container, by what people call the container. */
#include "cli/container/find.h"

#include "cli/container/name.h"
#include "cli/container/text_file.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 4096, ID_SHOWN = 12 };

/* What is looked for, and what was found. */
struct search {
	const char *what;
	char name[CONTAINER_NAME_MAX], other[CONTAINER_NAME_MAX]; /* other: one that fits as well */
	int pid;
};

/* @name:	an ID or a name; of an ID what is behind it is of no interest */
static void take(struct search *search, const char *name, int pid)
{
	char one[CONTAINER_NAME_MAX];

	snprintf(one, sizeof(one), "%.*s", CONTAINER_ID_DIGITS, name);
	if (!*search->name)
		strcpy(search->name, one);
	if (strcmp(search->name, one) != 0) {
		strcpy(search->other, one);
		return;
	}
	if (pid && (!search->pid || pid < search->pid))
		search->pid = pid;
}

/* The hostname of a container's own is the name of a Kubernetes pod, and what --hostname said. */
static bool has_hostname(int pid, const char *what)
{
	char path[64], name[256];

	snprintf(path, sizeof(path), "/proc/%d/root/etc/hostname", pid);
	text_file_read(path, name, sizeof(name));
	name[strcspn(name, "\n")] = '\0';
	return *name && !strcmp(name, what);
}

/* In any of the containers that it is in, one inside of the other. @prefix:	of the ID; NULL: by name or
 * hostname */
static void look_at_process(struct search *search, int pid, const char *prefix)
{
	char path[64], cgroups[TEXT_MAX], name[CONTAINER_NAME_MAX], innermost[CONTAINER_NAME_MAX] = "";

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	text_file_read(path, cgroups, sizeof(cgroups));
	for (const char *line = cgroups, *end; line; line = end ? end + 1 : NULL) {
		const char *at = strchr(line, '/');
		end = strchr(line, '\n');
		while (at && (!end || at < end) && container_next(&at, name)) {
			strcpy(innermost, name);
			if (prefix ? container_is_id(name) && !strncmp(name, prefix, strlen(prefix))
				   : !container_is_id(name) && !strcmp(name, search->what))
				take(search, name, pid);
		}
	}
	if (!prefix && *innermost && has_hostname(pid, search->what))
		take(search, innermost, pid);
}

static void walk_processes(struct search *search, const char *prefix)
{
	const struct dirent *entry;
	DIR *proc = opendir("/proc");

	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)*entry->d_name))
			look_at_process(search, atoi(entry->d_name), prefix);
	if (proc)
		closedir(proc);
}

/* Docker has a folder for each container, named by its ID: in config.v2.json is "Name":"/web". */
static void walk_docker(struct search *search)
{
	char path[PATH_MAX], wanted[300];
	const struct dirent *entry;
	static char text[1 << 20];
	DIR *folder = opendir("/var/lib/docker/containers");

	snprintf(wanted, sizeof(wanted), "\"Name\":\"/%.256s\"", search->what);
	while (folder && (entry = readdir(folder))) {
		if (!container_id_in(entry->d_name, strlen(entry->d_name)))
			continue;
		snprintf(path, sizeof(path), "/var/lib/docker/containers/%s/config.v2.json", entry->d_name);
		text_file_read(path, text, sizeof(text));
		if (strstr(text, wanted))
			take(search, entry->d_name, 0);
	}
	if (folder)
		closedir(folder);
}

/* Podman has one list: {"id":"...","names":["web"],...}, one after the other. */
static void walk_podman(struct search *search)
{
	static const char list[] = "/var/lib/containers/storage/overlay-containers/containers.json";
	static char text[4 << 20];
	char wanted[300];

	snprintf(wanted, sizeof(wanted), "\"%.256s\"", search->what);
	text_file_read(list, text, sizeof(text));
	for (const char *at = text; (at = strstr(at, "\"id\":\""));) {
		const char *id = at + 6, *names = strstr(id, "\"names\":["), *end;
		at = id;
		if (!container_id_in(id, strnlen(id, CONTAINER_ID_DIGITS)) || !names ||
		    !(end = strchr(names, ']')))
			continue;
		const char *hit = strstr(names, wanted);
		if (hit && hit < end)
			take(search, id, 0);
	}
}

static bool may_be_id(const char *what)
{
	size_t length = strlen(what);

	return length >= CONTAINER_ID_LEAST && length <= CONTAINER_ID_DIGITS &&
	       strspn(what, "0123456789abcdef") == length;
}

/* How many letters of it. */
static int shown(const char *name)
{
	return container_is_id(name) ? ID_SHOWN : CONTAINER_NAME_MAX;
}

int container_find(const char *what, char *why, size_t size)
{
	struct search search = { .what = what };

	if (may_be_id(what))
		walk_processes(&search, what);
	if (!*search.name) {
		walk_docker(&search);
		walk_podman(&search);
		if (*search.name && !*search.other)
			walk_processes(&search, search.name);
	}
	if (!*search.name)
		walk_processes(&search, NULL);
	if (*search.other)
		snprintf(why, size, "`%s` is more than one: %.*s, %.*s", what, shown(search.name),
			 search.name, shown(search.other), search.other);
	else if (*search.name && !search.pid)
		snprintf(why, size, "`%s` does not run", what);
	else if (!search.pid)
		snprintf(why, size, "no container `%s` shows here%s", what,
			 geteuid() ? "; root sees those of all users, and their names" : "");
	return *search.other ? 0 : search.pid;
}
