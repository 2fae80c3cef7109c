// SPDX-License-Identifier: Apache-2.0
/* drop_in - the file that puts the shim in front of a service.
 *
 * UNIT.d/50-headroom.conf, in /etc/systemd/system, or for until the next boot in /run/systemd/system. Its
 * first line says who wrote it: without that line it is not touched. Where the unit has an LD_PRELOAD from an
 * EnvironmentFile=, which goes before Environment=, it has an EnvironmentFile= of its own, 50-headroom.env
 * beside it. */
#ifndef HEADROOM_CLI_SERVICE_DROP_IN_H
#define HEADROOM_CLI_SERVICE_DROP_IN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define DROP_IN_MARK "# Written by `headroom service enable`"

enum { DROP_IN_VARIABLES_MAX = 12 };

/* What is in it. */
struct drop_in {
	const char *preload; /* LD_PRELOAD */
	bool by_file;        /* LD_PRELOAD by an EnvironmentFile= */
	/* HEADROOM_... and its value; NULL at the end */
	struct {
		const char *name, *value;
	} variables[DROP_IN_VARIABLES_MAX];
};

/**
 * drop_in_text() - the text of the file
 * @environment_file:	path of the other file, if @by_file
 * Return: to be freed
 */
char *drop_in_text(const struct drop_in *drop_in, const char *environment_file);

/**
 * drop_in_folder() - UNIT.d
 * @runtime:	that in /run
 */
void drop_in_folder(const char *unit, bool runtime, char out[PATH_MAX]);

/**
 * drop_in_read() - the text that is there now
 * @foreign:	NULL, or set if there is a file of that name that was not written by this command
 * Return: to be freed; NULL if there is none of ours
 */
char *drop_in_read(const char *folder, bool *foreign);

/**
 * drop_in_read_environment() - the text of the other file
 * Return: to be freed; NULL if there is none
 */
char *drop_in_read_environment(const char *folder);

/**
 * drop_in_write() - put it there at once, or what was there before
 * @text:	of drop_in_text() or drop_in_read()
 * @environment:	what goes into the other file; NULL: it is not needed
 * Return: 0 or a negative errno
 */
int drop_in_write(const char *folder, const char *text, const char *environment);

/**
 * drop_in_remove() - take both files away, and the folder if it is empty then
 * Return: 0, -ENOENT if there was none of ours, or a negative errno
 */
int drop_in_remove(const char *folder);

/**
 * drop_in_each() - call found() for each in /etc, then each in /run
 * @found:	gets the unit's name, and the text
 */
void drop_in_each(void (*found)(const char *unit, bool runtime, const char *text, void *context),
		  void *context);

/**
 * drop_in_variable() - the value of a variable in a text of drop_in_text()
 * @out:	@size bytes, "" if it is not there
 */
void drop_in_variable(const char *text, const char *name, char *out, size_t size);

#endif
