// SPDX-License-Identifier: Apache-2.0
/* list - `headroom attach --list`. */
#include "cli/attach/list.h"

#include "attach/needs.h"
#include "attach/pins.h"
#include "attach/read.h"
#include "attach/target.h"
#include "cli/attach/refresh.h"
#include "cli/shared/complain.h"
#include "cli/shared/json.h"
#include "pool/base/address.h"
#include "pool/base/printable.h"
#include "pool/rules/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PAIRS_SHOWN = 20 };

struct list {
	struct json *json;
	unsigned count;
	int status;
};

static const char *text_of(const struct attach_address *from, char *out)
{
	struct address address;

	memcpy(&address, from, sizeof(address));
	return address_format(&address, out);
}

static const char *text_of_end(const struct attach_pair *pair, char *out)
{
	struct endpoint to = { .port = pair->port };

	memcpy(&to.ip, &pair->to, sizeof(to.ip));
	return endpoint_format(&to, out);
}

/* Of UDP there is one for each source, as a port is taken for all destinations. */
static bool is_of_udp(const struct attach_pair *pair)
{
	enum { PROTOCOL_UDP = 17 };

	return pair->protocol == PROTOCOL_UDP;
}

/* Of a source that cannot be bound to there is an entry without a destination. */
static bool is_of_source(const struct attach_pair *pair)
{
	return !pair->port && !is_of_udp(pair);
}

static uint64_t failed(const struct attach_counts *c)
{
	return c->refused + c->timed_out + c->unreachable + c->full + c->given_up + c->other;
}

static unsigned sources_of(const struct attach_seen *seen)
{
	unsigned sum = 0;

	for (__u32 i = 0; i < seen->ruling.rules; i++) {
		const struct attach_rule *rule = &seen->rules[i];
		if (!rule->of_link)
			sum += rule->v4.count + rule->v4.loopback + rule->v6.count + rule->v6.loopback;
	}
	return sum;
}

/* Those that the user wrote. */
static unsigned rules_of(const struct attach_seen *seen)
{
	return seen->ruling.rules - seen->ruling.of_links;
}

static void print_pair(const struct attach_seen_pair *seen)
{
	const struct attach_counts *c = &seen->counts;
	char source[ADDRESS_TEXT_MAX], to[ENDPOINT_TEXT_MAX];
	const struct {
		const char *word;
		uint64_t count;
	} reasons[] = { { "full", c->full },           { "refused", c->refused },
			{ "timed out", c->timed_out }, { "unreachable", c->unreachable },
			{ "given up", c->given_up },   { "other", c->other } };

	if (is_of_source(&seen->pair)) {
		printf("  %s: cannot be bound to there, %" PRIu64 " times\n",
		       text_of(&seen->pair.source, source), (uint64_t)c->other);
		return;
	}
	if (is_of_udp(&seen->pair)) {
		printf("  UDP from %s: %" PRIu64 " open, %" PRIu64 " opened\n",
		       text_of(&seen->pair.source, source), (uint64_t)seen->open, (uint64_t)c->opened);
		return;
	}
	printf("  %s from %s%s: %" PRIu64 " open, %u time-wait, %" PRIu64 " opened",
	       text_of_end(&seen->pair, to), text_of(&seen->pair.source, source),
	       seen->pair.own_ports ? ", own ports" : "", (uint64_t)seen->open, seen->time_wait,
	       (uint64_t)c->opened);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].count)
			printf(", %" PRIu64 " %s", reasons[i].count, reasons[i].word);
	printf("\n");
}

static void print_totals(const struct attach_seen *seen)
{
	uint64_t open = 0, waits = 0, opened = 0, failures = 0;

	for (unsigned i = 0; i < seen->pair_count; i++) {
		if (is_of_udp(&seen->pairs[i].pair))
			continue;
		open += seen->pairs[i].open;
		waits += seen->pairs[i].time_wait;
		opened += seen->pairs[i].counts.opened;
		failures += failed(&seen->pairs[i].counts);
	}
	printf("  %" PRIu64 " open, %" PRIu64 " time-wait; %" PRIu64 " opened, %" PRIu64 " failed\n", open,
	       waits, opened, failures);
}

static void print_seen(const struct attach_seen *seen, struct attach_changes changes)
{
	char target[ATTACH_TARGET_MAX * 2];
	const struct attach_rule *last = &seen->rules[seen->ruling.rules - 1];

	printf("%s: %u source%s", printable_text(seen->config.target, target, sizeof(target)),
	       sources_of(seen), sources_of(seen) == 1 ? "" : "s");
	if (rules_of(seen) > 1)
		printf(", %u rules", rules_of(seen));
	if (last->spread != ATTACH_OFF)
		printf(", spread %s", spread_name((enum spread)last->spread));
	if (seen->config.own_low)
		printf(", own ports %u-%u", seen->config.own_low, seen->config.own_high);
	printf("\n");
	if (changes.links || changes.range)
		printf("  %s since it was attached: `headroom attach --refresh` heeds that\n",
		       !changes.range   ? "links or their addresses have changed"
		       : !changes.links ? "the port range has changed"
					: "links or their addresses, and the port range, have changed");
	print_totals(seen);
	for (unsigned i = 0; i < seen->foreign_count; i++) {
		char name[sizeof(seen->foreign[i].name) * PRINTABLE_MAX];
		printf("  beside it: program %u, %s\n", seen->foreign[i].id,
		       printable_text(seen->foreign[i].name, name, sizeof(name)));
	}
	for (unsigned i = 0; i < seen->pair_count && i < PAIRS_SHOWN; i++)
		print_pair(&seen->pairs[i]);
	if (seen->pair_count > PAIRS_SHOWN)
		printf("  and %u more; --json has them all\n", seen->pair_count - PAIRS_SHOWN);
	if (seen->config.lost)
		printf("  not counted for want of room: %" PRIu64 "\n", (uint64_t)seen->config.lost);
	if (seen->walk.gone || seen->misses)
		printf("  state changes not seen: %" PRIu64 " corrected, %" PRIu64 " to be\n",
		       (uint64_t)seen->walk.gone, (uint64_t)seen->misses);
}

