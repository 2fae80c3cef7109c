// SPDX-License-Identifier: Apache-2.0
/* entries - this process's usage segment: making it, and which tuple space has an entry there.
 *
 * A tuple space counts in its entry of the segment directly, so that a connect() touches no memory besides.
 * While there is no segment (none made yet, none to be had, switched off) it counts in memory of its own. So
 * it does when no entry is free; then all it counts is entered in the segment's first entry too, the sum of
 * those. So the sum over the segment is what the process counted, whoever has an entry.
 *
 * The file is made at the first connect(), so a program that makes none leaves none, but later where most
 * processes of its name end after one (recent.h); or before the program
 * takes the right to open files from itself, by seccomp(2) or chroot(2). From then on no such call is made.
 * The segment never shrinks under the program: its file is mode 0400, on a memory file system, and a page is
 * asked for (fallocate(2), MADV_POPULATE_WRITE) before it is written to. Only who could kill the process as
 * well could cut it short. */
#ifndef HEADROOM_POOL_LEDGER_ENTRIES_H
#define HEADROOM_POOL_LEDGER_ENTRIES_H

#include "pool/base/arena.h"
#include "pool/ports/range.h"
#include "pool/rules/settings.h"
#include "pool/segment/directory.h"
#include "pool/segment/layout.h"

#include <stdbool.h>

struct ledger;
struct tuple_space;
struct shim;
struct held;

enum usage_state {
	USAGE_NOT_TRIED,
	USAGE_WAITING, /* most processes of this name live for a connection: see recent.h */
	USAGE_WRITING,
	USAGE_WITHOUT, /* it could not be made, or is not wanted */
};

/* Guarded by the shim's lock. */
struct usage_writer {
	enum usage_state state;
	bool frozen;     /* the program has shut itself in: no file is opened any more */
	bool complained; /* that none could be made */
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

/* A new file, mapped; with what making it takes, which is too much for the stack of a thread that connects.
 */
struct usage_file {
	struct usage_segment *segment;
	unsigned ready;
	char place[USAGE_PATH_MAX]; /* on failure: where it was tried last, and what is wrong there */
	char reason[REASON_MAX];
	bool trespass; /* somebody else's hand is in it */
	char name[USAGE_FILE_NAME_MAX];
	struct usage_names names;
	struct usage_sample sample;
};

/**
 * usage_file_make() - make a segment's file and map it; on the way remove some that are old
 * @process:	name of the program
 * @out:	all zero
 * Return: false if none could be made; @out says why
 *
 * A place that is not to be trusted, or has no room, is passed over for the next.
 */
bool usage_file_make(const struct settings *settings, const char *process, struct usage_file *out);

/**
 * usage_file_extend() - have memory for more entries, if there is room for it: writer->ready
 * @arena:	for what it takes meanwhile
 */
void usage_file_extend(struct usage_writer *writer, struct arena *arena, uint64_t now_ns);

/**
 * usage_file_unmap() - let go of the memory; the file stays
 */
void usage_file_unmap(struct usage_segment *segment);

/**
 * usage_file_remove() - remove a segment's file, and not its memory
 */
void usage_file_remove(const char *place, const char *name);

/**
 * usage_file_discard() - unmap and remove a file that was made for nothing
 */
void usage_file_discard(const struct usage_file *file);

/**
 * usage_file_replace() - put memory of this process alone where a segment of its parent's is mapped
 */
void usage_file_replace(struct usage_segment *segment);

/**
 * usage_start() - make the segment if none is there yet; call without the lock
 * @held:	the socket it is for, or NULL
 */
void usage_start(struct shim *shim, const struct held *held);

/**
 * usage_freeze() - the program is about to shut itself in: make the segment now, then open nothing more
 */
void usage_freeze(struct shim *shim);

/**
 * usage_restart() - in a forked child: the parent's segment is not ours
 * @interrupted:	a hook is at work on it in this thread, below a signal handler
 */
void usage_restart(struct usage_writer *writer, bool interrupted);

/**
 * usage_ended() - the process ends in the ordinary way
 */
void usage_ended(struct shim *shim);

/**
 * usage_give() - find a new tuple space a place to count in
 * Return: false when memory is short
 */
bool usage_give(struct ledger *ledger, struct tuple_space *space);

/**
 * usage_take_back() - a tuple space is forgotten: what it counted goes to the sum
 */
void usage_take_back(struct ledger *ledger, struct tuple_space *space);

/**
 * usage_unfold() - a tuple space that was folded is made again
 * @was:	what it had counted, which is in the sum; aged on the way
 */
void usage_unfold(struct ledger *ledger, struct tuple_space *space, struct usage_entry *was);

/**
 * usage_promote() - a tuple space that counts apart is used: should it have an entry instead of another?
 */
void usage_promote(struct ledger *ledger, struct tuple_space *space);

/**
 * usage_move_in() - a segment has just been made: it takes over what counted in memory of its own until now
 */
void usage_move_in(struct ledger *ledger);

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
