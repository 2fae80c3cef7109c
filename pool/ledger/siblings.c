// SPDX-License-Identifier: Apache-2.0
/* siblings - what other processes of this user have in use, so that forty workers spread as one. */
#include "pool/ledger/siblings.h"

#include "pool/base/clock.h"
#include "pool/base/hash.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/segment/directory.h"
#include "pool/segment/glance.h"
#include "pool/segment/recent.h"

#include <string.h>

/* A look is given up after LOOK_MOST_US: what was not read by then counts as nothing. It is part of a
 * connect(). A file takes some 4 us. One that seems to take much longer was waited for, or this thread was
 * not running: on a busy machine that must not end the look. */
enum { LOOK_MOST_US = 2000, FILE_MOST_US = 100, ROWS_FIRST = 64 };

/* What is being collected. Most of it fits on our stack: memory of the kernel's costs as much as to look at
 * several siblings. */
struct collection {
	struct arena scratch;
	struct sibling_row *rows; /* a hash table, at most half full */
	unsigned size, count;
	const char *own_name;
	struct glance glance;
	struct usage_names names;
	struct sibling_row first[ROWS_FIRST];
};

static uint32_t hash_of(const struct endpoint *to, const struct address *source)
{
	uint64_t words[(sizeof(*to) + sizeof(*source)) / sizeof(uint64_t)], hash = HASH_START;

	/* By words: forty siblings with eight sources are hundreds of rows. */
	memcpy(words, to, sizeof(*to));
	memcpy((char *)words + sizeof(*to), source, sizeof(*source));
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		hash = (hash ^ words[i] ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(hash >> 32);
}

/* The row of a pair, or the free place for it. Return: NULL if there is neither. */
static struct sibling_row *find(struct sibling_row *rows, unsigned size, const struct endpoint *to,
				const struct address *source)
{
	uint32_t at = hash_of(to, source);

	for (unsigned looked = 0; looked < size; looked++, at++) {
		struct sibling_row *row = &rows[at & (size - 1)];
		if (!row->to.port || (endpoint_equal(&row->to, to) && address_equal(&row->source, source)))
			return row;
	}
	return NULL;
}

uint32_t siblings_in_use(const struct siblings *siblings, const struct endpoint *to,
			 const struct address *source)
{
	const struct sibling_row *row =
		siblings->size ? find(siblings->rows, siblings->size, to, source) : NULL;
	return row ? row->in_use : 0;
}

/* Return: false without memory; then the table is as it was. */
static bool grow(struct collection *c)
{
	unsigned size = 4 * c->size;
	struct sibling_row *rows = arena_alloc(&c->scratch, size * sizeof(*rows));

	if (!rows)
		return false;
	for (unsigned i = 0; i < c->size; i++)
		if (c->rows[i].to.port)
			*find(rows, size, &c->rows[i].to, &c->rows[i].source) = c->rows[i];
	if (c->rows != c->first)
		arena_free(&c->scratch, c->rows, c->size * sizeof(*rows));
	c->rows = rows;
	c->size = size;
	return true;
}

static void add(struct collection *c, const struct endpoint *to, const struct address *source,
		uint32_t in_use)
{
	if (!to->port || !in_use || c->count == SIBLINGS_ROWS_MAX || (2 * c->count >= c->size && !grow(c)))
		return;
	struct sibling_row *row = find(c->rows, c->size, to, source);
	if (!row->to.port) {
		row->to = *to;
		row->source = *source;
		c->count++;
	}
	row->in_use += in_use;
}

static void add_segment(struct collection *c)
{
	const struct usage *usage = &c->glance.usage;

	for (unsigned i = 0; i < usage->entry_count; i++) {
		const struct usage_entry *entry = &usage->entries[i];
		if (entry->to.port)
			add(c, &entry->to, &entry->source, usage_in_use(usage, entry, c->glance.now_ns));
	}
}

static void add_recent(const struct recent_entry *entry, void *collection)
{
	struct collection *c = collection;

	add(c, &entry->to, &entry->source, recent_in_use(entry, c->glance.now_ns));
}

/* Those that lived for a connection or two left no segments. */
static void collect_recent(struct collection *c, const char *place)
{
	const struct usage_header *header = c->glance.own;
	struct recent_own own = { .network_namespace = header->network_namespace,
				  .network_cookie = header->network_cookie,
				  .name = "",
				  .now_ns = c->glance.now_ns };
	recent_look(place, &own, add_recent, c);
}

static void collect(struct collection *c, const char *place)
{
	const struct usage_header *own = c->glance.own;
	long owner = (long)own->uid;
	char reason[REASON_MAX];
	const char *name;
	uint64_t spent_ns = 0, last_ns = c->glance.now_ns;

	long directory = usage_directory_open(place, false, &owner, reason);
	if (directory < 0)
		return;
	usage_names_start(&c->names, (int)directory);
	while (spent_ns < LOOK_MOST_US * 1000ull && (name = usage_names_next(&c->names))) {
		uint64_t now_ns = clock_ns(), file_ns = clock_since(last_ns, now_ns);
		spent_ns += file_ns < FILE_MOST_US * 1000u ? file_ns : FILE_MOST_US * 1000u;
		last_ns = now_ns;
		if (usage_name_may_be_of(name, own->network_cookie) && strcmp(name, c->own_name) != 0 &&
		    glance_at(&c->glance, (int)directory, name))
			add_segment(c);
	}
	glance_end(&c->glance);
	kernel.close((int)directory);
}

/* A table of the right size, with the shim's memory. The lock is held. */
static void enter(struct siblings *siblings, const struct collection *c)
{
	unsigned size = c->count ? 16 : 0;

	while (size && size < 2 * c->count)
		size *= 2;
	arena_free(siblings->arena, siblings->rows, siblings->size * sizeof(*siblings->rows));
	siblings->rows = size ? arena_alloc(siblings->arena, size * sizeof(*siblings->rows)) : NULL;
	siblings->size = siblings->rows ? size : 0;
	for (unsigned i = 0; siblings->size && i < c->size; i++)
		if (c->rows[i].to.port)
			*find(siblings->rows, size, &c->rows[i].to, &c->rows[i].source) = c->rows[i];
}

/* Has this process worked enough since the last look? If not, it is asked again a while later. */
static bool is_worth_it(struct siblings *siblings, uint64_t now_ns)
{
	if (now_ns >= siblings->old_ns || clock_process_ns() >= siblings->work_ns)
		return true;
	siblings->until_ns = now_ns + SIBLINGS_EVERY_MS * CLOCK_MILLISECOND_NS;
	return false;
}

/* Return: false if another thread is at it, or there is nothing to look for. */
static bool begin(struct siblings *siblings, const struct held *held, struct collection *c, uint64_t now_ns,
		  char *place)
{
	const struct usage_writer *writer = siblings->writer;

	if (!lock_enter_held(siblings->lock, held))
		return false;
	bool ours = siblings->until_ns <= now_ns && writer->segment && is_worth_it(siblings, now_ns);
	if (ours) {
		siblings->until_ns = now_ns + 1000000000u;
		c->glance.own = &writer->segment->header;
		strcpy(place, writer->place);
		c->own_name = writer->name;
	}
	lock_leave(siblings->lock);
	return ours;
}

/* The rest of it is filled by who uses it. */
static void start(struct collection *c, uint64_t now_ns)
{
	c->scratch = (struct arena){ .chunks = NULL };
	c->glance.arena = &c->scratch;
	c->glance.now_ns = now_ns;
	c->glance.usage.entries = NULL;
	memset(c->first, 0, sizeof(c->first));
	c->rows = c->first;
	c->size = ROWS_FIRST;
	c->count = 0;
}

/* On a stack of ours. */
COLD bool siblings_refresh(struct siblings *siblings, const struct held *held, uint64_t now_ns)
{
	struct collection c;
	char place[USAGE_PATH_MAX];

	if (!begin(siblings, held, &c, now_ns, place))
		return false;
	uint64_t began_ns = clock_ns(), worked_ns = clock_thread_ns();
	start(&c, began_ns);
	collect(&c, place);
	collect_recent(&c, place);
	bool entered = lock_enter_held(siblings->lock, held);
	if (entered) {
		uint64_t done_ns = clock_ns(), pause_ns = (done_ns - began_ns) * SIBLINGS_COST;
		enter(siblings, &c);
		if (pause_ns < SIBLINGS_EVERY_MS * CLOCK_MILLISECOND_NS)
			pause_ns = SIBLINGS_EVERY_MS * CLOCK_MILLISECOND_NS;
		siblings->until_ns = done_ns + pause_ns;
		siblings->old_ns = done_ns + SIBLINGS_OLD_MS * CLOCK_MILLISECOND_NS;
		siblings->work_ns = clock_process_ns() + (clock_thread_ns() - worked_ns) * SIBLINGS_WORK;
	}
	arena_release(&c.scratch);
	return entered;
}
