// SPDX-License-Identifier: Apache-2.0
/* all - `headroom check --all`: every destination of the host, that with the least headroom first. */
#include "cli/check/all.h"

#include "cli/ports/blockers.h"
#include "cli/ports/host_view.h"
#include "cli/ports/udp_view.h"
#include "cli/shared/complain.h"
#include "cli/shared/json.h"
#include "cli/shared/terminal.h"
#include "cli/shared/view_complaints.h"
#include "pool/base/printable.h"
#include "pool/ports/tuple_space.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_SHOWN = 20, BLOCKERS_SHOWN = 5 };

struct all {
	const struct check_options *options;
	struct host_view view;
	struct blockers blockers;
	struct udp_view udp;
	const struct host_tuple **sorted;
	unsigned count; /* tuple spaces of which a port is in use */
};

static void put_ports(const struct all *all)
{
	const struct host_view *view = &all->view;
	struct room unused = host_view_room(view, NULL);

	printf("range %u-%u: %u %s", view->ports.range.low, view->ports.range.high, unused.range,
	       one_or_many(unused.range, "port", "ports"));
	printf(", %u reserved, %u blocked", unused.reserved, unused.blocked);
	if (unused.doubtful)
		printf(", %u in doubt", unused.doubtful);
	printf("\n%s%u %s left for each source and destination\n", unused.doubtful ? "at most " : "",
	       unused.left, one_or_many(unused.left, "is", "are"));
	if (!unused.blocked)
		return;
	printf("blocked by ");
	blockers_put(&all->blockers, BLOCKERS_SHOWN, stdout);
	putchar('\n');
}

static void put_row(const struct all *all, const struct host_tuple *tuple)
{
	struct room room = host_view_room(&all->view, tuple);
	enum verdict verdict = room_verdict(&room, all->options->threshold);
	char to[ENDPOINT_TEXT_MAX], from[HOST_SOURCE_TEXT_MAX], left[32];

	if (room.doubtful)
		snprintf(left, sizeof(left), "%u-%u", room_at_least(&room), room.left);
	else
		snprintf(left, sizeof(left), "%u", room.left);
	printf("%-21s %-15s %9s %6u %9u %3u  ", endpoint_format(&tuple->key.destination, to),
	       host_source_text(&tuple->key, from), left, tuple->in_use + tuple->unbound, tuple->time_wait,
	       room_percent(&room));
	if (verdict != VERDICT_FINE)
		terminal_style(stdout, verdict == VERDICT_UNKNOWN ? STYLE_YELLOW : STYLE_RED);
	fputs(verdict_name(verdict), stdout);
	terminal_style(stdout, STYLE_NONE);
	putchar('\n');
}

/* What to type next. */
static void put_next(const struct all *all, enum verdict worst)
{
	struct room unused = host_view_room(&all->view, NULL);
	char to[ENDPOINT_TEXT_MAX];

	if (worst == VERDICT_UNKNOWN)
		puts("What to do: the kernel has to be asked about single ports: headroom check --all "
		     "--probe");
	else if (verdict_is_bad(room_verdict(&unused, all->options->threshold)))
		puts("What to do: most ports are lost to every destination; who has them: headroom ports");
	else if (verdict_is_bad(worst) && all->count)
		printf("What to do: see what holds the ports: headroom check %s\n",
		       endpoint_format(&all->sorted[0]->key.destination, to));
}

static void put_rows(const struct all *all, enum verdict worst)
{
	unsigned shown = all->count < ROWS_SHOWN ? all->count : ROWS_SHOWN;

	put_ports(all);
	if (!all->count)
		puts("no connection uses one that connect() picked");
	else
		printf("%-21s %-15s %9s %6s %9s %3s  %s\n", "destination", "source", "headroom", "in use",
		       "TIME_WAIT", "%", "verdict");
	for (unsigned i = 0; i < shown; i++)
		put_row(all, all->sorted[i]);
	if (all->count > shown)
		printf("and %u more, each with more headroom; --json has them all\n", all->count - shown);
	if (verdict_is_bad(udp_view_verdict(&all->udp, all->options->threshold)))
		udp_view_put(&all->udp, "UDP: ", stdout);
	put_next(all, worst);
}

