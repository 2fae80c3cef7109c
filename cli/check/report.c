// SPDX-License-Identifier: Apache-2.0
/* report - what `headroom check` found out, for people. */
#include "cli/check/report.h"

#include "cli/check/advice.h"
#include "cli/shared/terminal.h"
#include "pool/base/printable.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

enum { HOLDERS_SHOWN = 5 };

static void put_heading(const struct checked *space, FILE *out)
{
	char to[ENDPOINT_TEXT_MAX], from[ADDRESS_TEXT_MAX], device[IF_NAMESIZE];
	const struct tuple_key *key = &space->now.key;

	endpoint_format(&key->destination, to);
	terminal_style(out, STYLE_BOLD);
	fprintf(out, "%s", to);
	if (strcmp(to, space->name))
		fprintf(out, " (%s)", space->name);
	fprintf(out, " from %s", address_format(&key->source, from));
	if (key->interface && if_indextoname(key->interface, device))
		fprintf(out, " on %s", device);
	terminal_style(out, STYLE_NONE);
	fprintf(out, "%s\n", space->asked_for ? "" : " (other programs use this source)");
}

static enum style style_of(enum verdict verdict)
{
	return verdict_is_bad(verdict) ? STYLE_RED : verdict == VERDICT_UNKNOWN ? STYLE_YELLOW : STYLE_GREEN;
}

static void put_verdict(const struct check *check, const struct checked *space, FILE *out)
{
	static const char *const says[] = {
		[VERDICT_FINE] = "",
		[VERDICT_UNKNOWN] = ": how many of its ports are blocked is not known",
		[VERDICT_LEAKING] = "",
		[VERDICT_HANGING] = ": there are ports, but attempts get no answer",
		[VERDICT_TIGHT] = ": past the threshold",
		[VERDICT_SLOW] = ": past the knee, each unaided connect() takes long",
		[VERDICT_EXHAUSTED] = ": connect() fails with EADDRNOTAVAIL",
	};
	enum verdict verdict = check_verdict(check, space);

	fprintf(out, "  verdict    ");
	terminal_style(out, style_of(verdict));
	fprintf(out, "%s", verdict_name(verdict));
	terminal_style(out, STYLE_NONE);
	fprintf(out, "%s\n", says[verdict]);
}

static void put_headroom(const struct check *check, const struct checked *space, FILE *out)
{
	const struct tuple_count *count = &space->count;
	struct room room = check_room(space);
	unsigned lost = room_lost_percent(&room);

	fprintf(out, "  headroom   ");
	terminal_style(out, style_of(check_verdict(check, space)));
	fprintf(out, "%s%u", check_exact(space) ? "" : "at most ", room.left);
	terminal_style(out, STYLE_NONE);
	fprintf(out, " of %u %s, %u %% in use", room.range - room.reserved,
		one_or_many(room.range - room.reserved, "port", "ports"), room_percent(&room) - lost);
	fprintf(out, lost ? ", %u %% lost to blockers\n" : "\n", lost);
	if (!check_exact(space))
		fprintf(out, "             at least %u: of %u %s the kernel does not list who bound %s%s\n",
			room_at_least(&room), count->doubtful, one_or_many(count->doubtful, "port", "ports"),
			one_or_many(count->doubtful, "it", "them"),
			check->options.probe ? "" : "; --probe asks");
	if (count->plain < count->headroom)
		fprintf(out,
			"             a program without the shim may get one less, as the range is odd\n");
	if (count->reusable)
		fprintf(out, "             %u of %s from TIME_WAIT, each after %g s (tcp_tw_reuse %u)\n",
			count->reusable, one_or_many(room.left, "it", "them"),
			port_range_reuse_ms(&check->ports.range) / 1e3, check->ports.range.time_wait_reuse);
}

static void put_bar(const struct check *check, const struct checked *space, FILE *out)
{
	const struct tuple_count *count = &space->count;
	uint32_t waiting = count->by_state[STATE_TIME_WAIT], open = count->in_use - waiting;
	const struct bar_part parts[] = { { '#', STYLE_RED, open },
					  { ':', STYLE_YELLOW, waiting },
					  { 'x', STYLE_MAGENTA, count->blocked_all + count->reserved },
					  { '.', STYLE_GREEN, count->headroom } };

	(void)check;
	fprintf(out, "\n  ");
	terminal_bar(out, parts, 4);
	fprintf(out, "\n  # open %u  : TIME_WAIT %u  x blocked or reserved %u  . free %u\n\n", open, waiting,
		count->blocked_all + count->reserved, count->headroom);
}

static void put_holders(const struct holders *holders, enum group_by by, const char *label, uint32_t nobody,
			const char *nobody_label, FILE *out)
{
	struct columns columns = { .out = out };
	unsigned count;
	struct holder_group *groups = holders_group(holders, by, &count);

	if (!groups || (!holders->count && !nobody)) {
		free(groups);
		return;
	}
	columns_start(&columns, label);
	holders_columns(&columns, groups, count, HOLDERS_SHOWN);
	free(groups);
	if (nobody)
		columns_item(&columns, "%s %u", nobody_label, nobody);
	columns_end(&columns);
}

