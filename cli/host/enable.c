// SPDX-License-Identifier: Apache-2.0
/* enable - `headroom host enable`: into every program, after one has run with it. */
#include "cli/host/enable.h"

#include "cli/host/place.h"
#include "cli/host/start.h"
#include "cli/host/watch.h"
#include "cli/service/command.h"
#include "cli/shared/complain.h"
#include "cli/shared/shim_path.h"
#include "pool/rules/file.h"
#include "pool/rules/host_wide.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REASON_SIZE = 512, RULES_MAX = 1 << 20 };

/* The list as the shim reads it. */
static int take_include(const char *names, char *list)
{
	size_t used = 0;

	if (!names || !*names)
		return complain("host enable", "name the programs that it is for: --include NAME,NAME");
	for (const char *at = names; *at;) {
		size_t length = strcspn(at, ",");
		if (!length || memchr(at, '/', length) || memchr(at, '*', length) || memchr(at, '\n', length))
			return complain("--include", "`%.*s` is not the name of a program", (int)length, at);
		if (used + length + 2 > HOST_INCLUDE_MAX)
			return complain("--include", "has too many names");
		used += (size_t)sprintf(list + used, "%.*s\n", (int)length, at);
		at += length + (at[length] == ',');
	}
	return STATUS_FINE;
}

static int copy_rules(const char *path, char **rules)
{
	size_t size;
	FILE *in = fopen(path, "re"), *out = open_memstream(rules, &size);
	int byte;

	while (in && out && (byte = fgetc(in)) != EOF)
		fputc(byte, out);
	if (out)
		fclose(out);
	if (!in || !out)
		return complain(path, "%s", strerror(errno));
	fclose(in);
	return STATUS_FINE;
}

/* Checked with the code that the shim uses. */
static int take_rules(const struct host_options *options, char **rules)
{
	static struct arena arena;
	static struct settings settings;
	struct complaint complaint;
	char reason[REASON_MAX];

	settings_default(&settings);
	if (options->rule && (options->sources || options->spread))
		return complain("host enable", "either --rule, or --sources and --spread");
	if (options->rule && !rule_file_read(&arena, &settings, options->rule, &complaint))
		return complain(complaint.place, "%s", complaint.reason);
	if (options->rule)
		return copy_rules(options->rule, rules);
	if (options->sources && (!settings_set(&arena, &settings, "sources", options->sources, reason) ||
				 !source_list_complete(&settings.otherwise.sources, reason)))
		return complain("--sources", "%s", reason);
	if (options->spread && !settings_set(&arena, &settings, "spread", options->spread, reason))
		return complain("--spread", "%s", reason);
	if (asprintf(rules, "[headroom]\n%s%s\n%s%s\n", options->sources ? "sources = " : "",
		     options->sources ? options->sources : "", options->spread ? "spread = " : "",
		     options->spread ? options->spread : "") < 0)
		abort();
	return STATUS_FINE;
}

/* Return: did it end well, and say nothing? */
static bool runs(const char *const *words, const char *expected, char *reason, size_t size)
{
	struct said said;

	command_run(words, &said);
	bool good = !said.status && !*said.err && !strcmp(said.out, expected);
	if (!good)
		snprintf(reason, size, "`%s` under it ends with %d: %s", words[0], said.status,
			 *said.err ? said_why(&said) : said.out);
	said_free(&said);
	return good;
}

/* As every program will have it, by the name that it will have; also one of another user. */
static int try_it(void)
{
	static const char *const plain[] = { "env", "LD_PRELOAD=" HOST_SHIM, "true", NULL };
	static const char *const shell[] = { "env", "LD_PRELOAD=" HOST_SHIM, "sh",
					     "-c",  "echo $((6 * 7)) | cat", NULL };
	static const char *const loaded[] = { "env", "LD_PRELOAD=" HOST_SHIM,   "grep",
					      "-c",  " r-xp .*/libheadroom.so", "/proc/self/maps",
					      NULL };
	static const char *const nobody[] = { "setpriv",
					      "--reuid",
					      "65534",
					      "--clear-groups",
					      "env",
					      "LD_PRELOAD=" HOST_SHIM,
					      "sh",
					      "-c",
					      "echo $((6 * 7)) | cat",
					      NULL };
	char reason[REASON_SIZE];

	if (runs(plain, "", reason, sizeof(reason)) && runs(shell, "42", reason, sizeof(reason)) &&
	    runs(loaded, "1", reason, sizeof(reason)) && runs(nobody, "42", reason, sizeof(reason)))
		return STATUS_FINE;
	return complain("host enable", "nothing was changed: %s", reason);
}

