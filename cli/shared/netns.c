// SPDX-License-Identifier: Apache-2.0
/* netns - look into another network namespace. */
#include "cli/shared/netns.h"

#include "cli/container/find.h"
#include "cli/shared/complain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The namespace of a container that this user runs without root belongs to a user namespace of his: inside
 * that he may enter it (user_namespaces(7)). */
static bool enter_user_namespace(const char *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/ns/user", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool entered = fd >= 0 && !setns(fd, CLONE_NEWUSER);
	if (fd >= 0)
		close(fd);
	return entered;
}

int netns_take(struct netns_asked *asked, int option, const char *value)
{
	char why[400];

	if (option == 'K') {
		*asked =
			(struct netns_asked){ "--container", value, container_find(value, why, sizeof(why)) };
		return asked->pid ? STATUS_FINE : complain("--container", "%s", why);
	}
	if (option != 'P' && option != 'N')
		return STATUS_USAGE;
	*asked = (struct netns_asked){ .option = option == 'P' ? "--pid" : "--netns", .what = value };
	return STATUS_FINE;
}

int netns_enter(const struct netns_asked *asked)
{
	const char *option = asked->option, *what = asked->what;
	char path[PATH_MAX], *end;

	if (!what)
		return STATUS_FINE;
	bool is_pid = !strcmp(option, "--pid") || asked->pid;
	char pid[16];
	if (asked->pid) {
		snprintf(pid, sizeof(pid), "%d", asked->pid);
		what = pid;
	}
	if (is_pid && (strtol(what, &end, 10) <= 0 || *end))
		return complain(option, "`%s` is not a process id", what);
	if (is_pid)
		snprintf(path, sizeof(path), "/proc/%s/ns/net", what);
	else if (strchr(what, '/'))
		snprintf(path, sizeof(path), "%s", what);
	else
		snprintf(path, sizeof(path), "/run/netns/%s", what);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && is_pid && errno == ENOENT)
		return complain(option, "there is no process %s", what);
	if (fd < 0)
		return complain(option, "%s: %s%s", path, strerror(errno),
				errno == EACCES ? "; root may look into other users' processes" : "");
	int rc = setns(fd, CLONE_NEWNET);
	if (rc && errno == EPERM && is_pid && enter_user_namespace(what))
		rc = setns(fd, CLONE_NEWNET);
	int why = errno;
	close(fd);
	if (rc && why == EINVAL) /* setns(2): of another kind, or no namespace at all */
		return complain(option, "%s: is not a network namespace", path);
	if (rc)
		return complain(option, "%s: %s%s", path, strerror(why),
				why == EPERM ? "; root may enter other network namespaces" : "");
	return STATUS_FINE;
}

const char *netns_prefix(const struct netns_asked *asked, char *out, size_t size)
{
	*out = '\0';
	if (!asked || !asked->what)
		return out;
	if (asked->pid)
		snprintf(out, size, "nsenter --target %d --net -- ", asked->pid);
	else if (!strcmp(asked->option, "--pid"))
		snprintf(out, size, "nsenter --target %s --net -- ", asked->what);
	else if (strchr(asked->what, '/'))
		snprintf(out, size, "nsenter --net=%s -- ", asked->what);
	else
		snprintf(out, size, "ip netns exec %s ", asked->what);
	return out;
}

const char *netns_option(const struct netns_asked *asked, char *out, size_t size)
{
	*out = '\0';
	if (asked && asked->what)
		snprintf(out, size, " %s %s", asked->option, asked->what);
	return out;
}
