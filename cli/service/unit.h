// SPDX-License-Identifier: Apache-2.0
/* unit - what systemd knows of a unit. */
#ifndef HEADROOM_CLI_SERVICE_UNIT_H
#define HEADROOM_CLI_SERVICE_UNIT_H

#include <stdbool.h>
#include <stddef.h>

enum { UNIT_NAME_MAX = 256 };

struct unit {
	char name[UNIT_NAME_MAX];
	char *shown;   /* "NAME=VALUE" lines of `systemctl show`, NUL between them */
	size_t length; /* of all of them */
};

/**
 * unit_name() - the full name of a service: `nginx` is nginx.service
 * @out:	UNIT_NAME_MAX bytes
 * Return: NULL, or why it is not the name of one that can be started
 */
const char *unit_name(const char *word, char *out);

/**
 * unit_read() - ask systemd for what is known of a unit
 * @name:	of unit_name()
 * @out:	to be freed by unit_free(), whatever is returned
 * @reason:	filled on failure
 * Return: false if systemd cannot be asked
 */
bool unit_read(const char *name, struct unit *out, char *reason, size_t size);

/**
 * unit_take() - take what `systemctl show` printed; for tests
 */
void unit_take(const char *name, const char *shown, struct unit *out);

void unit_free(struct unit *unit);

/**
 * unit_value() - a property
 * Return: its value, that of the first line if there are several; "" if there is none
 */
const char *unit_value(const struct unit *unit, const char *property);

/**
 * unit_is() - has the property this value?
 */
bool unit_is(const struct unit *unit, const char *property, const char *value);

/**
 * unit_lines() - all values of a property that has several lines, with newlines between them
 * Return: to be freed
 */
char *unit_lines(const struct unit *unit, const char *property);

/**
 * unit_program() - the path of the first ExecStart=
 * @out:	@size bytes; empty if there is none
 */
void unit_program(const struct unit *unit, char *out, size_t size);

/**
 * unit_set_has() - a set as of SystemCallFilter= or RestrictAddressFamilies=, which lists what is let in, or
 * after a ~ what is not
 * Return: does it let @word in? The empty set does
 */
bool unit_set_has(const char *set, const char *word);

#endif
