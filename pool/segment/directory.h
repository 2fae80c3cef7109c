// SPDX-License-Identifier: Apache-2.0
/* directory - where usage segments are kept, and whom to trust there. */
#ifndef HEADROOM_POOL_SEGMENT_DIRECTORY_H
#define HEADROOM_POOL_SEGMENT_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { USAGE_PATH_MAX = 1024, USAGE_FILE_NAME_MAX = 48, USAGE_PLACES = 3 };

/**
 * usage_place() - one of the directories where a user's segments may be, the first choice first
 * @index:	0 to USAGE_PLACES - 1
 * @state_dir:	as configured: then it is the only one; NULL or empty for the default ones
 * @runtime_dir:	XDG_RUNTIME_DIR, or NULL
 * @out:	USAGE_PATH_MAX bytes
 * Return: false if there is none of that number, or its path is too long
 */
bool usage_place(unsigned index, const char *state_dir, const char *runtime_dir, unsigned uid, char *out);

/**
 * usage_directory_open() - open a directory of segments, if nobody but its user can write there
 * @make:	make it, mode 0700, if it is not there
 * @owner:	uid it has to belong to; -1 for whoever, then filled in
 * @reason:	REASON_MAX bytes (settings.h), filled on failure
 * Return: an fd above 2, close-on-exec, or a negative errno; -EPERM: not to be trusted
 */
long usage_directory_open(const char *path, bool make, long *owner, char *reason);

/* A walk over the names in a directory. */
struct usage_names {
	int directory;
	long used, at;
	char buffer[4096] __attribute__((aligned(8)));
};

/**
 * usage_names_start() - begin to walk
 * @directory:	fd, read from its start
 */
void usage_names_start(struct usage_names *names, int directory);

/**
 * usage_names_next() - the next name that a segment can have: usage_file_name()
 * Return: NULL at the end
 */
const char *usage_names_next(struct usage_names *names);

/**
 * usage_file_name() - a name for a new segment; in order of names is in order of time
 * @realtime_s:	CLOCK_REALTIME
 * @random:	tells those apart that a process makes in one second, exec(2) after exec
 * @network_cookie:	of its network namespace, of which the name has a few bits; 0: not known
 */
void usage_file_name(uint64_t realtime_s, unsigned pid, uint32_t random, uint64_t network_cookie, char *out);

/**
 * usage_name_made_s() - CLOCK_REALTIME when it was made
 */
int64_t usage_name_made_s(const char *name);

/**
 * usage_name_may_be_of() - may a segment of that name be of that network namespace? Says it without a look
 * into the file, which has the last word
 * @name:	as of usage_names_next()
 */
bool usage_name_may_be_of(const char *name, uint64_t network_cookie);

/* How many ended segments are kept, and for how long. A file as young as YOUNG may just be made, and have no
 * lock yet. */
enum { USAGE_ENDED_MAX = 100, USAGE_ENDED_S = 24 * 60 * 60, USAGE_YOUNG_S = 10 };

/* A few names taken at random: each of them is as likely, so in the long run none is left out. */
struct usage_sample {
	char names[8][USAGE_FILE_NAME_MAX];
};

/**
 * usage_sweep_all() - remove ended segments that are too many or too old, those left half made too
 * @directory:	fd; read from its start
 * @names:	to read with
 * @most:	remove no more than this
 * Return: how many were removed
 */
unsigned usage_sweep_all(int directory, struct usage_names *names, unsigned most);

/**
 * usage_sweep_some() - the same, but look into a few files only, as a program at its start has no time to
 * lose
 */
unsigned usage_sweep_some(int directory, struct usage_names *names, struct usage_sample *sample);

#endif
