// SPDX-License-Identifier: Apache-2.0
/* test_export_count - counters of `headroom export` from look to look. */
#include "cli/live/export_count.h"
#include "tests/unit/check.h"

/* A process with an entry that is added up, [0], and one of a destination. */
static struct usage_entry entries[2];
static struct space_process process;
static struct space_row rows[2];
static struct space space;
static struct spaces spaces;
static struct export export;

static void set_up(void)
{
	memset(&export, 0, sizeof(export));
	export.top = 5;
	memset(entries, 0, sizeof(entries));
	entries[1].to = (struct endpoint){ .ip = address_from_v4(htonl(0x0a010009)), .port = 6379 };
	entries[1].source = address_from_v4(htonl(0x0a000005));
	space = (struct space){ .key = { .source = entries[1].source, .destination = entries[1].to } };
	process =
		(struct space_process){ .usage = { .running = true,
						   .header = { .pid = 7, .started_ns = 1, .name = "wrk" } } };
	rows[0] = (struct space_row){ .entry = &entries[0] };
	rows[1] = (struct space_row){ .entry = &entries[1], .space = &space };
	spaces = (struct spaces){ .processes = &process, .process_count = 1, .rows = rows, .row_count = 2 };
}

static void tear_down(void)
{
	export_end(&export);
}

static uint64_t opened(uint16_t port)
{
	for (const struct series *s = export.series; s; s = s->hh.next)
		if (s->key.space.destination.port == port)
			return s->counters.n[COUNT_OPENED];
	return UINT64_MAX;
}

static void look(uint64_t rest, uint64_t destination, unsigned row_count)
{
	entries[0].opened = rest;
	entries[1].opened = destination;
	spaces.row_count = row_count;
	check(export_count(&export, &spaces));
}

TestSuite(export_count, .init = set_up, .fini = tear_down);

Test(export_count, counts_up)
{
	look(1, 10, 2);
	look(1, 10, 2);
	look(4, 12, 2);
	check_number(opened(6379), 12);
	check_number(opened(0), 4);
}

Test(export_count, what_a_segment_forgets_is_not_counted_twice)
{
	look(1, 10, 2);
	look(11, 0, 1); /* the ten are in what is added up now */
	check_number(opened(6379), 10);
	check_number(opened(0), 1);
	look(14, 2, 2); /* and the destination is back */
	check_number(opened(6379), 12);
	check_number(opened(0), 4);
}

Test(export_count, another_process_of_the_name_adds_to_it)
{
	look(0, 10, 2);
	process.usage.header.pid = 8;
	process.usage.header.started_ns = 2;
	look(0, 3, 2);
	check_number(opened(6379), 13);
}

Test(export_count, a_process_each)
{
	export.per_pid = true;
	look(0, 10, 2);
	process.usage.running = false;
	look(0, 10, 2);
	check_number(HASH_COUNT(export.series), 2);
	for (const struct series *s = export.series; s; s = s->hh.next)
		check(s->look != export.look);
}
