// SPDX-License-Identifier: Apache-2.0
/* json - write JSON (RFC 8259), one member after the other. */
#include "json.h"

#include "printable.h"

static void quoted(FILE *out, const char *text)
{
	char shown[PRINTABLE_MAX];

	fputc('"', out);
	while (*text) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		printable_next(&text, shown);
		fputs(shown, out);
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
