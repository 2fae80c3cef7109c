// SPDX-License-Identifier: Apache-2.0
/* read - read usage segments: is it one, and what does it say?
 *
 * Whoever reads trusts nothing: the file may be truncated, planted, of another version, half written, or
 * being written. It is read, not mapped, as a mapping of a file that somebody truncates kills its reader. */
#ifndef HEADROOM_POOL_SEGMENT_READ_H
#define HEADROOM_POOL_SEGMENT_READ_H

#include "pool/base/arena.h"
#include "pool/rules/settings.h"
#include "pool/segment/layout.h"

#include <stdbool.h>

/* What one segment says. */
struct usage {
	struct usage_header header; /* text is printable ASCII, '?' for anything else */
	struct usage_event events[USAGE_EVENTS];
	unsigned event_count;        /* oldest first */
	struct usage_entry *entries; /* those in use; the one added up, if used, has port 0 in `to` */
	unsigned entry_count;
	bool running;
	unsigned merged; /* so many short-lived processes, added up: see recent.h; 0: it is one process */
	bool attached;   /* a cgroup of `headroom attach`, not a process: its name, path as command, id as pid
			  */
	unsigned torn;   /* entries that were being written all the time: some of their numbers may be off by
			    one */
};

/**
 * usage_read_buffer() - what a segment in memory says
 * @arena:	for the entries
 * @data:	bytes of a segment that nobody writes now; any alignment
 * @reason:	REASON_MAX bytes, filled on failure
 * Return: false if it is none
 */
bool usage_read_buffer(struct arena *arena, const void *data, size_t size, struct usage *out, char *reason);

/**
 * usage_header_is_sound() - is it the header of a segment of this version? Its text may be anything
 * @size:	of the file
 * @reason:	REASON_MAX bytes, filled if it is not
 */
bool usage_header_is_sound(struct usage_header *header, size_t size, char *reason);

/**
 * usage_read_file() - what a segment in a directory says, and whether its process still runs
 * @directory:	fd
 * @owner:	uid the file has to belong to
 *
 * What a process had open when it was killed is in TIME_WAIT from then on, as far as anybody can tell: from
 * when it was first found ended, by whoever looked.
 * Return: 0; -EAGAIN if it is only being made; -ENOENT if it has gone; -EINVAL, with @reason filled
 */
int usage_read_file(struct arena *arena, int directory, const char *name, unsigned owner, struct usage *out,
		    char *reason);

/**
 * usage_free() - give the entries back
 */
void usage_free(struct arena *arena, struct usage *usage);

/**
 * usage_visit - what to do with a segment
 * @usage:	gone when it returns, unless its `entries` are set to NULL: then they are the visitor's
 */
typedef void usage_visit(const char *path, struct usage *usage, void *argument);

/**
 * usage_skipped - a file or directory that was passed over, and why
 */
typedef void usage_skipped(const char *path, const char *reason, void *argument);

/**
 * usage_walk() - visit all segments the caller may read
 * @state_dir:	the only directory to look in; NULL: the default ones; as root those of all users
 * @runtime_dir:	XDG_RUNTIME_DIR, or NULL
 * @skipped:	may be NULL
 */
void usage_walk(struct arena *arena, const char *state_dir, const char *runtime_dir, usage_visit *visit,
		usage_skipped *skipped, void *argument);

/**
 * usage_in_use() - ports taken now: open, parked, TIME_WAIT but those the kernel hands out again
 * @now_ns:	CLOCK_MONOTONIC
 *
 * Of an ended process only the TIME_WAITs are.
 */
uint32_t usage_in_use(const struct usage *usage, const struct usage_entry *entry, uint64_t now_ns);

/* What follows from an entry's numbers. */
struct usage_figures {
	uint32_t time_wait; /* now */
	uint32_t in_use;    /* usage_in_use(), never more than the capacity */
	bool capacity_known;
	uint32_t capacity;     /* 0 if it is not known */
	uint32_t headroom;     /* capacity - in_use */
	double growth;         /* ports a second taken and not freed at once, over the last half minute */
	double exhausted_in_s; /* at that rate; INFINITY: never, as far as one sees */
};

/**
 * usage_figures() - work them out
 * @now_ns:	CLOCK_MONOTONIC
 *
 * Of an ended process only the TIME_WAITs are in use. The entry that is added up has no capacity.
 */
void usage_figures(const struct usage *usage, const struct usage_entry *entry, uint64_t now_ns,
		   struct usage_figures *out);

#endif
