// SPDX-License-Identifier: Apache-2.0
/* json - what `headroom check` found out, for programs; docs/users/check-json.md. */
#include "cli/check/json.h"

#include "cli/check/advice.h"
#include "cli/shared/json.h"

#include <net/if.h>

static const char *const ways[BLOCKED_WAYS] = { "", "listener", "bound", "connected" };

static void put_blocked(struct json *json, const struct check *check, const struct tuple_count *count)
{
	json_open(json, "blocked", '{');
	json_number(json, "all", count->blocked_all);
	for (unsigned way = BLOCKED_LISTEN; way < BLOCKED_WAYS; way++)
		json_number(json, ways[way], count->blocked[way]);
	holders_json(json, "processes", &check->blockers);
	holders_groups_json(json, "groups", &check->blockers, check->options.by);
	json_close(json, '}');
}

static void put_in_use(struct json *json, const struct checked *space)
{
	const struct tuple_count *count = &space->count;

	json_open(json, "in_use", '{');
	json_number(json, "all", count->in_use);
	for (unsigned state = 0; state < SOCKET_STATES; state++)
		if (count->by_state[state])
			json_number(json, socket_state_name(state), count->by_state[state]);
	json_close(json, '}');
	json_number(json, "in_use_percent",
		    count->capacity ? (count->in_use - count->reusable) * 100u / count->capacity : 100);
	json_number(json, "time_wait_reusable", count->reusable);
	json_number(json, "outside_range", space->now.outside);
}

static void put_rate(struct json *json, const struct rate *rate)
{
	if (!rate->known) {
		json_null(json, "rate");
		return;
	}
	json_open(json, "rate", '{');
	json_real(json, "seconds", rate->seconds);
	json_number(json, "taken", rate->taken);
	json_number(json, "given_back", rate->given);
	if (rate->exhausted_in_s < 0)
		json_null(json, "exhausted_in_seconds");
	else
		json_real(json, "exhausted_in_seconds", rate->exhausted_in_s);
	json_close(json, '}');
}

static void put_advice(struct json *json, const struct check *check, const struct checked *space)
{
	struct advice advice[ADVICE_MAX];
	unsigned count = check_advise(check, space, advice);

	json_open(json, "advice", '[');
	for (unsigned i = 0; i < count; i++) {
		json_open(json, NULL, '{');
		json_text(json, "what", advice[i].what);
		json_text(json, "command", advice[i].command);
		json_text(json, "kept", advice[i].kept);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_space(struct json *json, const struct check *check, const struct checked *space)
{
	const struct tuple_count *count = &space->count;
	struct room room = check_room(space);
	char text[ENDPOINT_TEXT_MAX], device[IF_NAMESIZE];

	json_open(json, NULL, '{');
	json_text(json, "name", space->name);
	json_text(json, "destination", endpoint_format(&space->now.key.destination, text));
	json_text(json, "source", address_format(&space->now.key.source, text));
	json_number(json, "interface", space->now.key.interface);
	json_text(json, "interface_name", if_indextoname(space->now.key.interface, device) ? device : "");
	json_bool(json, "asked_for", space->asked_for);
	json_number(json, "range", count->range);
	json_number(json, "reserved", count->reserved);
	put_blocked(json, check, count);
	json_number(json, "capacity", count->capacity);
	put_in_use(json, space);
	json_number(json, "headroom", room.left);
	json_number(json, "headroom_without_reusable", count->headroom);
	json_number(json, "headroom_plain", count->plain);
	json_bool(json, "exact", check_exact(space));
	json_number(json, "headroom_at_least", room_at_least(&room));
	json_number(json, "knee", count->knee);
	json_bool(json, "past_knee", count->past_knee);
	json_text(json, "verdict", verdict_name(check_verdict(check, space)));
	json_bool(json, "bad_news", verdict_is_bad(check_verdict(check, space)));
	json_number(json, "taken_percent", room_percent(&room));
	json_number(json, "lost_percent", room_lost_percent(&room));
	put_rate(json, &space->rate);
	holders_json(json, "processes", &space->holders);
	holders_groups_json(json, "groups", &space->holders, check->options.by);
	json_number(json, "without_process", space->without_process);
	put_advice(json, check, space);
	json_close(json, '}');
}

void check_json(const struct check *check, FILE *out)
{
	static const char *const readers[] = {
		[VIEW_SOCK_DIAG] = "sock_diag", [VIEW_PROC] = "proc", [VIEW_BPF] = "bpf"
	};
	struct json json = { .out = out };

	json_open(&json, NULL, '{');
	json_number(&json, "schema", 1);
	json_text(&json, "kind", "check");
	json_number(&json, "low", check->ports.range.low);
	json_number(&json, "high", check->ports.range.high);
	json_bool(&json, "probed", check->options.probe && !check->asked);
	json_text(&json, "read_from", readers[check->view.way]);
	json_bool(&json, "bound_only_listed", !check->view.no_bound_only);
	json_bool(&json, "interrupted", check->view.interrupted);
	json_number(&json, "sockets", check->view.sockets);
	json_number(&json, "processes_refused", check->search.refused);
	json_number(&json, "sockets_without_visible_process", check->search.missing);
	udp_view_json(&check->udp, &json);
	json_open(&json, "tuple_spaces", '[');
	for (unsigned i = 0; i < check->space_count; i++)
		put_space(&json, check, &check->spaces[i]);
	json_close(&json, ']');
	json_close(&json, '}');
}
