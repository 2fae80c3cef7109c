// SPDX-License-Identifier: Apache-2.0
/* process - a program, or a process: which way reaches it, and what stands in the way. */
#include "cli/doctor/process.h"

#include "cli/attach/reached.h"
#include "cli/doctor/bypass.h"
#include "cli/shared/identity.h"
#include "cli/shared/program.h"
#include "pool/base/printable.h"
#include "pool/base/resting.h"
#include "pool/segment/read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 65536 };

/* Return: bytes, or -1; @out ends with a 0. */
static ssize_t read_of(int pid, const char *name, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0, used = 0;
	while (fd >= 0 && (size_t)used < size - 1 &&
	       (got = read(fd, out + used, size - 1 - (size_t)used)) > 0)
		used += got;
	if (fd >= 0)
		close(fd);
	out[used] = '\0';
	return fd < 0 || got < 0 ? -1 : used;
}

void doctor_program(struct findings *findings, const char *path)
{
	struct program program;
	bool reached = program_check(path, &program);

	if (program.no_interpreter)
		finding_add(findings, FINDING_BAD, "program", NULL, "%s: its interpreter %s is missing", path,
			    program.path);
	else if (reached && !program.doubtful)
		finding_add(findings, FINDING_OK, "program", NULL, "%s: the shim reaches it", program.path);
	else
		finding_add(findings, FINDING_BAD, "program", "headroom attach, which reaches it", "%s %s",
			    program.path, program.why);
}

void doctor_disabled(struct findings *findings)
{
	if (resting_file_counts(false))
		finding_add(findings, FINDING_BAD, "shim", "headroom enable", "disabled by " RESTING_FILE);
}

/* A variable of the process' environment, as it was at its start. Return: NULL if it is not there */
static const char *variable(const char *environment, ssize_t size, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = environment; at < environment + size; at += strlen(at) + 1)
		if (!strncmp(at, name, length) && at[length] == '=')
			return at + length + 1;
	return NULL;
}

struct search {
	int pid;
	uint64_t network, since_ns, opened;
};

static void take_segment(const char *path, struct usage *usage, void *argument)
{
	struct search *search = argument;

	(void)path;
	if (!usage->running || usage->attached || usage->merged || (int)usage->header.pid != search->pid)
		return;
	search->since_ns = usage->header.started_realtime_ns;
	for (unsigned i = 0; i < usage->entry_count; i++)
		search->opened += usage->entries[i].opened;
}

static void look_at_segment(struct findings *findings, int pid)
{
	struct arena arena = { 0 };
	struct search search = { .pid = pid };
	char since[32] = "";

	usage_walk(&arena, getenv("HEADROOM_STATE_DIR"), getenv("XDG_RUNTIME_DIR"), take_segment, NULL,
		   &search);
	arena_release(&arena);
	time_t at = (time_t)(search.since_ns / 1000000000u);
	struct tm utc;
	if (search.since_ns && gmtime_r(&at, &utc))
		strftime(since, sizeof(since), "%FT%TZ", &utc);
	if (*since)
		finding_add(findings, FINDING_OK, "shim", NULL, "loaded, counts since %s: %llu %s", since,
			    (unsigned long long)search.opened,
			    one_or_many(search.opened, "connection", "connections"));
	else
		finding_add(findings, FINDING_OK, "shim", NULL,
			    "loaded; no counts: no connection so far, or another user's, or "
			    "HEADROOM_STATE_DIR is "
			    "another");
}

static void say_how_to_load(struct findings *findings, const char *unit)
{
	if (unit)
		findings_todo(findings, "headroom service enable %s", unit);
	else
		findings_todo(findings, "start it by `headroom run`, or headroom attach");
}

/* The loader passes over what it does not find (ld.so(8)). */
static void look_at_preload(struct findings *findings, int pid, const char *preload)
{
	char there[PATH_MAX + 64], *words = strdup(preload), *rest = NULL;
	struct statvfs fs;

	for (char *word = words ? strtok_r(words, ": ", &rest) : NULL; word;
	     word = strtok_r(NULL, ": ", &rest)) {
		if (!strstr(word, "libheadroom.so")) {
			finding_add(findings, FINDING_NOTE, "preload", NULL,
				    "%s is in LD_PRELOAD too: what it hooks before the shim is its own",
				    word);
			continue;
		}
		snprintf(there, sizeof(there), "/proc/%d/root%s", pid, word);
		if (identity_under_shim(pid))
			continue;
		if (access(there, F_OK))
			finding_add(findings, FINDING_BAD, "preload", "put the library there",
				    "%s is not there%s", word,
				    errno == EACCES ? ", or cannot be reached" : ", as the process sees it");
		else if (!statvfs(there, &fs) && fs.f_flag & ST_NOEXEC)
			finding_add(findings, FINDING_BAD, "preload", "put it on another file system",
				    "%s is on a file system that is mounted noexec", word);
		else
			finding_add(findings, FINDING_BAD, "preload", NULL,
				    "LD_PRELOAD names %s, but the loader did not load it: the program was "
				    "given more "
				    "rights, or its rights to read it are missing",
				    word);
	}
	free(words);
}