static void put_ports(const struct check *check, const struct checked *space, FILE *out)
{
	const struct tuple_count *count = &space->count;
	const struct port_range *range = &check->ports.range;

	fprintf(out, "  range      %u-%u: %u %s", range->low, range->high, count->range,
		one_or_many(count->range, "port", "ports"));
	fprintf(out, ", %u reserved, %u blocked\n", count->reserved, count->blocked_all);
	if (count->blocked_all) {
		struct columns columns = { .out = out };
		columns_start(&columns, "blocked");
		if (count->blocked[BLOCKED_LISTEN])
			columns_item(&columns, "%u by %s", count->blocked[BLOCKED_LISTEN],
				     one_or_many(count->blocked[BLOCKED_LISTEN], "a listener", "listeners"));
		if (count->blocked[BLOCKED_BOUND])
			columns_item(&columns, "%u bound, not connected", count->blocked[BLOCKED_BOUND]);
		if (count->blocked[BLOCKED_ASKED])
			columns_item(&columns, "%u bound explicitly and connected",
				     count->blocked[BLOCKED_ASKED]);
		columns_end(&columns);
		put_holders(&check->blockers, check->options.by, "  by", check->blocked_without_process,
			    "no visible process", out);
	}
}

static void put_in_use(const struct check *check, const struct checked *space, FILE *out)
{
	const struct tuple_count *count = &space->count;
	struct columns columns = { .out = out };

	fprintf(out, "  capacity   %u\n", count->capacity);
	columns_start(&columns, "in use");
	columns_item(&columns, "%u", count->in_use);
	for (unsigned state = 0; state < SOCKET_STATES; state++)
		if (count->by_state[state])
			columns_item(&columns, "%s %u", socket_state_name(state), count->by_state[state]);
	columns_end(&columns);
	if (space->now.outside)
		fprintf(out, "             and %u with %s outside the range\n", space->now.outside,
			one_or_many(space->now.outside, "a port", "ports"));
	put_holders(&space->holders, check->options.by, "held by", space->without_process, "no process", out);
}

static void put_knee(const struct tuple_count *count, FILE *out)
{
	fprintf(out, "  knee       at %u in use: ", count->knee);
	if (count->past_knee) {
		terminal_style(out, STYLE_RED);
		fprintf(out, "past it");
		terminal_style(out, STYLE_NONE);
		fprintf(out, "; an unaided connect() is slow (explain knee)\n");
	} else {
		fprintf(out, "%s\n",
			count->in_use < count->knee ? "not reached"
						    : "but both halves are used alike, so not slow");
	}
}

static void put_rate(const struct checked *space, FILE *out)
{
	const struct rate *rate = &space->rate;

	if (!rate->known)
		return;
	fprintf(out, "  rate       %.0f ports/s taken, %.0f/s given back, over %.1f s\n",
		rate->taken / rate->seconds, rate->given / rate->seconds, rate->seconds);
	if (rate->exhausted_in_s < 0)
		return;
	char text[64];
	fprintf(out, "  exhausted  ");
	terminal_style(out, rate->exhausted_in_s < 60 ? STYLE_RED : STYLE_YELLOW);
	fprintf(out, "in %s at this rate", terminal_duration(rate->exhausted_in_s, text, sizeof(text)));
	terminal_style(out, STYLE_NONE);
	fputc('\n', out);
}

static void put_advice(const struct check *check, const struct checked *space, FILE *out)
{
	struct advice advice[ADVICE_MAX];
	unsigned count = check_advise(check, space, advice);

	if (count)
		fprintf(out, "\n  What to do\n");
	for (unsigned i = 0; i < count; i++) {
		char number[16];
		snprintf(number, sizeof(number), "  %u. ", i + 1);
		terminal_paragraph(out, number, advice[i].what);
		if (*advice[i].command)
			fprintf(out, "       %s\n", advice[i].command);
		if (*advice[i].kept)
			fprintf(out, "       kept: %s\n", advice[i].kept);
	}
}

void check_report(const struct check *check, FILE *out)
{
	for (unsigned i = 0; i < check->space_count; i++) {
		const struct checked *space = &check->spaces[i];
		if (i)
			fputc('\n', out);
		put_heading(space, out);
		put_verdict(check, space, out);
		put_headroom(check, space, out);
		put_bar(check, space, out);
		put_ports(check, space, out);
		put_in_use(check, space, out);
		put_knee(&space->count, out);
		put_rate(space, out);
		if (space->asked_for)
			put_advice(check, space, out);
	}
	if (verdict_is_bad(udp_view_verdict(&check->udp, check->options.threshold))) {
		putc('\n', out);
		udp_view_put(&check->udp, "UDP: ", out);
		fprintf(out, "     Names may fail to resolve; headroom explain udp\n");
	}
}
