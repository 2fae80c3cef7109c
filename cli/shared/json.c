// SPDX-License-Identifier: Apache-2.0
/* json - write JSON (RFC 8259), one member after the other.
 *
 * A report has a million short pieces: they are put together here, as each call into stdio costs more than
 * most of them. */
#include "cli/shared/json.h"

#include "pool/base/printable.h"

#include <string.h>

static void write_held(struct json *json)
{
	fwrite(json->held, 1, json->used, json->out);
	json->used = 0;
}

/* Room for so many bytes, of which the caller says later how many it took; at most JSON_HELD. */
static char *room_for(struct json *json, size_t size)
{
	if (json->used + size > sizeof(json->held))
		write_held(json);
	return json->held + json->used;
}

static void put(struct json *json, const char *text, size_t size)
{
	while (size) {
		size_t part = size < JSON_HELD ? size : JSON_HELD;
		memcpy(room_for(json, part), text, part);
		json->used += part;
		text += part;
		size -= part;
	}
}

static void put_char(struct json *json, char c)
{
	*room_for(json, 1) = c;
	json->used++;
}

static bool is_plain(unsigned char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static void put_quoted(struct json *json, const char *text)
{
	char one[PRINTABLE_MAX];

	put_char(json, '"');
	while (*text) {
		const char *from = text;
		while (is_plain((unsigned char)*text))
			text++;
		put(json, from, (size_t)(text - from));
		if (*text == '"' || *text == '\\') {
			put_char(json, '\\');
			put_char(json, *text++);
		} else if (*text) {
			printable_next(&text, one);
			put(json, one, strlen(one));
		}
	}
	put_char(json, '"');
}

static void new_line(struct json *json)
{
	enum { DEEPEST = 64 };
	size_t indent = 2 * (json->depth < DEEPEST ? json->depth : DEEPEST);
	char *at = room_for(json, 1 + indent);

	*at = '\n';
	memset(at + 1, ' ', indent);
	json->used += 1 + indent;
}

static void start(struct json *json, const char *name)
{
	if (json->filled)
		put_char(json, ',');
	if (json->depth)
		new_line(json);
	if (name) {
		put_quoted(json, name);
		put(json, ": ", 2);
	}
	json->filled = true;
}

void json_open(struct json *json, const char *name, char bracket)
{
	start(json, name);
	put_char(json, bracket);
	json->depth++;
	json->filled = false;
}

void json_close(struct json *json, char bracket)
{
	json->depth--;
	if (json->filled)
		new_line(json);
	put_char(json, bracket);
	json->filled = true;
	if (!json->depth) {
		put_char(json, '\n');
		write_held(json);
	}
}

void json_text(struct json *json, const char *name, const char *value)
{
	start(json, name);
	put_quoted(json, value);
}

void json_number(struct json *json, const char *name, uint64_t value)
{
	char digits[20], *first = digits + sizeof(digits);

	start(json, name);
	do {
		*--first = (char)('0' + value % 10);
	} while (value /= 10);
	put(json, first, (size_t)(digits + sizeof(digits) - first));
}

void json_real(struct json *json, const char *name, double value)
{
	enum { LONGEST = 400 };

	start(json, name);
	/* Most are; to say so in the general way takes longest of all. */
	if (value >= 0 && value < 0.0005)
		put(json, "0.000", 5);
	else
		json->used += (size_t)snprintf(room_for(json, LONGEST), LONGEST, "%.3f", value);
}

void json_bool(struct json *json, const char *name, bool value)
{
	start(json, name);
	put(json, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json *json, const char *name)
{
	start(json, name);
	put(json, "null", 4);
}
