// SPDX-License-Identifier: Apache-2.0
/* past - what happened between two moments, from the looks that `headroom record` kept: of each tuple space a
 * row of numbers, and when it began, how bad it became and who grew. */
#ifndef HEADROOM_CLI_HISTORY_PAST_H
#define HEADROOM_CLI_HISTORY_PAST_H

#include "cli/history/look.h"

#include <uthash.h>

/* One look, of one tuple space; of the blocked ports @in_use is how many are lost. */
struct past_point {
	uint32_t in_use, time_wait, at_least, verdict;
};

struct past_owner {
	char group[LOOK_GROUP_MAX];
	uint32_t *ports; /* at each look */
	unsigned processes;
	UT_hash_handle hh;
};

struct past_series {
	struct look_space space;   /* as it was last seen; all zero: the ports lost to every destination */
	struct past_point *points; /* one for each look; where it was not kept all is 0 but at_least */
	struct past_owner *owners;
	uint32_t whole; /* the most that headroom can be */
	/* Looks, by index; PAST_NEVER if there is none. */
	unsigned least_at;           /* with the least headroom, the first of them */
	unsigned bad_from, bad_to;   /* the last time it was bad without a break */
	unsigned full_from, full_to; /* the same for exhausted */
	unsigned bad_looks;
	unsigned grew_from, grew_to; /* from where it began to rise to the most in use */
	UT_hash_handle hh;
};

enum { PAST_NEVER = 0xffffffffu };

struct past_asked {
	const char *path;            /* NULL: the usual place */
	uint64_t since_ns, until_ns; /* CLOCK_REALTIME */
};

struct past {
	unsigned count; /* looks */
	uint64_t *times_ns;
	struct look_host first, last;
	struct past_series *series, blocked; /* series: that with the least headroom first */
	uint64_t typical_gap_ns;             /* between two looks */
	unsigned gaps;                       /* four times as long as that, or longer */
	uint64_t longest_gap_ns;
};

/**
 * past_read() - read what was kept, of the network namespace of the last look
 * @past:	all zero; past_end() gives its memory back, after an error too
 * Return: STATUS_FINE, @count is 0 if nothing was kept then; STATUS_USAGE after a complaint
 */
int past_read(struct past *past, const struct past_asked *asked);

/**
 * past_at() - the last look that was kept until a moment
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int past_at(const char *path, uint64_t realtime_ns, struct look *out);

/**
 * past_exists() - is there a history at the usual place, or at @path?
 */
bool past_exists(const char *path);

/**
 * past_growers() - the owners of a series that grew most from @grew_from to @grew_to
 * @out:	@most of them
 * Return: how many there are
 */
unsigned past_growers(const struct past_series *series, const struct past_owner **out, unsigned most);

/**
 * past_end() - give memory back
 */
void past_end(struct past *past);

#endif
