// SPDX-License-Identifier: Apache-2.0
/* page - the page of `headroom status`, and its one line for Nagios. */
#include "cli/shared/complain.h"
#include "cli/shared/terminal.h"
#include "cli/shared/view_complaints.h"
#include "cli/status/status.h"
#include "pool/base/printable.h"
#include "pool/base/resting.h"

#include <string.h>

enum { ROWS = 5, HOLDERS = 3 };

static enum style style_of(enum verdict verdict)
{
	return verdict_is_bad(verdict) ? STYLE_RED : verdict == VERDICT_UNKNOWN ? STYLE_YELLOW : STYLE_GREEN;
}

static void put_head(const struct status *status, FILE *out)
{
	fprintf(out, "%s, Linux %s, network namespace %llu\n", status->host, status->kernel,
		(unsigned long long)status->network);
	fprintf(out, "verdict   ");
	terminal_style(out, style_of(status->verdict));
	fputs(verdict_name(status->verdict), out);
	terminal_style(out, STYLE_NONE);
	fprintf(out, "%s%s\n", *status->because ? ": " : "", status->because);
}

static void put_ports(const struct status *status, FILE *out)
{
	const struct host_view *view = &status->view;
	struct room unused = host_view_room(view, NULL);

	fprintf(out, "ports     %u-%u: %u, %u reserved, %u blocked (%u %%)", view->ports.range.low,
		view->ports.range.high, unused.range, unused.reserved, unused.blocked,
		room_lost_percent(&unused));
	if (unused.doubtful)
		fprintf(out, ", %u in doubt", unused.doubtful);
	fputc('\n', out);
	if (!view->blocked)
		return;
	fprintf(out, "            by ");
	holders_put(&status->blockers, HOLDERS, status->blocked_without_process, out);
	fputc('\n', out);
}

static void put_worst(const struct status *status, unsigned threshold, FILE *out)
{
	char to[ENDPOINT_TEXT_MAX], from[HOST_SOURCE_TEXT_MAX], left[32];

	for (unsigned i = 0; i < status->count && i < ROWS; i++) {
		const struct host_tuple *t = status->sorted[i];
		struct room room = host_view_room(&status->view, t);
		enum verdict verdict = room_verdict(&room, threshold);
		snprintf(left, sizeof(left), room.doubtful ? "%u-%u" : "%u", room_at_least(&room), room.left);
		fprintf(out, "%-9s %s left, %u in use, %u %%: %s from %s", i ? "" : "worst", left,
			t->in_use + t->unbound, room_percent(&room), endpoint_format(&t->key.destination, to),
			host_source_text(&t->key, from));
		if (verdict != VERDICT_FINE) {
			fputs("  ", out);
			terminal_style(out, style_of(verdict));
			fputs(verdict_name(verdict), out);
			terminal_style(out, STYLE_NONE);
		}
		fputc('\n', out);
	}
	if (status->count > ROWS)
		fprintf(out, "          and %u more; headroom check --all\n", status->count - ROWS);
}

static void put_states(const struct status *status, FILE *out)
{
	struct columns columns = { .out = out, .label = 10 };
	unsigned items = 0;

	columns_start(&columns, "states");
	for (unsigned state = 1; state < SOCKET_STATES; state++)
		if (status->view.states[state]) {
			columns_item(&columns, "%s %llu", socket_state_name(state),
				     (unsigned long long)status->view.states[state]);
			items++;
		}
	if (!items)
		columns_item(&columns, "no TCP socket");
	columns_end(&columns);
}

static void put_leaks(const struct status *status, FILE *out)
{
	if (status->view.states[STATE_CLOSE_WAIT] < CLOSE_WAITS_MANY)
		return;
	fprintf(out, "leaks     CLOSE_WAIT: ");
	holders_put(&status->close_wait, HOLDERS, status->close_wait_without_process, out);
	fputc('\n', out);
}

