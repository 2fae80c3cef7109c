// SPDX-License-Identifier: Apache-2.0
/* shown - attached cgroups, as `report`, `top`, `export` and `status` show processes. */
#include "cli/attach/shown.h"

#include "attach/needs.h"
#include "attach/pins.h"
#include "attach/read.h"
#include "attach/target.h"
#include "pool/base/clock.h"
#include "pool/base/printable.h"
#include "pool/segment/entry.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 4096 }; /* [0] adds up what has none */
/* No cookie has this bit: they count up from 1 (net_cookie, net/core/net_namespace.c). */
static const uint64_t OWN_PORTS_NETWORK = UINT64_C(1) << 63;
static const uint64_t SECOND_NS = UINT64_C(1000000000);
static const int32_t NO_ERRNO = -1;

struct walk {
	struct arena *arena;
	usage_visit *visit;
	usage_skipped *skipped;
	void *argument;
	uint64_t now_ns;
};

static uint16_t no_more_than_fits(uint32_t sum)
{
	return (uint16_t)(sum < UINT16_MAX ? sum : UINT16_MAX);
}

/* From buckets of a second to ticks of 4.3 s: none is lost, as 60 s are at most USAGE_TICKS_KEPT ticks. */
static void add_time_waits(struct usage_entry *out, const struct attach_counts *counts, uint64_t now_ns)
{
	uint32_t now_s = (uint32_t)(now_ns / SECOND_NS);

	out->tick = (uint32_t)(now_ns >> 32);
	for (uint32_t age = 0; age < ATTACH_TIME_WAIT_S; age++) {
		uint64_t then_ns = now_ns - age * SECOND_NS;
		uint16_t *bucket = &out->time_wait[(then_ns >> 32) % USAGE_TIME_WAIT_BUCKETS];
		*bucket = no_more_than_fits(*bucket + attach_time_waits(counts, now_s, age));
	}
}

static void add_failure(struct usage_entry *out, unsigned place, int32_t error, uint64_t count)
{
	uint64_t sum = out->failures[place].count + count;

	out->failures[place] =
		(struct usage_failure){ .error = error,
					.count = (uint32_t)(sum < UINT32_MAX ? sum : UINT32_MAX) };
	out->failed += count;
}

static void add_pair(struct usage_entry *out, const struct attach_seen_pair *seen, uint64_t now_ns)
{
	const struct attach_counts *c = &seen->counts;

	out->opened += c->opened;
	out->open += (uint32_t)(seen->open + seen->under_way);
	out->peak = c->peak > out->peak ? c->peak : out->peak;
	out->closed_by_us += c->closed_by_us;
	out->closed_by_peer += c->closed_by_peer;
	out->closed_by_reset += c->closed_by_reset;
	out->exhausted += c->full; /* each of them failed: there is no second source within a connect() */
	add_failure(out, 0, EADDRNOTAVAIL, c->full);
	add_failure(out, 1, ECONNREFUSED, c->refused);
	add_failure(out, 2, ETIMEDOUT, c->timed_out);
	add_failure(out, 3, EHOSTUNREACH, c->unreachable);
	add_failure(out, 4, 0, c->given_up);
	add_failure(out, 5, NO_ERRNO, c->other);
	add_time_waits(out, c, now_ns);
	if (!out->first_ns || c->made_ns < out->first_ns)
		out->first_ns = c->made_ns;
}

/* Those made first have an entry of their own: so none that has one loses it, and its counts do not fall. */
static int by_age(const void *one, const void *other)
{
	const struct attach_seen_pair *a = one, *b = other;

	if (a->counts.made_ns != b->counts.made_ns)
		return a->counts.made_ns < b->counts.made_ns ? -1 : 1;
	return memcmp(&a->pair, &b->pair, sizeof(a->pair));
}

static bool is_one_network(const struct attach_pair *a, const struct attach_pair *b)
{
	return a->netns_cookie == b->netns_cookie && a->own_ports == b->own_ports;
}

/* A pair without a destination says of a source that it cannot be used, or is of UDP. */
static bool is_counted(const struct attach_seen_pair *seen)
{
	return seen->pair.port && seen->pair.protocol == IPPROTO_TCP;
}

static void put_range(struct usage_header *header, const struct attach_config *config, bool own_ports)
{
	header->range_low = own_ports ? config->own_low : config->low;
	header->range_high = own_ports ? config->own_high : config->high;
	header->range_reserved =
		own_ports ? (uint32_t)config->own_high - config->own_low + 1 - config->own_capacity
			  : config->range_reserved;
	header->time_wait_reuse = own_ports ? 0 : config->time_wait_reuse;
	header->reuse_delay_ms = config->reuse_delay_ms;
	header->waits_bound = config->waits_bound;
}