/* @attached: the other way reaches it */
static void look_at_shim(struct findings *findings, int pid, const char *unit, bool attached)
{
	char *environment = malloc(TEXT_MAX), maps[1];
	ssize_t size = environment ? read_of(pid, "environ", environment, TEXT_MAX) : -1;
	const char *preload = size > 0 ? variable(environment, size, "LD_PRELOAD") : NULL;
	const char *disable = size > 0 ? variable(environment, size, "HEADROOM_DISABLE") : NULL;
	bool loaded = identity_under_shim(pid);

	if (size < 0 || read_of(pid, "maps", maps, sizeof(maps)) < 0)
		finding_add(findings, FINDING_UNKNOWN, "shim", "ask as root, or as its user",
			    "whether it is loaded does not show: %s", strerror(errno));
	else if (loaded && disable && *disable && strcmp(disable, "0"))
		finding_add(findings, FINDING_BAD, "shim", "start it without",
			    "loaded, but HEADROOM_DISABLE is set");
	else if (loaded) {
		look_at_segment(findings, pid);
		doctor_bypass(findings, pid);
	} else {
		finding_add(findings, attached ? FINDING_NOTE : FINDING_BAD, "shim", NULL, "not loaded");
		if (!attached)
			say_how_to_load(findings, unit);
	}
	if (preload)
		look_at_preload(findings, pid, preload);
	free(environment);
}

/* "KEY:\tvalue" of /proc/PID/status. */
static const char *field(const char *status, const char *key)
{
	const char *at = strstr(status, key);
	return at ? at + strlen(key) + strspn(at + strlen(key), " \t") : "";
}

static void look_at_sandbox(struct findings *findings, int pid)
{
	char status[8192], profile[256], path[64];

	if (read_of(pid, "status", status, sizeof(status)) < 0)
		return;
	if (*field(status, "\nSeccomp:") == '2')
		finding_add(findings, FINDING_NOTE, "seccomp", "name the sources, instead of auto",
			    "it is under a filter: where that forbids netlink, `auto` is the kernel's choice "
			    "alone; "
			    "where it is the program's own, the shim does nothing");
	if (read_of(pid, "attr/current", profile, sizeof(profile)) > 0 && strstr(profile, "(enforce)"))
		finding_add(findings, FINDING_NOTE, "apparmor",
			    "have libheadroom.so in the multiarch library folder",
			    "profile %.*s: it may not let the library be read from elsewhere",
			    (int)strcspn(profile, "\n"), profile);
	snprintf(path, sizeof(path), "/proc/%d/root/proc/sys/net/ipv4/ip_local_port_range", pid);
	if (access(path, R_OK) && errno != EACCES)
		finding_add(findings, FINDING_BAD, "proc", "let it see /proc/sys (ProcSubset=all)",
			    "/proc/sys is hidden from it: the shim does not learn the range, and removes no "
			    "knee");
}

static bool same_namespace(int pid, const char *kind)
{
	char ours[64], theirs[64];
	struct stat a, b;

	snprintf(ours, sizeof(ours), "/proc/self/ns/%s", kind);
	snprintf(theirs, sizeof(theirs), "/proc/%d/ns/%s", pid, kind);
	return stat(ours, &a) || stat(theirs, &b) || a.st_ino == b.st_ino;
}

static void look_at_namespaces(struct findings *findings, int pid)
{
	if (!same_namespace(pid, "net"))
		finding_add(findings, FINDING_NOTE, "network", NULL,
			    "another network namespace than here: its ports and sources are looked at");
	if (!same_namespace(pid, "mnt"))
		finding_add(findings, FINDING_NOTE, "files", NULL,
			    "another mount namespace: the library, a rule file and " RESTING_FILE
			    " are its own");
	if (!same_namespace(pid, "user"))
		finding_add(findings, FINDING_NOTE, "user", NULL, "another user namespace");
}

static void tell_attach(struct findings *findings, enum attached state, const char *reason)
{
	if (state == ATTACHED)
		finding_add(findings, FINDING_OK, "attach", NULL, "attached: %s", reason);
	else if (state == ATTACHED_NOT)
		finding_add(findings, FINDING_NOTE, "attach", NULL, "not attached; it could be");
	else
		finding_add(findings, FINDING_NOTE, "attach", NULL, "not here: %s", reason);
}

void doctor_process(struct findings *findings, int pid, const char *unit)
{
	char path[64], exe[PATH_MAX], reason[ATTACHED_REASON_MAX];
	enum attached state = attached_process(pid, reason);
	struct program program;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	ssize_t length = readlink(path, exe, sizeof(exe) - 1);
	if (length < 0) {
		finding_add(findings, FINDING_UNKNOWN, "program", "ask as root, or as its user",
			    "its program does not show: %s", strerror(errno));
		return;
	}
	exe[length] = '\0';
	bool reached = program_check(path, &program) && !program.doubtful;
	if (reached)
		finding_add(findings, FINDING_OK, "program", NULL, "%s: the shim reaches it", exe);
	else
		finding_add(findings, state == ATTACHED ? FINDING_NOTE : FINDING_BAD, "program",
			    state == ATTACHED ? NULL : "headroom attach, which reaches it", "%s %s", exe,
			    program.why);
	if (reached)
		look_at_shim(findings, pid, unit, state == ATTACHED);
	tell_attach(findings, state, reason);
	look_at_sandbox(findings, pid);
	look_at_namespaces(findings, pid);
}