static void put_rest(const struct status *status, FILE *out)
{
	const struct conntrack *nat = &status->nat;
	unsigned share =
		status->in_use ? (unsigned)(status->shim.in_use * UINT64_C(100) / status->in_use) : 0;

	udp_view_put(&status->udp, "UDP       ", out);
	if (nat->known)
		fprintf(out, "tracked   %llu of %llu %s, %llu insert_failed, %llu dropped\n",
			(unsigned long long)nat->count, (unsigned long long)nat->most,
			one_or_many(nat->most, "connection", "connections"),
			(unsigned long long)nat->insert_failed, (unsigned long long)nat->dropped);
	fprintf(out, "shim      %u process%s", status->shim.processes,
		status->shim.processes == 1 ? "" : "es");
	if (status->shim.cgroups)
		fprintf(out, " and %u attached cgroup%s", status->shim.cgroups,
			status->shim.cgroups == 1 ? "" : "s");
	fprintf(out, ", %u %% of the ports in use", share > 100 ? 100 : share);
	if (status->shim.out_of_date)
		fprintf(out, ", links or the port range have changed since %u %s (headroom attach --refresh)",
			status->shim.out_of_date,
			one_or_many(status->shim.out_of_date, "attachment", "attachments"));
	if (status->shim.disabled)
		fprintf(out, ", disabled by " RESTING_FILE " (headroom enable)");
	if (status->shim.skipped)
		fprintf(out, ", %u %s skipped (headroom report)", status->shim.skipped,
			one_or_many(status->shim.skipped, "segment", "segments"));
	fputc('\n', out);
}

static void put_next(const struct status *status, const struct status_options *options, FILE *out)
{
	struct room unused = host_view_room(&status->view, NULL);
	char to[ENDPOINT_TEXT_MAX], where[300];

	netns_option(&options->netns, where, sizeof(where));
	if (status->verdict == VERDICT_FINE)
		return;
	fprintf(out, "next      ");
	if (status->verdict == VERDICT_UNKNOWN)
		fprintf(out, "headroom check --all --probe%s\n", where);
	else if (verdict_is_bad(room_verdict(&unused, options->threshold)) ||
		 !strncmp(status->because, "UDP", 3))
		fprintf(out, "headroom ports%s\n", where);
	else if (status->verdict == VERDICT_LEAKING)
		fprintf(out, "headroom check --leaks%s\n", where);
	else if (status->bad)
		fprintf(out, "headroom check%s %s\n", where,
			endpoint_format(&status->sorted[0]->key.destination, to));
	else
		fprintf(out, "headroom explain nat\n");
}

void status_page(const struct status *status, const struct status_options *options, FILE *out)
{
	put_head(status, out);
	put_ports(status, out);
	put_worst(status, options->threshold, out);
	put_leaks(status, out);
	put_states(status, out);
	put_rest(status, out);
	put_next(status, options, out);
}

/* Of the Monitoring Plugins: OK, WARNING, CRITICAL, UNKNOWN are 0 to 3; behind the bar
 * name=value;warn;crit;min;max. */
void status_nagios(const struct status *status, const struct status_options *options, FILE *out)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	const struct host_view *view = &status->view;
	struct room worst = host_view_room(view, status->count ? status->sorted[0] : NULL);
	uint32_t whole = worst.range - worst.reserved;

	fprintf(out, "HEADROOM %s - %s%s%s", words[verdict_nagios(status->verdict)],
		verdict_name(status->verdict), *status->because ? ": " : "", status->because);
	fprintf(out, " | headroom=%u;%u:;1:;0;%u blocked=%u;;;0;%u", room_at_least(&worst),
		whole - whole * options->threshold / 100, whole, view->blocked, whole);
	fprintf(out, " udp=%u;;;0;%u close_wait=%llu time_wait=%llu established=%llu shim_processes=%u\n",
		status->udp.in_use, whole, (unsigned long long)view->states[STATE_CLOSE_WAIT],
		(unsigned long long)view->states[STATE_TIME_WAIT],
		(unsigned long long)view->states[STATE_ESTABLISHED], status->shim.processes);
}
