// SPDX-License-Identifier: Apache-2.0
/* short_lived - does this process make a segment yet, and does it leave one? See recent.h. */
#include "pool/ledger/short_lived.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/ledger/heritage.h"
#include "pool/ledger/kind.h"
#include "pool/libc/threads.h"
#include "pool/segment/file.h"
#include "pool/segment/recent.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

enum { WAIT_CONNECTS = 4, WAIT_LIFE_MS = 100 };

static bool start_waiting(struct ledger *ledger, const struct held *held, int fd, struct recent_kind *kind)
{
	struct usage_writer *writer = ledger->writer;

	if (!usage_many_end_soon(ledger, fd, kind) || !lock_enter_held(ledger->lock, held))
		return false;
	size_t size = strlen(kind->place) + 1;
	if (writer->state == USAGE_NOT_TRIED && (writer->place = arena_alloc(ledger->arena, size))) {
		memcpy(writer->place, kind->place, size);
		writer->network_namespace = kind->own.network_namespace;
		writer->network_cookie = kind->own.network_cookie;
		writer->state = USAGE_WAITING;
		writer->waited = 1;
	}
	bool waits = writer->state == USAGE_WAITING;
	lock_leave(ledger->lock);
	return waits;
}

static bool is_young(const struct ledger *ledger, uint64_t now_ns)
{
	return clock_since(ledger->started_ns, now_ns) < WAIT_LIFE_MS * CLOCK_MILLISECOND_NS;
}

ONCE bool usage_still_waits(struct ledger *ledger, uint64_t now_ns)
{
	struct usage_writer *writer = ledger->writer;

	if (writer->state != USAGE_WAITING || !is_young(ledger, now_ns) ||
	    writer->waited + 1 >= WAIT_CONNECTS)
		return false;
	if (writer->inherited && !writer->waited && !heritage_is_ours(ledger)) {
		heritage_drop(ledger);
		return false;
	}
	writer->waited++;
	return true;
}

COLD bool usage_waits(struct ledger *ledger, const struct held *held, int fd, struct recent_kind *kind)
{
	return ledger->writer->state == USAGE_NOT_TRIED && is_young(ledger, clock_ns()) &&
	       start_waiting(ledger, held, fd, kind);
}

/* A copy, as other threads go on; a forked child that has none saves a page. */
static const struct usage_entry *keep(struct ledger *ledger, const struct usage_entry *use)
{
	if (threads_is_one() && !ledger->writer->segment)
		return use;
	struct usage_entry *copy = arena_alloc(ledger->arena, sizeof(*copy));
	if (copy)
		*copy = *use;
	return copy;
}

/* Return: false if it is more than is to be added up, or nothing. The lock is held. */
static bool collect(struct ledger *ledger, struct recent_adding *adding)
{
	uint64_t opened = 0;

	if (ledger->folding.table || ledger->forgotten || ledger->untracked || ledger->more_than_counts)
		return false;
	for (struct destination *d = ledger_next(ledger, NULL); d; d = ledger_next(ledger, d))
		for (struct tuple_space *s = d->spaces; s; s = s->next) {
			if (!s->use->opened && !s->use->failed)
				continue;
			if (adding->count == RECENT_SPACES_MAX || (s->open && ledger->writer->segment))
				return false;
			const struct usage_entry *use = keep(ledger, s->use);
			if (!use)
				return false;
			adding->counts[adding->count] =
				(struct recent_count){ .to = d->to, .source = s->source, .use = use };
			opened += s->use->opened;
			adding->count++;
		}
	return adding->count && (!ledger->writer->segment || opened <= RECENT_OPENED_MAX);
}

/* Return: false if this process is no case for it. */
ONCE static bool prepare(struct ledger *ledger, struct recent_adding *adding)
{
	const struct usage_writer *writer = ledger->writer;
	const struct usage_header *header = writer->segment ? &writer->segment->header : NULL;
	uint64_t now_ns = clock_ns();

	if (!lock_enter(ledger->lock))
		return false;
	bool short_life =
		!header || clock_since(ledger->started_ns, now_ns) < RECENT_LIFE_MS * CLOCK_MILLISECOND_NS;
	bool fits = writer->place && !writer->frozen && short_life && collect(ledger, adding);
	if (fits) {
		adding->own = (struct recent_own){
			.network_namespace = header ? header->network_namespace : writer->network_namespace,
			.network_cookie = header ? header->network_cookie : writer->network_cookie,
			.name = ledger->process,
			.now_ns = now_ns,
		};
		adding->has_segment = header;
		adding->range = ledger->range;
		/* Once: _exit() may come after exit(). */
		ledger->writer->handed_over = true;
	}
	lock_leave(ledger->lock);
	return fits;
}

struct handing {
	struct ledger *ledger;
	const struct recent_adding *adding;
};

/* The place and the name of the file stay as they are to the end. */
static void hand_over(void *argument)
{
	struct ledger *ledger = argument;
	struct recent_adding adding;

	adding.count = 0;
	if (prepare(ledger, &adding) && recent_add(ledger->writer->place, &adding) && adding.has_segment)
		usage_file_remove(ledger->writer->place, ledger->writer->name);
}

static void add_by_place(void *argument)
{
	const struct handing *handing = argument;

	recent_add(handing->ledger->writer->place, handing->adding);
}

/* A forked child has the file mapped from its parent. That takes little stack, and saves a page of our own.
 */
ONCE static void hand_over_mapped(struct ledger *ledger, struct recent *recent)
{
	struct recent_adding adding;
	struct handing handing = { .ledger = ledger, .adding = &adding };
	uint64_t all = ~0ull, before;

	/* A handler may end the process. */
	kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof(all), 0, 0);
	adding.count = 0;
	if (prepare(ledger, &adding) && !recent_add_mapped(recent, &adding))
		own_stack_run(add_by_place, &handing);
	kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof(before), 0, 0);
}

/* Nobody else is to unmap it meanwhile. */
ONCE static struct recent *take_mapping(struct ledger *ledger)
{
	struct heritage *heritage = ledger->heritage;
	struct recent *recent = NULL;

	if (!lock_enter(ledger->lock))
		return NULL;
	if (ledger->writer->inherited) {
		recent = heritage->recent;
		heritage->recent = NULL;
	}
	lock_leave(ledger->lock);
	return recent;
}

ONCE void usage_hand_over(struct ledger *ledger)
{
	const struct usage_writer *writer = ledger->writer;
	struct recent *recent;

	if (writer->state == USAGE_WAITING && writer->waited && !writer->handed_over &&
	    (recent = take_mapping(ledger))) {
		hand_over_mapped(ledger, recent);
		return;
	}
	if ((writer->state == USAGE_WRITING || (writer->state == USAGE_WAITING && writer->waited)) &&
	    !writer->handed_over)
		own_stack_run(hand_over, ledger);
}
