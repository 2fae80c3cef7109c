// SPDX-License-Identifier: Apache-2.0
/* json - write JSON (RFC 8259), one member after the other. */
#include "json.h"

/* Bytes that are no UTF-8 cannot be in JSON: those of a process's name or a command line become U+FFFD. */
static unsigned utf8_length(const unsigned char *c)
{
	unsigned length = *c < 0x80                 ? 1
			  : *c >= 0xc2 && *c < 0xe0 ? 2
			  : *c >= 0xe0 && *c < 0xf0 ? 3
			  : *c >= 0xf0 && *c < 0xf5 ? 4
						    : 0;
	for (unsigned i = 1; i < length; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

static void quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c;) {
		unsigned length = utf8_length(c);
		if (!length)
			fputs("\\ufffd", out);
		else if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < 0x20)
			fprintf(out, "\\u%04x", *c);
		else
			fwrite(c, 1, length, out);
		c += length ? length : 1;
	}
	fputc('"', out);
}

static void start(struct json *json, const char *name)
{
	if (json->filled)
		fputc(',', json->out);
	if (json->depth)
		fprintf(json->out, "\n%*s", (int)(2 * json->depth), "");
	if (name) {
		quoted(json->out, name);
		fputs(": ", json->out);
	}
	json->filled = true;
}

void json_open(struct json *json, const char *name, char bracket)
{
	start(json, name);
	fputc(bracket, json->out);
	json->depth++;
	json->filled = false;
}

void json_close(struct json *json, char bracket)
{
	json->depth--;
	if (json->filled)
		fprintf(json->out, "\n%*s", (int)(2 * json->depth), "");
	fputc(bracket, json->out);
	json->filled = true;
	if (!json->depth)
		fputc('\n', json->out);
}

void json_text(struct json *json, const char *name, const char *value)
{
	start(json, name);
	quoted(json->out, value);
}

void json_number(struct json *json, const char *name, uint64_t value)
{
	start(json, name);
	fprintf(json->out, "%llu", (unsigned long long)value);
}

void json_real(struct json *json, const char *name, double value)
{
	start(json, name);
	fprintf(json->out, "%.3f", value);
}

void json_bool(struct json *json, const char *name, bool value)
{
	start(json, name);
	fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *name)
{
	start(json, name);
	fputs("null", json->out);
}
