// SPDX-License-Identifier: Apache-2.0
/* json - `headroom status --json`; docs/users/check-json.md describes it. */
#include "cli/shared/json.h"
#include "cli/status/status.h"

static void put_worst(struct json *json, const struct status *status, unsigned threshold)
{
	char text[ENDPOINT_TEXT_MAX], from[HOST_SOURCE_TEXT_MAX];

	json_open(json, "worst", '[');
	for (unsigned i = 0; i < status->count && i < 20; i++) {
		const struct host_tuple *t = status->sorted[i];
		struct room room = host_view_room(&status->view, t);
		json_open(json, NULL, '{');
		json_text(json, "destination", endpoint_format(&t->key.destination, text));
		json_text(json, "source", host_source_text(&t->key, from));
		json_text(json, "verdict", verdict_name(room_verdict(&room, threshold)));
		json_number(json, "headroom", room.left);
		json_number(json, "headroom_at_least", room_at_least(&room));
		json_number(json, "in_use", t->in_use + t->unbound);
		json_number(json, "taken_percent", room_percent(&room));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_ports(struct json *json, const struct status *status)
{
	const struct host_view *view = &status->view;

	json_open(json, "ports", '{');
	json_number(json, "low", view->ports.range.low);
	json_number(json, "high", view->ports.range.high);
	json_number(json, "reserved", view->ports.range.reserved);
	json_number(json, "blocked", view->blocked);
	json_number(json, "doubtful", view->doubtful);
	json_number(json, "capacity", view->capacity);
	holders_json(json, "blockers", &status->blockers);
	json_number(json, "blocked_without_process", status->blocked_without_process);
	json_close(json, '}');
}

static void put_states(struct json *json, const struct status *status)
{
	json_open(json, "states", '{');
	for (unsigned state = 1; state < SOCKET_STATES; state++)
		if (status->view.states[state])
			json_number(json, socket_state_name(state), status->view.states[state]);
	json_close(json, '}');
}

static void put_tracked(struct json *json, const struct conntrack *nat)
{
	if (!nat->known) {
		json_null(json, "conntrack");
		return;
	}
	json_open(json, "conntrack", '{');
	json_number(json, "count", nat->count);
	json_number(json, "max", nat->most);
	json_number(json, "insert_failed", nat->insert_failed);
	json_number(json, "dropped", nat->dropped);
	json_close(json, '}');
}

void status_json(const struct status *status, const struct status_options *options, FILE *out)
{
	struct json json = { .out = out };

	json_open(&json, NULL, '{');
	json_number(&json, "schema", 1);
	json_text(&json, "kind", "status");
	json_text(&json, "host", status->host);
	json_text(&json, "kernel", status->kernel);
	json_number(&json, "network_namespace", status->network);
	json_text(&json, "verdict", verdict_name(status->verdict));
	json_text(&json, "because", status->because);
	put_ports(&json, status);
	json_number(&json, "tuple_spaces", status->count);
	json_number(&json, "tuple_spaces_bad", status->bad);
	put_worst(&json, status, options->threshold);
	holders_json(&json, "close_wait", &status->close_wait);
	json_number(&json, "close_wait_without_process", status->close_wait_without_process);
	put_states(&json, status);
	udp_view_json(&status->udp, &json);
	put_tracked(&json, &status->nat);
	json_open(&json, "shim", '{');
	json_number(&json, "processes", status->shim.processes);
	json_number(&json, "attached_cgroups", status->shim.cgroups);
	json_number(&json, "attached_cgroups_out_of_date", status->shim.out_of_date);
	json_number(&json, "in_use", status->shim.in_use);
	json_number(&json, "in_use_by_all", status->in_use);
	json_bool(&json, "disabled", status->shim.disabled);
	json_number(&json, "segments_skipped", status->shim.skipped);
	json_close(&json, '}');
	json_close(&json, '}');
}