static void put_header(struct usage *out, const struct attach_seen *seen,
		       const struct attach_seen_pair *first)
{
	struct usage_header *header = &out->header;
	const struct attach_config *config = &seen->config;
	const char *name = strrchr(config->target, '/');
	char text[ATTACH_TARGET_MAX * PRINTABLE_MAX];

	*out = (struct usage){ .running = true, .attached = true };
	header->pid = (uint32_t)config->cgroup_id;
	header->network_cookie = first->pair.netns_cookie | (first->pair.own_ports ? OWN_PORTS_NETWORK : 0);
	header->network_namespace = first->counts.netns_inode;
	header->started_ns = config->made_ns;
	header->started_realtime_ns = config->made_s * SECOND_NS;
	header->untracked = config->lost;
	put_range(header, config, first->pair.own_ports);
	printable_text(config->target, text, sizeof(text));
	snprintf(header->command, sizeof(header->command) - 1, "%.*s", USAGE_COMMAND_MAX - 2, text);
	printable_text(name && name[1] ? name + 1 : config->target, text, sizeof(text));
	snprintf(header->name, sizeof(header->name), "%.*s%s", USAGE_NAME_MAX - 16, text,
		 first->pair.own_ports ? " (own ports)" : "");
}

/* @first: of its network; all of that network are behind it */
static bool fill(struct usage *out, const struct walk *walk, const struct attach_seen *seen, unsigned first)
{
	const struct attach_pair *network = &seen->pairs[first].pair;
	unsigned count = 0;

	for (unsigned i = first; i < seen->pair_count; i++)
		count += is_counted(&seen->pairs[i]) && is_one_network(&seen->pairs[i].pair, network);
	put_header(out, seen, &seen->pairs[first]);
	out->header.entries_used = count < ENTRIES_MAX ? count : ENTRIES_MAX;
	out->entries = arena_alloc(walk->arena, out->header.entries_used * sizeof(*out->entries));
	if (!out->entries)
		return false;
	unsigned own = count <= ENTRIES_MAX ? count : ENTRIES_MAX - 1;
	for (unsigned i = first; i < seen->pair_count; i++) {
		const struct attach_seen_pair *one = &seen->pairs[i];
		if (!is_counted(one) || !is_one_network(&one->pair, network))
			continue;
		struct usage_entry *entry = &out->entries[out->entry_count < own ? out->entry_count++ : own];
		add_pair(entry, one, walk->now_ns);
		if (entry == &out->entries[own])
			continue;
		memcpy(&entry->source, &one->pair.source, sizeof(entry->source));
		memcpy(&entry->to.ip, &one->pair.to, sizeof(entry->to.ip));
		entry->to.port = one->pair.port;
	}
	out->entry_count = out->header.entries_used;
	return true;
}

static bool is_first_of_network(const struct attach_seen *seen, unsigned at)
{
	if (!is_counted(&seen->pairs[at]))
		return false;
	for (unsigned i = 0; i < at; i++)
		if (is_counted(&seen->pairs[i]) &&
		    is_one_network(&seen->pairs[i].pair, &seen->pairs[at].pair))
			return false;
	return true;
}

/* How many networks there are is bounded by the pairs; most have one. */
static void visit_all(const struct walk *walk, const char *path, const struct attach_seen *seen)
{
	enum { NETWORKS_MAX = 256 };
	struct usage usage;
	unsigned networks = 0;

	for (unsigned i = 0; i < seen->pair_count && networks < NETWORKS_MAX; i++) {
		if (!is_first_of_network(seen, i))
			continue;
		networks++;
		if (!fill(&usage, walk, seen, i))
			return;
		walk->visit(path, &usage, walk->argument);
		if (usage.entries)
			usage_free(walk->arena, &usage);
	}
}

static int take(const char *folder, void *context)
{
	struct walk *walk = context;
	struct attach_seen seen;
	char path[sizeof(ATTACH_PINS) + ATTACH_PIN_NAME_MAX];
	int rc = attach_read(folder, &seen);

	snprintf(path, sizeof(path), ATTACH_PINS "/%s", folder);
	if (rc) {
		if (walk->skipped)
			walk->skipped(path,
				      rc == -EPROTO ? "attached by another version of headroom"
						    : strerror(-rc),
				      walk->argument);
		return 0;
	}
	if (seen.pair_count)
		qsort(seen.pairs, seen.pair_count, sizeof(*seen.pairs), by_age);
	walk->now_ns = clock_ns();
	visit_all(walk, path, &seen);
	attach_seen_free(&seen);
	return 0;
}

void attached_walk(struct arena *arena, usage_visit *visit, usage_skipped *skipped, void *argument)
{
	struct walk walk = { .arena = arena, .visit = visit, .skipped = skipped, .argument = argument };
	char reason[ATTACH_REASON_MAX];
	int pins = attach_lacks_rights(reason) ? -1 : attach_pins_open(false, reason);

	if (pins < 0)
		return;
	attach_pins_each(pins, take, &walk);
	attach_pins_close(pins);
}
