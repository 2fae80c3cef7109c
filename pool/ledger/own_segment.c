// SPDX-License-Identifier: Apache-2.0
/* own_segment - the usage segment's beginning and end in a process, and in its forks. */
#include "pool/ledger/entries.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/ledger/short_lived.h"
#include "pool/shim.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static void complain(struct shim *shim, const struct usage_file *file)
{
	char text[2 * REASON_MAX + 64];
	/* That a place nobody asked for is not there is no news; nor may somebody else's mkdir make all
	 * programs of this user speak. `headroom report` tells it to who asks. */
	bool news = shim->settings.state_dir[0] && !file->trespass;

	snprintf(text, sizeof(text), "%.*s%s%s; nothing is kept for `headroom report`", REASON_MAX,
		 file->place, *file->place ? " " : "", file->reason);
	log_message(&shim->log, news ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "no_usage", text);
}

/* Another thread may have been faster, or the process have been forked: then this file is nobody's. */
static bool adopt(struct shim *shim, const struct held *held, const struct usage_file *file, bool *complains)
{
	struct usage_writer *writer = &shim->writer;

	if (!(held ? shim_enter_held(shim, held) : shim_enter(shim)))
		return false;
	bool ours = writer->state <= USAGE_WAITING;
	if (ours) {
		writer->state = USAGE_WITHOUT;
		*complains = !file->segment && !writer->complained;
		writer->complained |= *complains;
		writer->owners = file->segment
					 ? arena_alloc(&shim->arena, USAGE_ENTRIES * sizeof(*writer->owners))
					 : NULL;
		if (writer->inherited)
			writer->place = NULL;
		writer->inherited = false;
		if (!writer->place && file->segment)
			writer->place = arena_alloc(&shim->arena, sizeof(file->place));
	}
	ours = ours && writer->owners && writer->place;
	if (ours) {
		writer->segment = file->segment;
		strcpy(writer->place, file->place);
		strcpy(writer->name, file->name);
		writer->ready = file->ready;
		writer->state = USAGE_WRITING;
		file->segment->entries[0].first_ns = file->segment->header.started_ns;
		usage_note_range(writer, &shim->range);
		usage_move_in(&shim->ledger);
	}
	shim_leave(shim);
	return ours;
}

static void start(struct shim *shim, const struct held *held)
{
	struct arena scratch = { 0 };
	struct usage_file *file = arena_alloc(&scratch, sizeof(*file));
	bool complains = false;

	if (!file)
		return;
	usage_file_make(&shim->settings, shim->process, file);
	if (!adopt(shim, held, file, &complains) && file->segment)
		usage_file_discard(file);
	if (complains)
		complain(shim, file);
	arena_release(&scratch);
}

COLD void usage_start(struct shim *shim, const struct held *held)
{
	if (!usage_waits(shim, held))
		start(shim, held);
}

static void start_here(void *argument)
{
	start(argument, NULL);
}

COLD void usage_freeze(struct shim *shim)
{
	if (shim->writer.state <= USAGE_WAITING)
		own_stack_run(start_here, shim);
	if (!shim_enter(shim))
		return;
	shim->writer.frozen = true;
	if (shim->writer.state <= USAGE_WAITING)
		shim->writer.state = USAGE_WITHOUT;
	shim_leave(shim);
}

COLD void usage_restart(struct usage_writer *writer, bool interrupted)
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

COLD void usage_ended(struct shim *shim)
{
	struct usage_segment *segment = shim->writer.segment;

	if (segment)
		USAGE_PUT(segment->header.ended_ns, clock_ns());
	usage_hand_over(shim);
}
