// SPDX-License-Identifier: Apache-2.0
/* status - what `headroom status` found out, for those who print it. */
#ifndef HEADROOM_CLI_STATUS_STATUS_H
#define HEADROOM_CLI_STATUS_STATUS_H

#include "cli/ports/conntrack.h"
#include "cli/ports/host_view.h"
#include "cli/ports/udp_view.h"
#include "cli/shared/netns.h"

#include <stdio.h>

enum { STATUS_HOST_MAX = 65, CLOSE_WAITS_MANY = 10 };

struct status_options {
	bool json, nagios, all_netns;
	unsigned threshold;
	double watch_s; /* 0: once */
	const char *state_dir;
	struct netns_asked netns;
};

/* Programs under the shim, and attached cgroups, in this network namespace. */
struct shim_coverage {
	unsigned processes, cgroups, skipped;
	unsigned out_of_date; /* attachments, wherever: see attached_out_of_date() */
	bool disabled;        /* resting.h */
	uint32_t in_use;      /* ports, by what these count */
};

struct status {
	char host[STATUS_HOST_MAX], kernel[STATUS_HOST_MAX];
	uint64_t network; /* inode of the namespace */
	struct host_view view;
	struct udp_view udp;
	struct conntrack nat;
	const struct host_tuple **sorted; /* those in use, the worst first */
	unsigned count, bad;              /* and how many of them are bad news */
	struct holders blockers, close_wait;
	uint32_t blocked_without_process, close_wait_without_process;
	struct process_search search;
	struct shim_coverage shim;
	uint64_t in_use;      /* ports of all tuple spaces */
	enum verdict verdict; /* the worst of all */
	char because[200];    /* in a few words; empty if all is well */
};

/**
 * status_look() - of the caller's network namespace, in under a second
 * @status:	all zero; status_end() gives its memory back, after an error too
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int status_look(struct status *status, const struct status_options *options);

/**
 * status_end() - give memory back
 */
void status_end(struct status *status);

/**
 * status_page() / status_json() / status_nagios() - write it
 */
void status_page(const struct status *status, const struct status_options *options, FILE *out);
void status_json(const struct status *status, const struct status_options *options, FILE *out);
void status_nagios(const struct status *status, const struct status_options *options, FILE *out);

/**
 * status_all_netns() - a line for each network namespace of this host, then the worst one's exit status
 * Return: an exit status
 */
int status_all_netns(const struct status_options *options);

#endif
