// SPDX-License-Identifier: Apache-2.0
/* json - write JSON (RFC 8259), one member after the other. */
#ifndef HEADROOM_CLI_SHARED_JSON_H
#define HEADROOM_CLI_SHARED_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_HELD = 8192 };

/* All zero but for `out` at first; it is written to when the outermost bracket is closed, and on the way. */
struct json {
	FILE *out;
	unsigned depth;
	bool filled; /* a comma is due before the next value */
	size_t used;
	char held[JSON_HELD];
};

/* In an object each value has a name; in an array, and at the outermost, the name is NULL. */
void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *name, const char *value);
void json_number(struct json *json, const char *name, uint64_t value);
void json_real(struct json *json, const char *name, double value);
void json_bool(struct json *json, const char *name, bool value);
void json_null(struct json *json, const char *name);

#endif
