// SPDX-License-Identifier: Apache-2.0
/* obstacles - what in a unit stands in the way of the shim. */
#include "cli/service/obstacles.h"

#include "cli/shared/program.h"

#include <endian.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

struct search {
	const struct unit *unit;
	const struct wanted *wanted;
	obstacle_found *found;
	void *context;
	int stops;
};

__attribute__((format(printf, 3, 4))) static void tell(struct search *search, bool stops, const char *format,
						       ...)
{
	char text[PROGRAM_PATH_MAX + PROGRAM_WHY_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	search->stops += stops;
	search->found(stops, text, search->context);
}

static bool set(const struct unit *unit, const char *property)
{
	return *unit_value(unit, property);
}

/* With NoNewPrivileges= a program gets none of the capabilities of its file; but that they were to be
 * effective makes it AT_SECURE all the same (cap_bprm_creds_from_file(), security/commoncap.c). */
static bool has_capabilities(const char *path, bool no_new_privileges)
{
	struct vfs_ns_cap_data data = { 0 };
	ssize_t size = getxattr(path, "security.capability", &data, sizeof(data));

	return size > 0 && (!no_new_privileges || le32toh(data.magic_etc) & VFS_CAP_FLAGS_EFFECTIVE);
}

/* More rights than the service's user has make it AT_SECURE, and then the loader drops LD_PRELOAD (ld.so(8)).
 * With NoNewPrivileges= nothing is set-user-ID. */
static void look_at_rights(struct search *search, const char *path)
{
	const char *user = unit_value(search->unit, "User");
	bool no_new_privileges = unit_is(search->unit, "NoNewPrivileges", "yes");
	struct stat st;

	if (stat(path, &st))
		return;
	bool root = (!*user || !strcmp(user, "root") || !strcmp(user, "0")) &&
		    !unit_is(search->unit, "DynamicUser", "yes");
	if (root)
		return;
	if (!no_new_privileges && (st.st_mode & S_ISUID || (st.st_mode & S_ISGID && st.st_mode & S_IXGRP)))
		tell(search, true, "%s is set-user-ID or set-group-ID: the loader ignores LD_PRELOAD for it",
		     path);
	else if (has_capabilities(path, no_new_privileges))
		tell(search, true, "%s has file capabilities: the loader ignores LD_PRELOAD for it", path);
}

static void look_at_program(struct search *search)
{
	char path[PROGRAM_PATH_MAX];
	struct program program;

	unit_program(search->unit, path, sizeof(path));
	if (!*path) {
		tell(search, true, "it has no ExecStart=");
	} else if (set(search->unit, "RootDirectory") || set(search->unit, "RootImage")) {
		tell(search, true,
		     "it runs in another root folder (RootDirectory= or RootImage=), where the shim is not");
	} else if (!program_check(path, &program)) {
		tell(search, true, "%s %s", program.path, program.why);
	} else if (program.doubtful) {
		tell(search, true, "%s %s", program.path, program.why);
	} else {
		look_at_rights(search, path);
		if (strcmp(path, program.path))
			look_at_rights(search, program.path);
	}
}

/* The calls that the shim makes of its own where it spreads; what a filter does to others it asks nothing of.
 */
static void look_at_calls(struct search *search)
{
	static const char *const calls[] = { "bind", "setsockopt", "getsockopt", "getsockname" };
	const char *filter = unit_value(search->unit, "SystemCallFilter");

	if (!*filter)
		return;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (search->wanted->sources && !unit_set_has(filter, calls[i]))
			tell(search, true, "SystemCallFilter= does not let in %s(), which spreading needs",
			     calls[i]);
}

static void look_at_network(struct search *search)
{
	const struct unit *unit = search->unit;

	if (search->wanted->automatic &&
	    !unit_set_has(unit_value(unit, "RestrictAddressFamilies"), "AF_NETLINK"))
		tell(search, true,
		     "RestrictAddressFamilies= has no AF_NETLINK, by which addresses are asked for: name the "
		     "sources instead of auto");
	if (!unit_set_has(unit_value(unit, "RestrictAddressFamilies"), "AF_INET") &&
	    !unit_set_has(unit_value(unit, "RestrictAddressFamilies"), "AF_INET6"))
		tell(search, true, "RestrictAddressFamilies= lets it make no connection by TCP");
	if (unit_is(unit, "PrivateNetwork", "yes"))
		tell(search, search->wanted->sources,
		     "PrivateNetwork=yes: it has a network of its own with loopback alone");
	else if (set(unit, "NetworkNamespacePath"))
		tell(search, false, "NetworkNamespacePath=: sources are addresses of that namespace");
}

static void look_at_files(struct search *search)
{
	const struct unit *unit = search->unit;

	if (unit_is(unit, "ProcSubset", "pid"))
		tell(search, false,
		     "ProcSubset=pid hides /proc/sys: the shim does not learn the port range, and removes no "
		     "knee");
	if (unit_is(unit, "PrivateIPC", "yes") || unit_is(unit, "PrivateTmp", "disconnected"))
		tell(search, false, "its counts may be where `headroom report` does not look");
	if (set(unit, "AppArmorProfile"))
		tell(search, false,
		     "it has an AppArmor profile: the shim is in a folder of the base abstraction");
}

static void look_at_variables(struct search *search)
{
	if (strstr(unit_value(search->unit, "UnsetEnvironment"), "LD_PRELOAD"))
		tell(search, true, "UnsetEnvironment= takes LD_PRELOAD out");
}

int obstacles_find(const struct unit *unit, const struct wanted *wanted, obstacle_found *found, void *context)
{
	struct search search = { .unit = unit, .wanted = wanted, .found = found, .context = context };

	look_at_program(&search);
	look_at_calls(&search);
	look_at_network(&search);
	look_at_files(&search);
	look_at_variables(&search);
	return search.stops;
}
