// SPDX-License-Identifier: Apache-2.0
/* report - print what `headroom ports` found out. */
#include "cli/ports/holders.h"
#include "cli/ports/ports.h"
#include "cli/ports/reserve_list.h"
#include "cli/shared/json.h"
#include "cli/shared/netns.h"
#include "cli/shared/terminal.h"
#include "pool/base/printable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_SHOWN = 30, BLOCKERS_SHOWN = 5 };

static const char *const reasons[BLOCKED_WAYS] = { "", "listens", "bound, not connected",
						   "bound explicitly, connected" };
static const char *const names[BLOCKED_WAYS] = { "", "listener", "bound", "connected" };

static void put_verdict(const struct ports *ports)
{
	enum verdict verdict = ports_verdict(ports), udp = udp_view_verdict(&ports->udp, LOST_PERCENT);

	printf("verdict    ");
	terminal_style(stdout, verdict_is_bad(verdict)      ? STYLE_RED
			       : verdict == VERDICT_UNKNOWN ? STYLE_YELLOW
							    : STYLE_GREEN);
	fputs(verdict_name(verdict), stdout);
	terminal_style(stdout, STYLE_NONE);
	if (verdict == VERDICT_FINE && verdict_is_bad(udp)) {
		puts(" for TCP; UDP is not");
		return;
	}
	puts(verdict == VERDICT_EXHAUSTED ? ": every connect() fails with EADDRNOTAVAIL"
	     : verdict == VERDICT_TIGHT   ? ": most ports are lost to every destination"
	     : verdict == VERDICT_UNKNOWN ? ": how many ports are blocked is not known"
					  : "");
}

/* Reserved ports aside: nobody misses them. */
static void take_blockers(const struct ports *ports, struct holders *blockers)
{
	for (unsigned port = ports->space.range.low; port <= ports->space.range.high; port++) {
		const struct port_note *note = &ports->space.ports[port];
		if (note->blocked && !note->reserved && ports->owners[port].process.pid)
			holders_add(blockers, &ports->owners[port].process, note->blocked);
	}
	holders_sort(blockers);
}

static void put_blockers(const struct ports *ports)
{
	struct columns columns = { .out = stdout, .label = 11 };
	struct holders blockers = { 0 };
	unsigned count;

	take_blockers(ports, &blockers);
	struct holder_group *groups = holders_group(&blockers, ports->by, &count);
	if (groups && count) {
		columns_start(&columns, "  by");
		holders_columns(&columns, groups, count, BLOCKERS_SHOWN);
		columns_end(&columns);
	}
	free(groups);
	holders_end(&blockers);
}

static void put_range(const struct ports *ports)
{
	const struct port_range *range = &ports->space.range;

	printf("range      %u-%u: %u %s, for TCP and UDP, IPv4 and IPv6\n", range->low, range->high,
	       ports->size, one_or_many(ports->size, "port", "ports"));
	printf("reserved   %u of them\n", ports->reserved);
	printf("blocked    %s%u: %u listened on, %u bound and not connected",
	       ports->doubtful ? "at least " : "", ports->blocked_all, ports->blocked[BLOCKED_LISTEN],
	       ports->blocked[BLOCKED_BOUND]);
	if (ports->blocked[BLOCKED_ASKED])
		printf(",\n           %u bound explicitly and connected", ports->blocked[BLOCKED_ASKED]);
	putchar('\n');
	put_blockers(ports);
	printf("usable     %s%u, for each source and destination\n", ports->doubtful ? "at most " : "",
	       ports->usable);
	if (ports->doubtful)
		printf("           of %u %s the kernel does not list who bound %s%s\n", ports->doubtful,
		       one_or_many(ports->doubtful, "port", "ports"),
		       one_or_many(ports->doubtful, "it", "them"), ports->probe ? "" : "; --probe asks");
}

static void put_bar(const struct ports *ports)
{
	const struct bar_part parts[] = { { 'r', STYLE_YELLOW, ports->reserved },
					  { 'x', STYLE_MAGENTA, ports->blocked_all },
					  { '?', STYLE_YELLOW, ports->doubtful },
					  { '.', STYLE_GREEN, ports->usable - ports->doubtful } };

	putchar('\n');
	terminal_bar(stdout, parts, 4);
	printf("\nr reserved %u  x blocked %u  ? not told %u  . usable %u\n", ports->reserved,
	       ports->blocked_all, ports->doubtful, ports->usable - ports->doubtful);
}

static void put_owner(const struct port_run *run)
{
	char mark[IDENTITY_MARK_MAX];

	if (run->owner->pid)
		printf("%s[%d]%s", run->owner->name, run->owner->pid, identity_mark(run->owner->pid, mark));
	else if (run->state == STATE_TIME_WAIT)
		printf("no process: TIME_WAIT");
	else
		printf("no process to be seen");
}

