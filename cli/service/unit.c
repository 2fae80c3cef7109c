// SPDX-License-Identifier: Apache-2.0
/* unit - what systemd knows of a unit. */
#include "cli/service/unit.h"

#include "cli/service/command.h"
#include "cli/service/systemctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *unit_name(const char *word, char *out)
{
	const char *dot = strrchr(word, '.');
	int used =
		snprintf(out, UNIT_NAME_MAX, "%s%s", word, dot && !strcmp(dot, ".service") ? "" : ".service");

	if (!*word || *word == '-' || *word == '.' || strchr(word, '/'))
		return "is not the name of a unit";
	if (used >= UNIT_NAME_MAX)
		return "is too long for the name of a unit";
	if (dot && (!strcmp(dot, ".socket") || !strcmp(dot, ".timer") || !strcmp(dot, ".target") ||
		    !strcmp(dot, ".slice") || !strcmp(dot, ".scope") || !strcmp(dot, ".path") ||
		    !strcmp(dot, ".mount")))
		return "starts no program itself: name a service";
	if (strstr(out, "@.service"))
		return "is a template: name an instance, as in worker@1.service";
	return NULL;
}

void unit_take(const char *name, const char *shown, struct unit *out)
{
	snprintf(out->name, sizeof(out->name), "%s", name);
	out->length = strlen(shown);
	out->shown = strdup(shown);
	if (!out->shown)
		abort();
	for (size_t i = 0; i < out->length; i++)
		if (out->shown[i] == '\n')
			out->shown[i] = '\0';
}

bool unit_read(const char *name, struct unit *out, char *reason, size_t size)
{
	const char *words[] = { "systemctl", "show", "--all", "--no-pager", name, NULL };
	struct said said;

	if (!systemd_runs(reason, size)) {
		unit_take(name, "", out);
		return false;
	}
	bool good = command_run(words, &said);
	unit_take(name, good ? said.out : "", out);
	if (!good)
		snprintf(reason, size, "%s", *said.err ? said_why(&said) : "systemctl show failed");
	said_free(&said);
	return good;
}

void unit_free(struct unit *unit)
{
	free(unit->shown);
	unit->shown = NULL;
}

/* The value of the property at @at or behind; NULL if there is none. */
static const char *find(const struct unit *unit, const char *at, const char *property)
{
	size_t length = strlen(property);

	for (; at < unit->shown + unit->length; at += strlen(at) + 1)
		if (!strncmp(at, property, length) && at[length] == '=')
			return at + length + 1;
	return NULL;
}

const char *unit_value(const struct unit *unit, const char *property)
{
	const char *value = find(unit, unit->shown, property);
	return value ? value : "";
}

bool unit_is(const struct unit *unit, const char *property, const char *value)
{
	return !strcmp(unit_value(unit, property), value);
}

char *unit_lines(const struct unit *unit, const char *property)
{
	char *lines = NULL;
	size_t size;
	FILE *out = open_memstream(&lines, &size);

	if (!out)
		abort();
	for (const char *value = unit->shown; (value = find(unit, value, property)); value += strlen(value))
		fprintf(out, "%s%s", ftell(out) ? "\n" : "", value);
	fclose(out);
	return lines;
}

void unit_program(const struct unit *unit, char *out, size_t size)
{
	const char *value = strstr(unit_value(unit, "ExecStart"), "path=");

	*out = '\0';
	if (value)
		snprintf(out, size, "%.*s", (int)strcspn(value + 5, " ;"), value + 5);
}

bool unit_set_has(const char *set, const char *word)
{
	bool denied = *set == '~', found = false;
	size_t length = strlen(word);

	if (!*set)
		return true;
	for (const char *at = set + denied; *(at += strspn(at, " ")); at += strcspn(at, " "))
		/* A call may have an error number behind it: `bind:EPERM`. */
		found = found || (!strncmp(at, word, length) && strchr(" :", at[length]));
	return found != denied;
}
