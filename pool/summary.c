// SPDX-License-Identifier: Apache-2.0
/* summary - the usage table printed when a program ends. */
#include "pool/summary.h"

#include "pool/base/clock.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/base/printable.h"
#include "pool/reuse/reuse.h"

#include <stdio.h>
#include <string.h>

struct row {
	char destination[ENDPOINT_TEXT_MAX], source[ADDRESS_TEXT_MAX];
	uint64_t opened, failed, failovers, mean_us;
	uint32_t open, time_wait, peak;
};

struct table {
	struct row rows[SUMMARY_ROWS];
	unsigned count;
	uint64_t left_out; /* rows that found no place */
	uint64_t exhausted, deferrals, untracked, forgotten, since_ns;
	uint32_t capacity, parked;
	struct reuse_counts reuse;
};

/* Keeps the rows with the highest peaks, in falling order. */
static void add_row(struct table *table, const struct row *row)
{
	unsigned at = table->count;

	while (at && table->rows[at - 1].peak < row->peak)
		at--;
	if (table->count < SUMMARY_ROWS)
		table->count++;
	else
		table->left_out++;
	if (at == SUMMARY_ROWS)
		return;
	memmove(&table->rows[at + 1], &table->rows[at], (table->count - 1 - at) * sizeof(*row));
	table->rows[at] = *row;
}

static void enter_row(struct table *table, struct row *row, const struct endpoint *to,
		      const struct address *source, uint64_t connect_us)
{
	if (!row->opened && !row->failed && !row->failovers)
		return;
	row->mean_us = row->opened ? connect_us / row->opened : 0;
	endpoint_format(to, row->destination);
	if (address_is_unset(source))
		strcpy(row->source, "-");
	else
		address_format(source, row->source);
	add_row(table, row);
}

static void collect_destination(struct destination *d, struct table *table, uint64_t now_ns)
{
	table->exhausted += d->exhausted;
	table->parked += d->parked ? d->parked->count : 0;
	pool_add_counts(d, &table->reuse);
	for (struct tuple_space *s = d->spaces; s; s = s->next) {
		const struct usage_entry *use = s->use;
		struct row row = { .opened = use->opened,
				   .failed = use->failed,
				   .failovers = use->failovers,
				   .open = s->open,
				   .time_wait = space_time_wait(s, now_ns),
				   .peak = use->peak };
		enter_row(table, &row, &d->to, &s->source, use->connect_ns / 1000);
	}
}

static void collect(struct shim *shim, struct table *table, uint64_t now_ns)
{
	const struct ledger *ledger = &shim->ledger;

	table->exhausted = ledger->dropped_exhausted;
	table->reuse = shim->reusing.dropped;
	for (struct destination *d = ledger_next(ledger, NULL); d; d = ledger_next(ledger, d))
		collect_destination(d, table, now_ns);
	for (const struct folded *f = folding_next(&ledger->folding, NULL); f;
	     f = folding_next(&ledger->folding, f)) {
		struct row row = { .opened = f->opened,
				   .failed = f->failed,
				   .failovers = f->failovers,
				   .time_wait = folded_time_wait(f, now_ns),
				   .peak = f->peak };
		enter_row(table, &row, &f->to, &f->source, f->connect_us);
	}
	table->deferrals = shim->sockets.deferrals;
	table->untracked = ledger->untracked;
	table->forgotten = ledger_forgotten(ledger);
	table->capacity = port_range_capacity(&shim->ledger.range);
	table->since_ns = clock_ns() - shim->ledger.started_ns;
}

static void print(const struct log *log, const char *text, int length)
{
	if (length > 0)
		log_stderr(log, text, (size_t)length);
}

