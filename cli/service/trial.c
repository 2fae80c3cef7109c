// SPDX-License-Identifier: Apache-2.0
/* trial - is the shim loaded in a unit's own sandbox?
 *
 * What is run is grep, which counts the lines of its own maps with the shim's code. It needs few rights
 * and calls, and is on every Debian. What it needs and the sandbox does not give makes it fail without the
 * shim too, which is why it is run without first. */
#include "cli/service/trial.h"

#include "cli/service/command.h"
#include "cli/service/systemctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of those of systemd.exec(5) what bears on who the program is, what it sees and what it may. */
static const char *const copied[] = {
	"User",
	"Group",
	"SupplementaryGroups",
	"DynamicUser",
	"NoNewPrivileges",
	"CapabilityBoundingSet",
	"AmbientCapabilities",
	"SystemCallFilter",
	"SystemCallArchitectures",
	"RestrictAddressFamilies",
	"RestrictNamespaces",
	"RestrictRealtime",
	"RestrictSUIDSGID",
	"LockPersonality",
	"MemoryDenyWriteExecute",
	"ProtectProc",
	"ProcSubset",
	"ProtectSystem",
	"ProtectHome",
	"ProtectKernelTunables",
	"ProtectKernelModules",
	"ProtectKernelLogs",
	"ProtectControlGroups",
	"ProtectClock",
	"ProtectHostname",
	"PrivateTmp",
	"PrivateDevices",
	"PrivateNetwork",
	"PrivateUsers",
	"PrivateIPC",
	"InaccessiblePaths",
	"ReadOnlyPaths",
	"ReadWritePaths",
	"NoExecPaths",
	"ExecPaths",
	"TemporaryFileSystem",
	"BindPaths",
	"BindReadOnlyPaths",
	"MountAPIVFS",
	"AppArmorProfile",
	"SELinuxContext",
	"NetworkNamespacePath",
	"LimitAS",
	"LimitNOFILE",
	"LimitFSIZE",
};
enum { COPIED = sizeof(copied) / sizeof(copied[0]) };

struct words {
	const char *list[SYSTEMCTL_WORDS_MAX];
	char *made[SYSTEMCTL_WORDS_MAX];
	int count, made_count;
};

static void add(struct words *words, const char *word)
{
	if (words->count < SYSTEMCTL_WORDS_MAX - 1)
		words->list[words->count++] = word;
}

static void add_assignment(struct words *words, const char *front, const char *name, const char *value)
{
	char *word;

	if (asprintf(&word, "%s%s=%s", front, name, value) < 0)
		abort();
	words->made[words->made_count++] = word;
	add(words, word);
}

/* systemctl's way to show a value is not always the way to set it: what cannot be set is left out. */
static bool can_be_set(const char *value)
{
	return *value && strcmp(value, "[not set]") && strcmp(value, "infinity") && !strchr(value, '{');
}

static void add_sandbox(struct words *words, const struct unit *unit)
{
	for (int i = 0; i < COPIED; i++) {
		const char *value = unit_value(unit, copied[i]);
		if (can_be_set(value)) {
			add(words, "-p");
			add_assignment(words, "", copied[i], value);
		}
	}
}

static void add_variables(struct words *words, const struct drop_in *drop_in)
{
	if (!drop_in)
		return;
	add_assignment(words, "--setenv=", "LD_PRELOAD", drop_in->preload);
	for (int i = 0; i < DROP_IN_VARIABLES_MAX && drop_in->variables[i].name; i++)
		add_assignment(words, "--setenv=", drop_in->variables[i].name, drop_in->variables[i].value);
}

/* grep prints how many lines it found, and has the status 1 if it is none. */
static void run(const struct unit *unit, const struct drop_in *drop_in, struct said *said)
{
	static const char *const front[] = { "systemd-run", "--wait", "--pipe", "--quiet", "--collect" };
	static const char *const program[] = { "/bin/grep", "-c", " r-xp .*/libheadroom.so",
					       "/proc/self/maps" };
	struct words words = { 0 };

	for (size_t i = 0; i < sizeof(front) / sizeof(front[0]); i++)
		add(&words, front[i]);
	add_sandbox(&words, unit);
	add_variables(&words, drop_in);
	add(&words, "--");
	for (size_t i = 0; i < sizeof(program) / sizeof(program[0]); i++)
		add(&words, program[i]);
	command_run(words.list, said);
	for (int i = 0; i < words.made_count; i++)
		free(words.made[i]);
}

static const char *first_line(char *text)
{
	text[strcspn(text, "\n")] = '\0';
	return text;
}

enum trial trial_run(const struct unit *unit, const struct drop_in *drop_in, char *reason, size_t size)
{
	enum trial outcome = TRIAL_LOADED;
	struct said plain, with;

	run(unit, NULL, &plain);
	/* Another count, or none: systemd-run or the sandbox did not let it. */
	if (strcmp(plain.out, "0")) {
		snprintf(reason, size, "%s",
			 *plain.err ? first_line(plain.err) : "grep ends by a signal there");
		said_free(&plain);
		return TRIAL_IMPOSSIBLE;
	}
	run(unit, drop_in, &with);
	if (with.status)
		outcome = TRIAL_REFUSED;
	else if (strstr(with.err, "event=config") || strstr(with.err, "\"event\":\"config\""))
		outcome = TRIAL_REFUSED;
	if (outcome == TRIAL_REFUSED)
		snprintf(reason, size, "%s",
			 *with.err         ? first_line(with.err)
			 : with.status > 1 ? "a program ends there with the shim, and not without"
					   : "the loader does not load it there, and says nothing");
	said_free(&plain);
	said_free(&with);
	return outcome;
}
