// SPDX-License-Identifier: Apache-2.0
/* past_json - what was recorded, for programs. */
#include "cli/history/moment.h"
#include "cli/report/past.h"
#include "cli/shared/json.h"

static void put_moment(struct json *json, const char *name, const struct past *past, unsigned i)
{
	char text[MOMENT_TEXT_MAX];

	if (i == PAST_NEVER)
		json_null(json, name);
	else
		json_text(json, name, moment_text(past->times_ns[i], text));
}

static void put_owners(struct json *json, const struct past *past, const struct past_series *s)
{
	json_open(json, "owners", '[');
	for (const struct past_owner *o = s->owners; o; o = o->hh.next) {
		json_open(json, NULL, '{');
		json_text(json, "group", o->group);
		json_number(json, "processes", o->processes);
		json_open(json, "ports", '[');
		for (unsigned i = 0; i < past->count; i++)
			json_number(json, NULL, o->ports[i]);
		json_close(json, ']');
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_numbers(struct json *json, const char *name, const struct past *past,
			const struct past_series *s, size_t field)
{
	json_open(json, name, '[');
	for (unsigned i = 0; i < past->count; i++) {
		uint32_t value;
		__builtin_memcpy(&value, (const char *)&s->points[i] + field, sizeof(value));
		json_number(json, NULL, value);
	}
	json_close(json, ']');
}

static void put_series(struct json *json, const struct past *past, const struct past_series *s)
{
	char text[PAST_NAME_MAX];

	json_open(json, NULL, '{');
	if (s == &past->blocked) {
		json_null(json, "destination");
		json_null(json, "source");
	} else {
		json_text(json, "destination", endpoint_format(&s->space.to, text));
		json_text(json, "source", look_source(&s->space, text));
	}
	put_moment(json, "began", past, s->grew_from);
	put_moment(json, "most_in_use_at", past, s->grew_to);
	put_moment(json, "least_headroom_at", past, past->count ? s->least_at : PAST_NEVER);
	put_moment(json, "bad_from", past, s->bad_from);
	put_moment(json, "bad_to", past, s->bad_to);
	put_moment(json, "exhausted_from", past, s->full_from);
	put_moment(json, "exhausted_to", past, s->full_to);
	put_numbers(json, "headroom_at_least", past, s, offsetof(struct past_point, at_least));
	put_numbers(json, "in_use", past, s, offsetof(struct past_point, in_use));
	put_numbers(json, "time_wait", past, s, offsetof(struct past_point, time_wait));
	put_owners(json, past, s);
	json_close(json, '}');
}

void past_json(const struct past *past, FILE *out)
{
	struct json json = { .out = out };
	char text[MOMENT_TEXT_MAX];

	json_open(&json, NULL, '{');
	json_number(&json, "schema", 1);
	json_text(&json, "kind", "history");
	json_text(&json, "host", past->last.host);
	json_text(&json, "kernel", past->last.kernel);
	json_number(&json, "network_namespace", past->last.network);
	json_open(&json, "times", '[');
	for (unsigned i = 0; i < past->count; i++)
		json_text(&json, NULL, moment_text(past->times_ns[i], text));
	json_close(&json, ']');
	json_number(&json, "gaps", past->gaps);
	json_open(&json, "series", '[');
	for (const struct past_series *s = past_next(past, NULL); s; s = past_next(past, s))
		put_series(&json, past, s);
	json_close(&json, ']');
	json_close(&json, '}');
}
