// SPDX-License-Identifier: Apache-2.0
/* each_netns - go through the network namespaces of this host. */
#include "cli/ports/each_netns.h"

#include "cli/shared/complain.h"
#include "cli/shared/identity.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMESPACES_MAX = 4096 };

struct found_netns {
	ino_t inode;
	int fd;
	char name[NETNS_NAME_MAX]; /* of ip-netns(8), else of a process in it */
};

struct found_list {
	struct found_netns items[NAMESPACES_MAX];
	unsigned count, refused;
};

static void add(struct found_list *list, const char *path, const char *name)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st)) {
		list->refused += fd < 0 && errno == EACCES;
		if (fd >= 0)
			close(fd);
		return;
	}
	for (unsigned i = 0; i < list->count; i++)
		if (list->items[i].inode == st.st_ino) {
			close(fd);
			return;
		}
	if (list->count == NAMESPACES_MAX) {
		close(fd);
		return;
	}
	struct found_netns *one = &list->items[list->count++];
	*one = (struct found_netns){ .inode = st.st_ino, .fd = fd };
	snprintf(one->name, sizeof(one->name), "%s", name);
}

static void add_process(struct found_list *list, const char *pid)
{
	struct identity identity;
	char path[64], name[NETNS_NAME_MAX];
	unsigned before = list->count;

	snprintf(path, sizeof(path), "/proc/%.16s/ns/net", pid);
	snprintf(name, sizeof(name), "pid %.16s", pid);
	add(list, path, name);
	if (list->count == before)
		return;
	identity_of(atoi(pid), &identity);
	if (*identity.container)
		snprintf(list->items[before].name, NETNS_NAME_MAX, "container %s", identity.container);
}

static void find(struct found_list *list)
{
	char path[320];
	const struct dirent *entry;

	add(list, "/proc/self/ns/net", "here");
	DIR *names = opendir("/run/netns");
	while (names && (entry = readdir(names)))
		if (*entry->d_name != '.') {
			snprintf(path, sizeof(path), "/run/netns/%s", entry->d_name);
			add(list, path, entry->d_name);
		}
	if (names)
		closedir(names);
	DIR *proc = opendir("/proc");
	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)*entry->d_name))
			add_process(list, entry->d_name);
	if (proc)
		closedir(proc);
}

static int worse(int a, int b)
{
	static const int rank[] = {
		[STATUS_USAGE] = 0, [STATUS_FINE] = 1, [STATUS_UNKNOWN] = 2, [STATUS_BAD_NEWS] = 3
	};
	return rank[a] > rank[b] ? a : b;
}

/* The first one is where the caller is: that needs no right. Return: an exit status */
static int visit_one(const struct found_list *list, unsigned i, netns_visitor *visit, void *context, bool say)
{
	const struct found_netns *one = &list->items[i];

	if (i && setns(one->fd, CLONE_NEWNET)) {
		if (say)
			complain("--all-netns", "%s: %s%s", one->name, strerror(errno),
				 errno == EPERM ? "; root may enter other network namespaces" : "");
		return STATUS_USAGE;
	}
	int status = visit(one->name, context);
	if (i && setns(list->items[0].fd, CLONE_NEWNET)) {
		complain("--all-netns", "cannot come back: %s", strerror(errno));
		exit(STATUS_USAGE);
	}
	return status;
}

int each_netns(netns_visitor *visit, void *context, bool say)
{
	struct found_list *list = calloc(1, sizeof(*list));
	int worst = STATUS_USAGE;

	if (!list)
		return complain(NULL, "no memory");
	find(list);
	for (unsigned i = 0; i < list->count; i++)
		worst = worse(worst, visit_one(list, i, visit, context, say));
	for (unsigned i = 0; i < list->count; i++)
		close(list->items[i].fd);
	if (list->refused && say)
		complain("--all-netns",
			 "the namespaces of other users' processes are not shown: root sees them");
	free(list);
	return worst;
}
