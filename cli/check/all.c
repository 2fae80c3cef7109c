// SPDX-License-Identifier: Apache-2.0
/* all - `headroom check --all`: every destination of the host, that with the least headroom first. */
#include "cli/check/all.h"

#include "cli/shared/complain.h"
#include "cli/shared/json.h"
#include "cli/shared/terminal.h"
#include "cli/shared/view_complaints.h"
#include "pool/ports/tuple_space.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A pass over the sockets of many destinations keeps this many tuple spaces and no more: 160 bytes each. */
enum { ENTRIES_MAX = 50000, ROWS_SHOWN = 20 };

struct entry {
	struct tuple_key key;
	uint32_t in_use, time_wait;
	UT_hash_handle hh;
};

struct all {
	const struct check_options *options;
	struct port_space *ports;
	struct entry *entries;
	unsigned count;
	uint64_t left_out; /* sockets of tuple spaces for which there was no room */
	uint32_t capacity;
};

static void see(const struct socket_seen *seen, void *context)
{
	struct all *all = context;
	struct tuple_key key;
	struct entry *entry;

	if (!port_space_pickable(all->ports, seen->source.port) || !tuple_key_of(seen, &key))
		return;
	HASH_FIND(hh, all->entries, &key, sizeof(key), entry);
	if (!entry) {
		entry = all->count < ENTRIES_MAX ? malloc(sizeof(*entry)) : NULL;
		if (!entry) {
			all->left_out++;
			return;
		}
		*entry = (struct entry){ .key = key };
		HASH_ADD(hh, all->entries, key, sizeof(key), entry);
		all->count++;
	}
	entry->in_use++;
	entry->time_wait += seen->state == STATE_TIME_WAIT;
}

static int most_used_first(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;
	if (x->in_use != y->in_use)
		return x->in_use < y->in_use ? 1 : -1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static uint32_t reusable(const struct all *all, const struct entry *entry)
{
	return tuple_reusable(&entry->key, all->ports) ? entry->time_wait : 0;
}

static unsigned percent(const struct all *all, const struct entry *entry)
{
	return all->capacity ? (entry->in_use - reusable(all, entry)) * 100u / all->capacity : 100;
}

static uint32_t headroom(const struct all *all, const struct entry *entry)
{
	return entry->in_use < all->capacity ? all->capacity - entry->in_use : 0;
}

static void put_rows(const struct all *all, struct entry **sorted)
{
	char to[ENDPOINT_TEXT_MAX], from[ADDRESS_TEXT_MAX];
	unsigned shown = all->count < ROWS_SHOWN ? all->count : ROWS_SHOWN;

	printf("range %u-%u: %u ports usable for each source and destination, of %u\n", all->ports->range.low,
	       all->ports->range.high, all->capacity,
	       (unsigned)(all->ports->range.high - all->ports->range.low) + 1);
	if (!all->count) {
		puts("no connection uses one of them");
		return;
	}
	printf("%-28s %-17s %8s %6s %9s %4s\n", "destination", "source", "headroom", "in use", "TIME_WAIT",
	       "%");
	for (unsigned i = 0; i < shown; i++) {
		unsigned used = percent(all, sorted[i]);
		printf("%-28s %-17s ", endpoint_format(&sorted[i]->key.destination, to),
		       address_format(&sorted[i]->key.source, from));
		terminal_style(stdout, used >= all->options->threshold ? STYLE_RED : STYLE_NONE);
		printf("%8u %6u %9u %4u", headroom(all, sorted[i]), sorted[i]->in_use, sorted[i]->time_wait,
		       used);
		terminal_style(stdout, STYLE_NONE);
		putchar('\n');
	}
	if (all->count > shown)
		printf("and %u more, each with more headroom; --json has them all\n", all->count - shown);
	printf("an upper bound; exact: headroom check --probe %s\n",
	       endpoint_format(&sorted[0]->key.destination, to));
}

static void put_json(const struct all *all, struct entry **sorted)
{
	struct json json = { .out = stdout };
	char text[ENDPOINT_TEXT_MAX];

	json_open(&json, NULL, '{');
	json_number(&json, "schema", 1);
	json_text(&json, "kind", "check-all");
	json_number(&json, "low", all->ports->range.low);
	json_number(&json, "high", all->ports->range.high);
	json_number(&json, "capacity", all->capacity);
	json_number(&json, "sockets_left_out", all->left_out);
	json_open(&json, "tuple_spaces", '[');
	for (unsigned i = 0; i < all->count; i++) {
		json_open(&json, NULL, '{');
		json_text(&json, "destination", endpoint_format(&sorted[i]->key.destination, text));
		json_text(&json, "source", address_format(&sorted[i]->key.source, text));
		json_number(&json, "interface", sorted[i]->key.interface);
		json_number(&json, "headroom", headroom(all, sorted[i]));
		json_number(&json, "in_use", sorted[i]->in_use);
		json_number(&json, "time_wait", sorted[i]->time_wait);
		json_number(&json, "time_wait_reusable", reusable(all, sorted[i]));
		json_number(&json, "in_use_percent", percent(all, sorted[i]));
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
}

/* Listeners and bound-only sockets first: what they block is in nobody's tuple space. */
static int look(struct all *all)
{
	struct kernel_filter blocking = { .states = 1u << STATE_LISTEN | 1u << STATE_BOUND_ONLY };
	struct kernel_view view;

	if (!port_space_start(all->ports))
		return range_complain();
	int rc = kernel_view_read(&view, &blocking, port_space_visit, all->ports);
	if (!rc)
		rc = kernel_view_read(&view, NULL, see, all);
	if (rc)
		return view_complain_failed(rc);
	view_complain(&view);
	all->capacity = port_space_capacity(all->ports);
	if (all->left_out)
		complain("--all",
			 "more than %d sources and destinations: %llu sockets of others are not counted",
			 ENTRIES_MAX, (unsigned long long)all->left_out);
	return STATUS_FINE;
}

static struct entry **sort(const struct all *all)
{
	struct entry **sorted = calloc(all->count + 1u, sizeof(struct entry *));
	unsigned i = 0;

	for (struct entry *e = all->entries; e && sorted; e = e->hh.next)
		sorted[i++] = e;
	if (sorted)
		qsort(sorted, all->count, sizeof(struct entry *), most_used_first);
	return sorted;
}

int check_all(const struct check_options *options)
{
	struct all all = { .options = options, .ports = malloc(sizeof(*all.ports)) };
	struct entry *entry, *next;

	int status = all.ports ? look(&all) : complain(NULL, "no memory");
	struct entry **sorted = status ? NULL : sort(&all);
	if (sorted) {
		(options->json ? put_json : put_rows)(&all, sorted);
		if (all.count && percent(&all, sorted[0]) >= options->threshold)
			status = STATUS_BAD_NEWS;
	}
	free(sorted);
	free(all.ports);
	HASH_ITER (hh, all.entries, entry, next) {
		HASH_DEL(all.entries, entry);
		free(entry);
	}
	return status;
}
