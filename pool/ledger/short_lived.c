// SPDX-License-Identifier: Apache-2.0
/* short_lived - does this process make a segment yet, and does it leave one? See recent.h. */
#include "pool/ledger/short_lived.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/segment/identity.h"
#include "pool/segment/recent.h"
#include "pool/shim.h"

#include <string.h>
#include <sys/syscall.h>

enum { WAIT_CONNECTS = 4, WAIT_LIFE_MS = 100 };
#define MILLISECOND_NS 1000000ull

/* Too much even for a stack of our own. */
struct scratch {
	struct recent_adding adding;
	struct usage_entry uses[RECENT_SPACES_MAX];
	char place[USAGE_PATH_MAX], name[USAGE_FILE_NAME_MAX];
};

/* Its place is the first that others of its kind used. */
static bool many_end_soon(const struct shim *shim, struct scratch *scratch)
{
	const struct settings *settings = &shim->settings;
	struct recent_own *own = &scratch->adding.own;
	unsigned uid = (unsigned)kernel_syscall(SYS_geteuid, 0, 0, 0, 0, 0, 0);

	own->name = shim->process;
	own->now_ns = clock_ns();
	usage_identify_network(&own->network_namespace, &own->network_cookie);
	for (unsigned i = 0; i < USAGE_PLACES; i++)
		if (usage_place(i, settings->state_dir, settings->runtime_dir, uid, scratch->place) &&
		    recent_look(scratch->place, own, NULL, NULL))
			return true;
	return false;
}

static bool start_waiting(struct shim *shim, const struct held *held)
{
	struct usage_writer *writer = &shim->writer;
	struct arena arena = { 0 };
	struct scratch *scratch = arena_alloc(&arena, sizeof(*scratch));

	bool waits = scratch && many_end_soon(shim, scratch);
	if (waits && shim_enter_held(shim, held)) {
		if (writer->state == USAGE_NOT_TRIED &&
		    (writer->place = arena_alloc(&shim->arena, sizeof(scratch->place)))) {
			strcpy(writer->place, scratch->place);
			writer->network_namespace = scratch->adding.own.network_namespace;
			writer->network_cookie = scratch->adding.own.network_cookie;
			writer->state = USAGE_WAITING;
		}
		waits = writer->state == USAGE_WAITING;
		shim_leave(shim);
	}
	arena_release(&arena);
	return waits;
}

COLD bool usage_waits(struct shim *shim, const struct held *held)
{
	struct usage_writer *writer = &shim->writer;

	if (clock_since(shim->started_ns, clock_ns()) >= WAIT_LIFE_MS * MILLISECOND_NS)
		return false;
	if (writer->state == USAGE_NOT_TRIED && !start_waiting(shim, held))
		return false;
	return ++writer->waited < WAIT_CONNECTS;
}

/* Return: false if it is more than is to be added up, or nothing. The lock is held. */
static bool collect(struct shim *shim, struct scratch *scratch)
{
	const struct ledger *ledger = &shim->ledger;
	struct recent_adding *adding = &scratch->adding;
	uint64_t opened = 0;

	if (ledger->folding.table || ledger->forgotten || ledger->untracked || shim->parked_most)
		return false;
	for (struct destination *d = ledger_next(ledger, NULL); d; d = ledger_next(ledger, d))
		for (struct tuple_space *s = d->spaces; s; s = s->next) {
			if (!s->use->opened && !s->use->failed)
				continue;
			if (adding->count == RECENT_SPACES_MAX || (s->open && shim->writer.segment))
				return false;
			scratch->uses[adding->count] = *s->use;
			adding->counts[adding->count] = (struct recent_count){
				.to = d->to, .source = s->source, .use = &scratch->uses[adding->count]
			};
			opened += s->use->opened;
			adding->count++;
		}
	return adding->count && (!shim->writer.segment || opened <= RECENT_OPENED_MAX);
}

/* Return: false if this process is no case for it. */
static bool prepare(struct shim *shim, struct scratch *scratch)
{
	const struct usage_writer *writer = &shim->writer;
	struct recent_own *own = &scratch->adding.own;
	const struct usage_header *header = writer->segment ? &writer->segment->header : NULL;

	if (!shim_enter(shim))
		return false;
	own->now_ns = clock_ns();
	bool short_life =
		!header || clock_since(shim->started_ns, own->now_ns) < RECENT_LIFE_MS * MILLISECOND_NS;
	bool fits = writer->place && !writer->frozen && short_life && collect(shim, scratch);
	if (fits) {
		own->name = shim->process;
		own->network_namespace = header ? header->network_namespace : writer->network_namespace;
		own->network_cookie = header ? header->network_cookie : writer->network_cookie;
		scratch->adding.has_segment = header;
		scratch->adding.range = shim->range;
		strcpy(scratch->place, writer->place);
		strcpy(scratch->name, writer->name);
		/* Once: _exit() may come after exit(). */
		shim->writer.handed_over = true;
	}
	shim_leave(shim);
	return fits;
}

static void hand_over(void *argument)
{
	struct shim *shim = argument;
	struct arena arena = { 0 };
	struct scratch *scratch = arena_alloc(&arena, sizeof(*scratch));

	if (!scratch || !prepare(shim, scratch)) {
		arena_release(&arena);
		return;
	}
	if (recent_add(scratch->place, &scratch->adding) && scratch->adding.has_segment)
		usage_file_remove(scratch->place, scratch->name);
	arena_release(&arena);
}

COLD void usage_hand_over(struct shim *shim)
{
	const struct usage_writer *writer = &shim->writer;

	if ((writer->state == USAGE_WRITING || writer->state == USAGE_WAITING) && !writer->handed_over)
		own_stack_run(hand_over, shim);
}
