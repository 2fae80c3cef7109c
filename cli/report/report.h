// SPDX-License-Identifier: Apache-2.0
/* report - `headroom report`: what is collected, and the ways to show it. */
#ifndef HEADROOM_CLI_REPORT_REPORT_H
#define HEADROOM_CLI_REPORT_REPORT_H

#include "cli/history/past.h"
#include "cli/ports/each_netns.h"
#include "cli/report/shares.h"
#include "cli/shared/groups.h"
#include "pool/segment/read.h"

#include <stdio.h>

enum { REPORT_SCHEMA = 1 };

/* One source towards one destination, of one process. */
struct report_row {
	const struct usage_entry *entry;
	struct usage_figures figures;
};

struct report_process {
	struct usage usage;
	char *path; /* of its usage segment */
	struct report_row *rows;
	unsigned row_count;
	/* Sums over all its rows. */
	uint64_t opened, failed, exhausted;
	uint32_t open, time_wait;
	const struct report_row *tightest; /* the row with the least headroom; NULL: none is known */
	double opened_per_s;               /* since it began to count */
};

struct report_skipped {
	char *path;
	char reason[REASON_MAX];
};

/* A network namespace that the kernel was asked about. */
struct report_netns {
	uint64_t inode, cookie;
	char name[NETNS_NAME_MAX]; /* as of each_netns() */
};

struct report {
	struct report_process *processes;
	unsigned process_count, process_room;
	struct report_skipped *skipped;
	unsigned skipped_count, skipped_room;
	uint64_t now_ns, now_realtime_ns;
	struct shares *shares;
	struct shares_host ports;
	uint64_t network; /* inode of the caller's network namespace */
	bool all_netns;
	struct report_netns *netns;
	unsigned netns_count, netns_room;
	const struct past *past; /* NULL: there is no history to show */
};

/**
 * report_netns() - which network namespace a process is in; NULL: not asked for, or none that was found
 */
const char *report_netns(const struct report *report, const struct usage_header *header);

/**
 * report_pid() - the pid that a running process has for us; 0: it has ended, or does not show here
 */
int report_pid(const struct usage *usage);

/**
 * report_time() - RFC 3339 in UTC, of a moment of CLOCK_MONOTONIC as seen by a process
 * @out:	32 bytes
 * Return: @out
 */
const char *report_time(const struct usage_header *header, uint64_t time_ns, char *out);

/**
 * report_source() - its text; "-" if it is not known
 * @out:	ADDRESS_TEXT_MAX bytes
 */
const char *report_source(const struct address *source, char *out);

/**
 * report_destination() - its text; "(others)" for the row that is added up
 * @out:	ENDPOINT_TEXT_MAX bytes
 */
const char *report_destination(const struct endpoint *to, char *out);

/**
 * report_text() / report_json() / report_html() - write it all
 */
void report_text(const struct report *report, FILE *out);
void report_json(const struct report *report, FILE *out);
void report_html(const struct report *report, FILE *out);

/**
 * grouped_text() / grouped_json() - a row for each group, in the order of the report (grouped.c)
 */
void grouped_text(const struct report *report, enum group_by by, FILE *out);
void grouped_json(const struct report *report, enum group_by by, FILE *out);

#endif