static void put_space(struct json *json, const struct all *all, const struct host_tuple *tuple)
{
	struct room room = host_view_room(&all->view, tuple);
	char text[ENDPOINT_TEXT_MAX], device[IF_NAMESIZE];
	uint32_t capacity = all->view.capacity;

	json_open(json, NULL, '{');
	json_text(json, "destination", endpoint_format(&tuple->key.destination, text));
	json_text(json, "source", address_format(&tuple->key.source, text));
	json_number(json, "interface", tuple->key.interface);
	json_text(json, "interface_name", if_indextoname(tuple->key.interface, device) ? device : "");
	json_text(json, "verdict", verdict_name(room_verdict(&room, all->options->threshold)));
	json_number(json, "headroom", room.left);
	json_number(json, "headroom_without_reusable", room.left - tuple->reusable);
	json_number(json, "headroom_at_least", room_at_least(&room));
	json_number(json, "in_use", tuple->in_use + tuple->unbound);
	json_number(json, "time_wait", tuple->time_wait);
	json_number(json, "time_wait_reusable", tuple->reusable);
	json_number(json, "in_use_percent", capacity ? room.in_use * 100u / capacity : 100);
	json_number(json, "taken_percent", room_percent(&room));
	json_close(json, '}');
}

static void put_json(const struct all *all, enum verdict worst)
{
	struct json json = { .out = stdout };
	const struct host_view *view = &all->view;

	json_open(&json, NULL, '{');
	json_number(&json, "schema", 1);
	json_text(&json, "kind", "check-all");
	json_text(&json, "verdict", verdict_name(worst));
	json_number(&json, "low", view->ports.range.low);
	json_number(&json, "high", view->ports.range.high);
	json_number(&json, "reserved", view->ports.range.reserved);
	json_number(&json, "blocked", view->blocked);
	json_number(&json, "capacity", view->capacity);
	json_number(&json, "capacity_at_least", view->capacity - view->doubtful);
	json_number(&json, "doubtful", view->doubtful);
	holders_json(&json, "blockers", &all->blockers.holders);
	json_number(&json, "blocked_without_process", all->blockers.without_process);
	udp_view_json(&all->udp, &json);
	json_number(&json, "sockets_left_out", view->left_out);
	json_open(&json, "tuple_spaces", '[');
	for (unsigned i = 0; i < all->count; i++)
		put_space(&json, all, all->sorted[i]);
	json_close(&json, ']');
	json_close(&json, '}');
}

static int look(struct all *all)
{
	struct host_view *view = &all->view;
	int status = host_view_read(view);

	if (status)
		return status;
	view_complain(&view->view);
	if (all->options->probe)
		host_view_ask(view, NULL, 0);
	else if (host_view_in_doubt(view, all->options->threshold))
		host_view_ask(view, NULL, VERDICT_ASK_NS);
	asked_complain(view->asked, view->doubtful, all->options->probe);
	if (view->left_out)
		complain("--all", "more than %d sources and destinations: %llu %s of others not counted",
			 HOST_TUPLES_MAX, (unsigned long long)view->left_out,
			 one_or_many(view->left_out, "socket", "sockets"));
	blockers_find(&all->blockers, &view->ports);
	udp_view_read(&all->udp, &view->ports);
	if (verdict_is_bad(udp_view_verdict(&all->udp, all->options->threshold)))
		udp_view_find(&all->udp);
	holders_complain(&all->blockers.search);
	return STATUS_FINE;
}

int check_all(const struct check_options *options)
{
	struct all *all = calloc(1, sizeof(*all));

	if (!all)
		return complain(NULL, "no memory");
	all->options = options;
	int status = look(all);
	if (!status && !(all->sorted = host_view_sort(&all->view, &all->count)))
		status = complain(NULL, "no memory");
	if (!status) {
		enum verdict worst = host_view_worst(&all->view, options->threshold);
		(options->json ? put_json : put_rows)(all, worst);
		status =
			verdict_status(verdict_worse(worst, udp_view_verdict(&all->udp, options->threshold)));
	}
	udp_view_end(&all->udp);
	blockers_end(&all->blockers);
	free(all->sorted);
	host_view_end(&all->view);
	free(all);
	return status;
}