/* What it was tried for. */
static bool works(char *reason, size_t size)
{
	static const char *const words[] = { "sh", "-c", "echo $((6 * 7)) | cat", NULL };
	return runs(words, "42", reason, size);
}

static int turn_on(void)
{
	char reason[REASON_SIZE];

	if (!watch_start(reason, sizeof(reason)))
		return complain("host enable", "nothing was changed: %s", reason);
	int rc = place_turn_on();
	if (rc)
		return complain(LOADER_FILE, "%s", strerror(-rc));
	if (works(reason, sizeof(reason)))
		return STATUS_FINE;
	place_turn_off();
	complain("host enable", "taken back: %s", reason);
	return STATUS_BAD_NEWS;
}

static int check_place(char *shim)
{
	char reason[REASON_SIZE];
	int status = shim_path_find(0, shim);

	if (status)
		return status;
	if (geteuid())
		return complain("host enable", "needs root");
	if (place_look() == PLACE_OF_OTHERS)
		return complain(LOADER_FILE, "is there already, with entries of others: it stays as it is");
	if (!place_may_be_preloaded(shim, reason, sizeof(reason)))
		return complain("host enable", "%s, and it would be in every program", reason);
	return STATUS_FINE;
}

int host_enable(const struct host_options *options)
{
	char shim[PATH_MAX], list[HOST_INCLUDE_MAX], *rules = NULL;
	int status = take_include(options->include, list);

	if (!status)
		status = take_rules(options, &rules);
	if (!status)
		status = check_place(shim);
	if (!status && place_is_on())
		status = complain("host enable", "is enabled already; `headroom host disable` first");
	if (status) {
		free(rules);
		return status;
	}
	unlink(TAKEN_BACK);
	int rc = place_fill(shim, list, rules);
	free(rules);
	status = rc ? complain(HOST_FOLDER, "%s", strerror(-rc)) : try_it();
	if (!status)
		status = turn_on();
	if (status) {
		place_turn_off();
		return status;
	}
	printf("every program that starts from now on has the shim, and it works in:\n%s", list);
	printf("until the next boot, `headroom host disable`, or ten programs in a row that die by a "
	       "signal\n");
	return STATUS_FINE;
}

int host_disable(void)
{
	bool on = place_look() == PLACE_OURS;
	int watcher = watch_pid();

	if (geteuid())
		return complain("host disable", "needs root");
	int rc = place_turn_off();
	if (rc)
		return complain(HOST_PRELOAD, "%s", strerror(-rc));
	unlink(TAKEN_BACK);
	if (watcher)
		kill(watcher, SIGTERM);
	puts(on ? "programs that start from now on are without; those that run have it until they end"
		: "it was not enabled");
	return STATUS_FINE;
}

static void print_file(const char *front, const char *path)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "re");

	while (file && getline(&line, &size, file) > 0)
		printf("%s%s", front, line);
	free(line);
	if (file)
		fclose(file);
}

int host_status(void)
{
	int watcher = watch_pid();

	if (!place_is_on()) {
		puts(place_look() == PLACE_OURS
			     ? "off since the last boot; `headroom host disable` removes the link"
			     : "off");
		if (access(TAKEN_BACK, F_OK))
			return STATUS_FINE;
		print_file("taken back at ", TAKEN_BACK);
		return STATUS_BAD_NEWS;
	}
	puts("on: in every program, and at work in:");
	print_file("  ", HOST_INCLUDE);
	print_file("  rules: ", HOST_RULES);
	if (!watcher) {
		puts("nobody watches: it is not taken back when programs die");
		return STATUS_BAD_NEWS;
	}
	printf("watched by process %d\n", watcher);
	return STATUS_FINE;
}
