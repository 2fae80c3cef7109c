// SPDX-License-Identifier: Apache-2.0
/* findings - what `headroom doctor` has found, a line each. */
#include "cli/doctor/findings.h"

#include "cli/shared/complain.h"
#include "cli/shared/json.h"
#include "cli/shared/terminal.h"
#include "pool/base/printable.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = { "ok", "note", "?", "bad" };
static const char *const json_names[] = { "ok", "note", "unknown", "bad" };
static const enum style styles[] = { STYLE_GREEN, STYLE_NONE, STYLE_YELLOW, STYLE_RED };

void finding_add(struct findings *findings, enum finding_level level, const char *about, const char *todo,
		 const char *format, ...)
{
	char text[FINDING_TEXT_MAX];
	va_list arguments;

	if (findings->count == findings->room) {
		unsigned room = findings->room ? 2 * findings->room : 32;
		struct finding *grown = reallocarray(findings->items, room, sizeof(*grown));
		if (!grown)
			abort();
		findings->items = grown;
		findings->room = room;
	}
	struct finding *finding = &findings->items[findings->count++];
	*finding = (struct finding){ .level = level, .about = about };
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* Names of programs and what a server says are in it. */
	printable_text(text, finding->text, sizeof(finding->text));
	snprintf(finding->todo, sizeof(finding->todo), "%s", todo ? todo : "");
}

void findings_todo(struct findings *findings, const char *format, ...)
{
	struct finding *finding = &findings->items[findings->count - 1];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(finding->todo, sizeof(finding->todo), format, arguments);
	va_end(arguments);
}

int findings_status(const struct findings *findings)
{
	enum finding_level worst = FINDING_OK;

	for (unsigned i = 0; i < findings->count; i++)
		if (findings->items[i].level > worst)
			worst = findings->items[i].level;
	return worst == FINDING_BAD       ? STATUS_BAD_NEWS
	       : worst == FINDING_UNKNOWN ? STATUS_UNKNOWN
					  : STATUS_FINE;
}

void findings_put(const struct findings *findings, const char *subject, FILE *out)
{
	fprintf(out, "%s\n", subject);
	for (unsigned i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];
		terminal_style(out, styles[finding->level]);
		fprintf(out, "%-5s", names[finding->level]);
		terminal_style(out, STYLE_NONE);
		fprintf(out, " %-9s %s%s%s\n", finding->about, finding->text, *finding->todo ? " -> " : "",
			finding->todo);
	}
}

void findings_json(const struct findings *findings, const char *subject, FILE *out)
{
	struct json json = { .out = out };

	json_open(&json, NULL, '{');
	json_number(&json, "schema", 1);
	json_text(&json, "kind", "doctor");
	json_text(&json, "subject", subject);
	json_open(&json, "findings", '[');
	for (unsigned i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];
		json_open(&json, NULL, '{');
		json_text(&json, "level", json_names[finding->level]);
		json_text(&json, "about", finding->about);
		json_text(&json, "text", finding->text);
		if (*finding->todo)
			json_text(&json, "todo", finding->todo);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
}

void findings_end(struct findings *findings)
{
	free(findings->items);
	*findings = (struct findings){ 0 };
}
