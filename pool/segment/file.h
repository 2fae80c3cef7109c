// SPDX-License-Identifier: Apache-2.0
/* file - make, map and extend the file of a usage segment; remove old ones.
 *
 * Theory of operation
 *
 * Against SIGBUS: tmpfs only; every page is asked for before a store (fallocate(), then
 * MADV_POPULATE_WRITE); mode 0400. Against SIGXFSZ: RLIMIT_FSIZE is looked at first. After a fork the
 * child unmaps its parent's segment; a hook of the parent that a signal handler interrupted by forking
 * gets private memory in its place (usage_file_replace()). */
#ifndef HEADROOM_POOL_SEGMENT_FILE_H
#define HEADROOM_POOL_SEGMENT_FILE_H

#include "pool/base/arena.h"
#include "pool/rules/settings.h"
#include "pool/segment/directory.h"
#include "pool/segment/layout.h"
#include "pool/segment/writer.h"

#include <stdbool.h>

/* A new file, mapped; with what making it takes, which is too much for the stack of a thread that connects.
 */
struct usage_file {
	struct usage_segment *segment;
	unsigned ready;
	uint64_t network_namespace, network_cookie; /* 0: to be asked for */
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
 * @out:	all zero, but for the network namespace if it is known
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

#endif