static void print_table(const struct shim *shim, const struct table *t)
{
	char line[512], capacity[24] = "?", name[PROCESS_NAME_MAX * PRINTABLE_MAX];
	int from = 11, to = 11;
	const struct log *log = &shim->log;

	for (unsigned i = 0; i < t->count; i++) {
		int d = (int)strlen(t->rows[i].destination), s = (int)strlen(t->rows[i].source);
		to = d > to ? d : to;
		from = s > from ? s : from;
	}
	if (t->capacity)
		snprintf(capacity, sizeof(capacity), "%u", t->capacity);
	print(log, line,
	      snprintf(line, sizeof(line),
		       "headroom: ports used by %s in %.1f s, of %s per source and destination\n",
		       printable_text(shim->process, name, sizeof(name)), (double)t->since_ns / 1e9,
		       capacity));
	print(log, line,
	      snprintf(line, sizeof(line), "%-*s  %-*s %8s %8s %9s %8s %8s %9s %10s\n", to, "destination",
		       from, "source", "opened", "open", "time-wait", "peak", "failed", "failovers",
		       "connect us"));
	for (unsigned i = 0; i < t->count; i++) {
		const struct row *r = &t->rows[i];
		print(log, line,
		      snprintf(line, sizeof(line), "%-*s  %-*s %8llu %8u %9u %8u %8llu %9llu %10llu\n", to,
			       r->destination, from, r->source, (unsigned long long)r->opened, r->open,
			       r->time_wait, r->peak, (unsigned long long)r->failed,
			       (unsigned long long)r->failovers, (unsigned long long)r->mean_us));
	}
}

static void print_notes(const struct log *log, const struct table *t)
{
	const struct {
		uint64_t count;
		const char *text;
	} notes[] = {
		{ t->left_out, "rows with lower peaks not shown" },
		{ t->exhausted, "connect() calls that found every source full (EADDRNOTAVAIL)" },
		{ t->deferrals, "bind() calls with port 0 deferred" },
		{ t->forgotten, "idle destinations dropped from the ledger for room" },
		{ t->untracked, "connections not counted for want of room" },
	};
	char line[160];

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
		if (notes[i].count)
			print(log, line,
			      snprintf(line, sizeof(line), "%s: %llu\n", notes[i].text,
				       (unsigned long long)notes[i].count));
}

/* "open 3, guard 1" of those that are not 0. */
static void list_counts(char *out, size_t size, const uint64_t *counts, unsigned count,
			const char *(*name)(unsigned))
{
	size_t used = 0;

	*out = '\0';
	for (unsigned i = 0; i < count && used < size; i++)
		if (counts[i])
			used += (size_t)snprintf(out + used, size - used, "%s%s %llu", used ? ", " : "",
						 name(i), (unsigned long long)counts[i]);
}

static const char *refusal_name(unsigned i)
{
	return reuse_refusal_name((enum reuse_refusal)i);
}

static const char *retirement_name(unsigned i)
{
	return reuse_retirement_name((enum reuse_retirement)i);
}

static void print_reuse(const struct log *log, const struct table *t)
{
	const struct reuse_counts *c = &t->reuse;
	char line[512], list[384];

	print(log, line,
	      snprintf(line, sizeof(line),
		       "reuse: %llu connect() %s served by a parked connection, %llu by a new one; %u "
		       "parked\n",
		       (unsigned long long)c->hits, one_or_many(c->hits, "call", "calls"),
		       (unsigned long long)c->misses, t->parked));
	list_counts(list, sizeof(list), c->refused, REUSE_REFUSALS, refusal_name);
	if (*list)
		print(log, line, snprintf(line, sizeof(line), "reuse, closed for real: %s\n", list));
	list_counts(list, sizeof(list), c->retired, REUSE_RETIREMENTS, retirement_name);
	if (*list)
		print(log, line, snprintf(line, sizeof(line), "reuse, retired: %s\n", list));
	if (c->first_use_failures || c->replaced)
		print(log, line,
		      snprintf(line, sizeof(line),
			       "reuse, dead when handed out: %llu, replaced unseen: %llu\n",
			       (unsigned long long)c->first_use_failures, (unsigned long long)c->replaced));
}

static void print_all(void *argument)
{
	struct shim *shim = argument;
	struct table table = { 0 };
	uint64_t now_ns = clock_ns();

	if (shim->ledger.range_until_ns <= now_ns)
		ledger_refresh_range(&shim->ledger, now_ns);
	if (!shim_enter(shim))
		return;
	collect(shim, &table, now_ns);
	shim_leave(shim);
	if (!table.count)
		return;
	print_table(shim, &table);
	print_notes(&shim->log, &table);
	if (table.reuse.hits || table.reuse.misses)
		print_reuse(&shim->log, &table);
}

void summary_print(struct shim *shim)
{
	own_stack_run(print_all, shim);
}
