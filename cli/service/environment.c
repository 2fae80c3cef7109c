// SPDX-License-Identifier: Apache-2.0
/* environment - the LD_PRELOAD that a unit has of its own, and one in front of it. */
#include "cli/service/environment.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char SHIM_NAME[] = "libheadroom.so";

/* One character of a word. Return: what follows it; NULL at the word's end. */
static const char *take_character(const char *at, char *quote, char *out)
{
	for (;;) {
		if (!*at || (!*quote && strchr(" \t\n", *at)))
			return NULL;
		if (*quote ? *at == *quote : *at == '"' || *at == '\'') {
			*quote = *quote ? '\0' : *at;
			at++;
		} else if (!*quote && !strncmp(at, "$'", 2)) {
			at++;
		} else {
			break;
		}
	}
	if (*at == '\\' && at[1] && *quote != '\'')
		at++;
	*out = *at;
	return at + 1;
}

/* Return: what follows the word; a word that is too long is cut. */
static const char *take_word(const char *at, char *out, size_t size)
{
	char quote = '\0', byte;
	size_t used = 0;
	const char *next;

	while ((next = take_character(at, &quote, &byte))) {
		if (used + 1 < size)
			out[used++] = byte;
		at = next;
	}
	out[used] = '\0';
	/* A quote that was closed at the very end. */
	while (*at == '"' || *at == '\'')
		at++;
	return at;
}

static bool take_value(const char *word, const char *name, char *out)
{
	size_t length = strlen(name);

	if (strncmp(word, name, length) || word[length] != '=')
		return false;
	snprintf(out, ENVIRONMENT_VALUE_MAX, "%s", word + length + 1);
	return true;
}

bool environment_word(const char *words, const char *name, char *out)
{
	char word[ENVIRONMENT_VALUE_MAX];
	bool found = false;

	while (words && *(words += strspn(words, " \t\n"))) {
		words = take_word(words, word, sizeof(word));
		found = take_value(word, name, out) || found;
	}
	return found;
}

static bool look_into(const char *path, const char *name, char *out)
{
	char *line = NULL, word[ENVIRONMENT_VALUE_MAX];
	bool found = false;
	size_t size = 0;
	FILE *file = fopen(path, "re");

	while (file && getline(&line, &size, file) > 0) {
		const char *text = line + strspn(line, " \t");
		if (*text == '#' || *text == ';')
			continue;
		take_word(text, word, sizeof(word));
		found = take_value(word, name, out) || found;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

bool environment_files(const char *lines, const char *name, char *out)
{
	bool found = false;

	while (lines && *lines) {
		const char *end = strchrnul(lines, '\n'), *mark = strstr(lines, " (ignore_errors");
		char *pattern = strndup(lines, (size_t)((mark && mark < end ? mark : end) - lines));
		glob_t files;
		/* What an earlier enable wrote is no word of the unit's own. */
		bool ours = pattern && strstr(pattern, "/50-headroom.env");
		if (pattern && !ours && !glob(pattern, 0, NULL, &files)) {
			for (size_t i = 0; i < files.gl_pathc; i++)
				found = look_into(files.gl_pathv[i], name, out) || found;
			globfree(&files);
		}
		free(pattern);
		lines = *end ? end + 1 : end;
	}
	return found;
}

static bool is_shim(const char *path, size_t length)
{
	size_t own = sizeof(SHIM_NAME) - 1;

	return length >= own && !memcmp(path + length - own, SHIM_NAME, own) &&
	       (length == own || path[length - own - 1] == '/');
}

bool environment_preload(const char *shim, const char *others, char *out)
{
	int used = snprintf(out, ENVIRONMENT_VALUE_MAX, "%s", shim);

	/* Spaces part names, too (ld.so(8)). */
	while (others && *(others += strspn(others, ": "))) {
		size_t length = strcspn(others, ": ");
		if (!is_shim(others, length) && used < ENVIRONMENT_VALUE_MAX)
			used += snprintf(out + used, ENVIRONMENT_VALUE_MAX - (size_t)used, ":%.*s",
					 (int)length, others);
		others += length;
	}
	return used < ENVIRONMENT_VALUE_MAX;
}
