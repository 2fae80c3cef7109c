// SPDX-License-Identifier: Apache-2.0
/* found - what `headroom check HOST:PORT` found out, and whether that is bad news. */
#ifndef HEADROOM_CLI_CHECK_FOUND_H
#define HEADROOM_CLI_CHECK_FOUND_H

#include "cli/check/options.h"
#include "cli/ports/conntrack.h"
#include "cli/ports/holders.h"
#include "cli/ports/udp_view.h"
#include "cli/ports/verdict.h"
#include "pool/ports/tuple_space.h"
#include "pool/rules/source_list.h"

enum { CHECKED_MAX = 256, CHECKED_UNASKED_MAX = 32, TARGETS_MAX = 64 };

/* How fast a tuple space fills, from two looks at it. */
struct rate {
	bool known;
	double seconds;        /* between the looks */
	uint32_t taken, given; /* ports in use at the second look only, at the first only */
	double exhausted_in_s; /* below 0: it does not grow */
};

/* One tuple space. */
struct checked {
	const char *name; /* what the user called the destination */
	bool asked_for;   /* else some program uses this source too */
	struct tuple_space before, now;
	struct tuple_count count;
	struct rate rate;
	struct holders holders;
	uint32_t fin_wait2_held;  /* in FIN_WAIT2, with a process that could close them */
	uint32_t without_process; /* in use, with no process: TIME_WAIT, or closed by its program already */
};

/* A destination to look at, and from where. */
struct target {
	const char *name;
	struct endpoint endpoint;
};

struct check {
	struct arena arena;
	struct target targets[TARGETS_MAX];
	unsigned target_count;
	struct source_list from;
	struct check_options options;

	struct port_space ports;
	struct kernel_view view;
	struct checked spaces[CHECKED_MAX];
	unsigned space_count;
	bool more_sources; /* than CHECKED_UNASKED_MAX */
	int asked;         /* of port_space_ask(): 0, or why not all ports in doubt were asked about */
	struct udp_view udp;
	struct conntrack conntrack;
	struct process_search search;
	struct holders blockers;          /* tag: enum blocked_by */
	uint32_t blocked_without_process; /* blocked ports whose holder is not known */
};

/**
 * check_exact() - is the headroom of this tuple space exact, or an upper bound?
 */
static inline bool check_exact(const struct checked *space)
{
	return !space->count.doubtful;
}

/**
 * check_room() - how the ports of this tuple space are taken up
 */
struct room check_room(const struct checked *space);

/**
 * check_verdict() - of one tuple space
 */
enum verdict check_verdict(const struct check *check, const struct checked *space);

/**
 * check_worst() - the worst verdict of the tuple spaces that were asked for
 */
enum verdict check_worst(const struct check *check);

/**
 * check_doubt() - the most ports that are in doubt in one of them
 */
uint32_t check_doubt(const struct check *check);

/**
 * check_end() - give memory back
 */
void check_end(struct check *check);

#endif
