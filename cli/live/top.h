// SPDX-License-Identifier: Apache-2.0
/* top - `headroom top`: rows of the live view, and the two ways to show them. */
#ifndef HEADROOM_CLI_LIVE_TOP_H
#define HEADROOM_CLI_LIVE_TOP_H

#include "cli/live/spaces.h"
#include "cli/live/spaces_host.h"
#include "cli/shared/groups.h"
#include "cli/shared/netns.h"

#include <stdio.h>

enum { TOP_PROCESS_MAX = GROUP_NAME_MAX + 16, TOP_FILTER_MAX = 64, TOP_HOST_MAX = 240 };

enum top_sort { TOP_BY_HEADROOM, TOP_BY_RATE, TOP_BY_FAILURES, TOP_SORTS };

/* Names a row from look to look. */
struct top_key {
	uint64_t started_ns;
	uint32_t pid; /* 0: programs without the shim; TOP_GROUP_PID: a group, then started_ns is of its name
		       */
	uint32_t reserved_zero;
	struct space_key space;
};
_Static_assert(sizeof(struct top_key) == 80, "a hash key: no padding");

enum { TOP_GROUP_PID = 0xffffffffu };

/* One process, or a group of them, and one tuple space. */
struct top_row {
	struct top_key key;
	char group[GROUP_NAME_MAX];
	unsigned processes; /* more than 1: a group */
	/* Of a process. */
	char name[USAGE_NAME_MAX];
	uint32_t uid;
	uint64_t pid_namespace;
	bool running;
	char process[TOP_PROCESS_MAX]; /* "NAME[PID]", in parentheses when it has ended */
	char to[ENDPOINT_TEXT_MAX], source[SPACE_SOURCE_TEXT_MAX];
	char netns[NETNS_NAME_MAX]; /* with --all-netns: its name; an inode where it has none */
	uint32_t open, time_wait;   /* connections */
	/* Ports in use by this process, without TIME_WAITs that may be taken over, and by all the others. */
	uint32_t in_use, others;
	bool capacity_known;
	uint32_t capacity, headroom; /* if it is known; the headroom at most */
	uint32_t doubtful;           /* of the headroom: ports that may be blocked */
	uint64_t opened, failed;
	double rate; /* connections opened a second, since the look before; below 0: not known */
	double exhausted_in_s;
};

struct top_before;
struct top_named;

struct top {
	struct spaces_options look_for;
	struct netns_asked netns;
	double delay_s;
	bool once;
	uint64_t at_ns; /* --at: CLOCK_REALTIME; 0: now */
	const char *history;
	enum top_sort sort;
	char filter[TOP_FILTER_MAX]; /* in the text of process, destination or source; empty: all */
	struct top_key only;         /* started_ns and pid; pid 0: all processes */

	enum group_by by;
	char opened[GROUP_NAME_MAX]; /* a group whose processes are shown one by one; empty: none */
	struct top_row *all;         /* of single processes */
	unsigned all_count;
	struct top_named *named;
	struct top_row *rows; /* what is shown, groups as one */
	unsigned row_count;
	unsigned process_count, skipped;
	struct space_host *hosts; /* of the namespaces that the kernel was asked about */
	unsigned host_count;
	struct spaces_kept kept;
	struct top_before *before;
	uint64_t looked_ns;
};

/**
 * top_look() - look again, and make the rows: filtered and sorted
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int top_look(struct top *top);

/**
 * top_sort() - sort the rows once more
 */
void top_sort(struct top *top);

/**
 * top_matches() - does a row pass filter and choice of process?
 */
bool top_matches(const struct top *top, const struct top_row *row);

/**
 * top_end() - give memory back
 */
void top_end(struct top *top);

/**
 * top_sort_name() - "headroom", "rate", "failures"
 */
const char *top_sort_name(enum top_sort sort);

/**
 * top_numbers() - texts of the columns of numbers
 */
struct top_numbers {
	char headroom[32], capacity[16], rate[16], failed[24], lasts[16];
};
void top_numbers(const struct top_row *row, struct top_numbers *out);

/**
 * top_host() - one line on the ports of a network namespace; with --host only
 * @out:	TOP_HOST_MAX bytes
 * Return: @out
 */
const char *top_host(const struct top *top, const struct space_host *host, char *out, size_t size);

/**
 * top_host_of() - the network namespace of a row; with --host only
 * @row:	NULL: that with the fewest ports to give
 */
const struct space_host *top_host_of(const struct top *top, const struct top_row *row);

/**
 * top_nothing() - why there is no row
 */
const char *top_nothing(const struct top *top);

/**
 * top_screen() - the live view, until the user or a signal ends it
 * Return: an exit status
 */
int top_screen(struct top *top);

#endif