static void json_pair(struct json *json, const struct attach_seen_pair *seen)
{
	const struct attach_counts *c = &seen->counts;
	char source[ADDRESS_TEXT_MAX], to[ENDPOINT_TEXT_MAX];

	json_open(json, NULL, '{');
	json_number(json, "netns", c->netns_inode);
	json_text(json, "source", text_of(&seen->pair.source, source));
	json_text(json, "destination", text_of_end(&seen->pair, to));
	json_bool(json, "own_ports", seen->pair.own_ports);
	json_number(json, "open", seen->open);
	json_number(json, "under_way", seen->under_way);
	json_number(json, "peak", c->peak);
	json_number(json, "time_wait", seen->time_wait);
	json_number(json, "opened", c->opened);
	json_open(json, "closed", '{');
	json_number(json, "by_us", c->closed_by_us);
	json_number(json, "by_peer", c->closed_by_peer);
	json_number(json, "by_reset", c->closed_by_reset);
	json_close(json, '}');
	json_open(json, "failed", '{');
	json_number(json, "full", c->full);
	json_number(json, "refused", c->refused);
	json_number(json, "timed_out", c->timed_out);
	json_number(json, "unreachable", c->unreachable);
	json_number(json, "given_up", c->given_up);
	json_number(json, "other", c->other);
	json_close(json, '}');
	json_close(json, '}');
}

static void json_udp(struct json *json, const struct attach_seen_pair *seen)
{
	char source[ADDRESS_TEXT_MAX];

	json_open(json, NULL, '{');
	json_text(json, "source", text_of(&seen->pair.source, source));
	json_number(json, "open", seen->open);
	json_number(json, "opened", seen->counts.opened);
	json_close(json, '}');
}

static void json_seen(struct json *json, const struct attach_seen *seen, struct attach_changes changes)
{
	json_open(json, NULL, '{');
	json_text(json, "cgroup", seen->config.target);
	json_number(json, "since", seen->config.made_s);
	json_number(json, "sources", sources_of(seen));
	json_number(json, "rules", rules_of(seen));
	json_number(json, "rules_of_links", seen->ruling.of_links);
	json_bool(json, "links_changed", changes.links);
	json_bool(json, "range_changed", changes.range);
	json_text(json, "spread", spread_name((enum spread)seen->rules[seen->ruling.rules - 1].spread));
	json_number(json, "own_ports_low", seen->config.own_low);
	json_number(json, "own_ports_high", seen->config.own_high);
	json_number(json, "lost", seen->config.lost);
	json_number(json, "walks", seen->walk.epoch);
	json_number(json, "found_by_walks", seen->walk.found);
	json_number(json, "gone_by_walks", seen->walk.gone);
	json_number(json, "misses", seen->misses);
	json_open(json, "foreign_programs", '[');
	for (unsigned i = 0; i < seen->foreign_count; i++) {
		json_open(json, NULL, '{');
		json_number(json, "id", seen->foreign[i].id);
		json_text(json, "name", seen->foreign[i].name);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_open(json, "pairs", '[');
	for (unsigned i = 0; i < seen->pair_count; i++)
		if (!is_of_source(&seen->pairs[i].pair) && !is_of_udp(&seen->pairs[i].pair))
			json_pair(json, &seen->pairs[i]);
	json_close(json, ']');
	json_open(json, "udp", '[');
	for (unsigned i = 0; i < seen->pair_count; i++)
		if (is_of_udp(&seen->pairs[i].pair))
			json_udp(json, &seen->pairs[i]);
	json_close(json, ']');
	json_open(json, "unusable_sources", '[');
	for (unsigned i = 0; i < seen->pair_count; i++)
		if (is_of_source(&seen->pairs[i].pair)) {
			char source[ADDRESS_TEXT_MAX];
			json_text(json, NULL, text_of(&seen->pairs[i].pair.source, source));
		}
	json_close(json, ']');
	json_close(json, '}');
}

static int show(const char *folder, void *context)
{
	struct list *list = context;
	struct attach_seen seen;
	int rc = attach_read(folder, &seen);

	if (rc) {
		list->status = complain(folder, "%s",
					rc == -EPROTO ? "attached by another version of headroom: detach it, "
							"and attach it again"
						      : strerror(-rc));
		return 0;
	}
	list->count++;
	struct attach_changes changes = attach_changes(folder);
	if (list->json)
		json_seen(list->json, &seen, changes);
	else
		print_seen(&seen, changes);
	attach_seen_free(&seen);
	return 0;
}

int list_attached(bool as_json)
{
	struct json json = { .out = stdout };
	struct list list = { .json = as_json ? &json : NULL };
	char reason[ATTACH_REASON_MAX];

	if (attach_lacks_rights(reason))
		return complain("attach", "%s", reason);
	int pins = attach_pins_open(false, reason);
	if (pins < 0 && pins != -ENOENT)
		return complain("attach", "%s", reason);
	if (as_json) {
		json_open(&json, NULL, '{');
		json_number(&json, "schema", 1);
		json_open(&json, "attached", '[');
	}
	if (pins >= 0) {
		attach_pins_each(pins, show, &list);
		attach_pins_close(pins);
	}
	if (as_json) {
		json_close(&json, ']');
		json_close(&json, '}');
	} else if (!list.count && !list.status) {
		puts("nothing is attached");
	}
	return list.status;
}
