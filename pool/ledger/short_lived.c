// SPDX-License-Identifier: Apache-2.0
/* short_lived - does this process make a segment yet, and does it leave one? See recent.h. */
#include "pool/ledger/short_lived.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/ledger/heritage.h"
#include "pool/segment/identity.h"
#include "pool/segment/recent.h"
#include "pool/shim.h"

#include <string.h>
#include <sys/syscall.h>

enum { WAIT_CONNECTS = 4, WAIT_LIFE_MS = 100 };
#define MILLISECOND_NS 1000000ull

/* Its place is the first that others of its kind used. */
COLD bool usage_many_end_soon(const struct shim *shim, struct recent_kind *kind)
{
	const struct settings *settings = &shim->settings;

	kind->uid = (unsigned)kernel_syscall(SYS_geteuid, 0, 0, 0, 0, 0, 0);
	kind->own = (struct recent_own){ .name = shim->process, .now_ns = clock_ns() };
	usage_identify_network(&kind->own.network_namespace, &kind->own.network_cookie);
	for (unsigned i = 0; i < USAGE_PLACES; i++)
		if (usage_place(i, settings->state_dir, settings->runtime_dir, kind->uid, kind->place) &&
		    recent_look(kind->place, &kind->own, NULL, NULL))
			return true;
	kind->place[0] = '\0';
	return false;
}

static bool start_waiting(struct shim *shim, const struct held *held)
{
	struct usage_writer *writer = &shim->writer;
	struct recent_kind kind;

	if (!usage_many_end_soon(shim, &kind) || !shim_enter_held(shim, held))
		return false;
	size_t size = strlen(kind.place) + 1;
	if (writer->state == USAGE_NOT_TRIED && (writer->place = arena_alloc(&shim->arena, size))) {
		memcpy(writer->place, kind.place, size);
		writer->network_namespace = kind.own.network_namespace;
		writer->network_cookie = kind.own.network_cookie;
		writer->state = USAGE_WAITING;
		writer->waited = 1;
	}
	bool waits = writer->state == USAGE_WAITING;
	shim_leave(shim);
	return waits;
}

static bool is_young(const struct shim *shim, uint64_t now_ns)
{
	return clock_since(shim->started_ns, now_ns) < WAIT_LIFE_MS * MILLISECOND_NS;
}

COLD bool usage_still_waits(struct shim *shim, uint64_t now_ns)
{
	struct usage_writer *writer = &shim->writer;

	if (writer->state != USAGE_WAITING || !is_young(shim, now_ns) || writer->waited + 1 >= WAIT_CONNECTS)
		return false;
	if (writer->inherited && !writer->waited && !heritage_is_ours(shim)) {
		writer->state = USAGE_NOT_TRIED;
		writer->place = NULL;
		writer->inherited = false;
		return false;
	}
	writer->waited++;
	return true;
}

COLD bool usage_waits(struct shim *shim, const struct held *held)
{
	return shim->writer.state == USAGE_NOT_TRIED && is_young(shim, clock_ns()) &&
	       start_waiting(shim, held);
}

/* Return: false if it is more than is to be added up, or nothing. The lock is held. */
static bool collect(struct shim *shim, struct recent_adding *adding)
{
	const struct ledger *ledger = &shim->ledger;
	uint64_t opened = 0;

	if (ledger->folding.table || ledger->forgotten || ledger->untracked || shim->parked_most)
		return false;
	for (struct destination *d = ledger_next(ledger, NULL); d; d = ledger_next(ledger, d))
		for (struct tuple_space *s = d->spaces; s; s = s->next) {
			if (!s->use->opened && !s->use->failed)
				continue;
			if (adding->count == RECENT_SPACES_MAX || (s->open && shim->writer.segment))
				return false;
			struct usage_entry *use = arena_alloc(&shim->arena, sizeof(*use));
			if (!use)
				return false;
			*use = *s->use;
			adding->counts[adding->count] =
				(struct recent_count){ .to = d->to, .source = s->source, .use = use };
			opened += s->use->opened;
			adding->count++;
		}
	return adding->count && (!shim->writer.segment || opened <= RECENT_OPENED_MAX);
}

/* Return: false if this process is no case for it. */
static bool prepare(struct shim *shim, struct recent_adding *adding)
{
	const struct usage_writer *writer = &shim->writer;
	const struct usage_header *header = writer->segment ? &writer->segment->header : NULL;
	uint64_t now_ns = clock_ns();

	if (!shim_enter(shim))
		return false;
	bool short_life = !header || clock_since(shim->started_ns, now_ns) < RECENT_LIFE_MS * MILLISECOND_NS;
	bool fits = writer->place && !writer->frozen && short_life && collect(shim, adding);
	if (fits) {
		adding->own = (struct recent_own){
			.network_namespace = header ? header->network_namespace : writer->network_namespace,
			.network_cookie = header ? header->network_cookie : writer->network_cookie,
			.name = shim->process,
			.now_ns = now_ns,
		};
		adding->has_segment = header;
		adding->range = shim->range;
		/* Once: _exit() may come after exit(). */
		shim->writer.handed_over = true;
	}
	shim_leave(shim);
	return fits;
}

/* The place and the name of the file stay as they are to the end. */
static void hand_over(void *argument)
{
	struct shim *shim = argument;
	struct recent_adding adding;

	adding.count = 0;
	if (prepare(shim, &adding) && recent_add(shim->writer.place, &adding) && adding.has_segment)
		usage_file_remove(shim->writer.place, shim->writer.name);
}

COLD void usage_hand_over(struct shim *shim)
{
	const struct usage_writer *writer = &shim->writer;

	if ((writer->state == USAGE_WRITING || (writer->state == USAGE_WAITING && writer->waited)) &&
	    !writer->handed_over)
		own_stack_run(hand_over, shim);
}