static void put_runs(const struct ports *ports)
{
	struct port_run run;
	unsigned shown = 0, more = 0;

	for (unsigned port = ports->space.range.low; ports_next_run(ports, port, &run); port = run.last + 1) {
		char span[16];
		if (shown == RUNS_SHOWN) {
			more += run.last - run.first + 1;
			continue;
		}
		if (!shown++)
			printf("\n%-12s %-28s %s\n", "port", "why it is blocked", "by");
		snprintf(span, sizeof(span), run.first == run.last ? "%u" : "%u-%u", run.first, run.last);
		printf("%-12s %-28s ", span, reasons[run.by]);
		put_owner(&run);
		printf("%s\n", ports->space.ports[run.first].reserved ? " (reserved)" : "");
	}
	if (more)
		printf("and %u more %s; --json has them all\n", more, one_or_many(more, "port", "ports"));
}

static void put_capacity(const struct ports *ports)
{
	unsigned long long usable = ports->usable;
	unsigned v4 = ports->local_v4, v6 = ports->local_v6;

	printf("\nconnections at once%s\n", ports->doubtful ? "                             at most" : "");
	printf("  from one source to one listener          %12llu\n", usable);
	printf("  from one source to three listeners       %12llu\n", usable * 3);
	if (v4 > 1)
		printf("  from all %3u IPv4 sources to one listener %11llu\n", v4, usable * v4);
	if (v6 > 1)
		printf("  from all %3u IPv6 sources to one listener %11llu\n", v6, usable * v6);
	printf("  on loopback, for each of 127.0.0.0/8     %12llu\n", usable);
	printf("local addresses besides loopback: %u IPv4, %u IPv6\n", v4, v6);
}

/* A service that starts again while some connect() has its port cannot bind it. */
static void put_conflicts(const struct ports *ports)
{
	char list[600], prefix[300];

	if (!reserve_list(&ports->space, ports->space.range.low, ports->space.range.high, list, sizeof(list)))
		return;
	putchar('\n');
	terminal_paragraph(stdout, "",
			   "Some services listen inside the range and their ports are not reserved. When one "
			   "of them starts again, connect() may have taken its port, and its bind() fails "
			   "with EADDRINUSE. Let them listen elsewhere, or reserve their ports:");
	if (*list)
		printf("  %ssysctl -w net.ipv4.ip_local_reserved_ports=%s\n",
		       netns_prefix(ports->netns, prefix, sizeof(prefix)), list);
}

void ports_report(const struct ports *ports)
{
	put_verdict(ports);
	put_range(ports);
	put_bar(ports);
	putchar('\n');
	udp_view_put(&ports->udp, "UDP        ", stdout);
	put_runs(ports);
	put_capacity(ports);
	put_conflicts(ports);
}

static void json_run(struct json *json, const struct ports *ports, const struct port_run *run)
{
	json_open(json, NULL, '{');
	json_number(json, "first", run->first);
	json_number(json, "last", run->last);
	json_text(json, "by", names[run->by]);
	json_text(json, "state", socket_state_name(run->state));
	json_bool(json, "reserved", ports->space.ports[run->first].reserved);
	if (run->owner->pid) {
		json_number(json, "pid", (uint64_t)run->owner->pid);
		json_text(json, "name", run->owner->name);
	} else {
		json_null(json, "pid");
		json_null(json, "name");
	}
	json_close(json, '}');
}

void ports_json(const struct ports *ports)
{
	struct json json = { .out = stdout };
	struct holders blockers = { 0 };
	struct port_run run;

	json_open(&json, NULL, '{');
	json_number(&json, "schema", 1);
	json_text(&json, "kind", "ports");
	json_text(&json, "verdict", verdict_name(ports_verdict(ports)));
	json_number(&json, "low", ports->space.range.low);
	json_number(&json, "high", ports->space.range.high);
	json_number(&json, "range", ports->size);
	json_number(&json, "reserved", ports->reserved);
	json_number(&json, "blocked", ports->blocked_all);
	json_number(&json, "usable", ports->usable);
	json_number(&json, "usable_at_least", ports->usable - ports->doubtful);
	json_bool(&json, "exact", !ports->doubtful);
	json_bool(&json, "probed", ports->probe && !ports->asked);
	json_number(&json, "tcp_tw_reuse", ports->space.range.time_wait_reuse);
	udp_view_json(&ports->udp, &json);
	json_number(&json, "local_ipv4", ports->local_v4);
	json_number(&json, "local_ipv6", ports->local_v6);
	json_number(&json, "sockets_without_visible_process", ports->search.missing);
	take_blockers(ports, &blockers);
	holders_json(&json, "blockers", &blockers);
	holders_groups_json(&json, "blocker_groups", &blockers, ports->by);
	holders_end(&blockers);
	json_open(&json, "blocked_ports", '[');
	for (unsigned port = ports->space.range.low; ports_next_run(ports, port, &run); port = run.last + 1)
		json_run(&json, ports, &run);
	json_close(&json, ']');
	json_close(&json, '}');
}
