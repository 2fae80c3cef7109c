// SPDX-License-Identifier: Apache-2.0
/* writer - this process's own usage segment: what is known of it, its events, the port range.
 *
 * The segment never shrinks under the program: its file is mode 0400, on a memory file system, and a page is
 * asked for (fallocate(2), MADV_POPULATE_WRITE) before it is written to. Only who could kill the process as
 * well could cut it short. */
#ifndef HEADROOM_POOL_SEGMENT_WRITER_H
#define HEADROOM_POOL_SEGMENT_WRITER_H

#include "pool/ports/range.h"
#include "pool/segment/directory.h"
#include "pool/segment/layout.h"

#include <stdatomic.h>
#include <stdbool.h>

struct tuple_space;

enum usage_state {
	USAGE_NOT_TRIED,
	USAGE_WAITING, /* most processes of this name live for a connection: see recent.h */
	USAGE_WRITING,
	USAGE_WITHOUT, /* it could not be made, or is not wanted */
};

/* Guarded by the shim's lock; what is atomic is looked at without it, too. */
struct usage_writer {
	_Atomic(enum usage_state) state;
	atomic_bool frozen; /* the program has shut itself in: no file is opened any more */
	bool complained;    /* that none could be made */
	struct usage_segment *segment;
	struct tuple_space **owners;                /* of the entries, by number */
	unsigned hand;                              /* where the search for an idle entry goes on */
	unsigned ready;                             /* entries below have their memory */
	uint64_t no_room_until_ns;                  /* for more of them: ask again after */
	bool handed_over;                           /* what was counted is added to that of its kind */
	unsigned waited;                            /* connect() calls while WAITING */
	bool inherited;                             /* place is that of struct heritage */
	uint64_t network_namespace, network_cookie; /* while WAITING; else the segment says it */
	char *place; /* directory of the segment's file, or where it would be */
	char name[USAGE_FILE_NAME_MAX];
};

/**
 * usage_note() - one more event
 * @event:	its time and sequence are filled in
 */
void usage_note(struct usage_writer *writer, const struct usage_event *event, uint64_t now_ns);

/**
 * usage_note_range() - the port range is another
 */
void usage_note_range(struct usage_writer *writer, const struct port_range *range);

#endif
