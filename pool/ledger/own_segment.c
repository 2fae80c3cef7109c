// SPDX-License-Identifier: Apache-2.0
/* own_segment - the usage segment's beginning and end in a process, and in its forks. */
#include "pool/ledger/own_segment.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/base/resting.h"
#include "pool/ledger/entries.h"
#include "pool/ledger/heritage.h"
#include "pool/ledger/short_lived.h"
#include "pool/segment/file.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static void complain(struct ledger *ledger, const struct usage_file *file)
{
	char text[2 * REASON_MAX + 64];
	/* That a place nobody asked for is not there is no news; nor may somebody else's mkdir make all
	 * programs of this user speak. `headroom report` tells it to who asks. */
	bool news = ledger->settings->state_dir[0] && !file->trespass;

	snprintf(text, sizeof(text), "%.*s%s%s; nothing is kept for `headroom report`", REASON_MAX,
		 file->place, *file->place ? " " : "", file->reason);
	log_message(ledger->log, news ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "no_usage", text);
}

static void move_in(struct ledger *ledger)
{
	uint64_t now_ns = clock_coarse_ns();

	for (struct destination *d = ledger_next(ledger, NULL); d; d = ledger_next(ledger, d))
		for (struct tuple_space *s = d->spaces; s; s = s->next)
			usage_move_in(ledger->writer, ledger->arena, s, now_ns);
}

/* Another thread may have been faster, or the process have been forked: then this file is nobody's. */
static bool adopt(struct ledger *ledger, const struct held *held, const struct usage_file *file,
		  bool *complains)
{
	struct usage_writer *writer = ledger->writer;

	if (!(held ? lock_enter_held(ledger->lock, held) : lock_enter(ledger->lock)))
		return false;
	bool ours = writer->state <= USAGE_WAITING;
	if (ours) {
		writer->state = USAGE_WITHOUT;
		*complains = !file->segment && !writer->complained;
		writer->complained |= *complains;
		writer->owners = file->segment
					 ? arena_alloc(ledger->arena, USAGE_ENTRIES * sizeof(*writer->owners))
					 : NULL;
		if (writer->inherited) {
			writer->place = NULL;
			heritage_let_go(ledger->heritage);
		}
		writer->inherited = false;
		if (!writer->place && file->segment)
			writer->place = arena_alloc(ledger->arena, sizeof(file->place));
	}
	ours = ours && writer->owners && writer->place;
	if (ours) {
		writer->segment = file->segment;
		strcpy(writer->place, file->place);
		strcpy(writer->name, file->name);
		writer->ready = file->ready;
		writer->state = USAGE_WRITING;
		file->segment->entries[0].first_ns = file->segment->header.started_ns;
		usage_note_range(writer, &ledger->range);
		move_in(ledger);
	}
	lock_leave(ledger->lock);
	return ours;
}

/* On a stack of ours. @own: what is known of the network namespace */
static void start(struct ledger *ledger, const struct held *held, const struct recent_own *own)
{
	struct usage_file file = { .network_namespace = own->network_namespace,
				   .network_cookie = own->network_cookie };
	bool complains = false;

	usage_file_make(ledger->settings, ledger->process, &file);
	if (!adopt(ledger, held, &file, &complains) && file.segment)
		usage_file_discard(&file);
	if (complains)
		complain(ledger, &file);
}

COLD void usage_start(struct ledger *ledger, const struct held *held, int fd)
{
	struct recent_kind kind = { .uid = 0 };

	if (!usage_waits(ledger, held, fd, &kind))
		start(ledger, held, &kind.own);
}

static void start_here(void *argument)
{
	start(argument, NULL, &(struct recent_own){ .name = NULL });
}

COLD void usage_freeze(struct ledger *ledger)
{
	if (ledger->writer->state <= USAGE_WAITING && !resting())
		own_stack_run(start_here, ledger);
	if (!lock_enter(ledger->lock))
		return;
	ledger->writer->frozen = true;
	if (ledger->writer->state <= USAGE_WAITING)
		ledger->writer->state = USAGE_WITHOUT;
	lock_leave(ledger->lock);
}

ONCE void usage_restart(struct usage_writer *writer, bool interrupted)
{
	struct usage_segment *segment = writer->segment;

	if (segment && interrupted)
		usage_file_replace(segment);
	else if (segment)
		usage_file_unmap(segment);
	*writer = (struct usage_writer){ .state = writer->state,
					 .frozen = writer->frozen,
					 .complained = writer->complained };
	/* The child makes its own at its first connect(), if it still may. */
	if (writer->state == USAGE_WRITING || writer->state == USAGE_WAITING)
		writer->state = writer->frozen || interrupted ? USAGE_WITHOUT : USAGE_NOT_TRIED;
}

ONCE void usage_ended(struct ledger *ledger)
{
	struct usage_segment *segment = ledger->writer->segment;

	if (segment)
		USAGE_PUT(segment->header.ended_ns, clock_ns());
	usage_hand_over(ledger);
}
