// SPDX-License-Identifier: Apache-2.0
/* spaces - find the tuple spaces in use now, each with the processes under the shim that share it.
 *
 * A tuple space belongs to a network namespace, so what all processes have in use is taken from its
 * capacity. spaces_host.c replaces the sums of the segments by the kernel's numbers. export_count.c counts
 * up from look to look. */
#ifndef HEADROOM_CLI_LIVE_SPACES_H
#define HEADROOM_CLI_LIVE_SPACES_H

#include "cli/live/space_table.h"

struct spaces_options {
	const char *state_dir;    /* as of usage_walk() */
	bool host;                /* ask the kernel too */
	bool all_netns;           /* with @host: about each network namespace of this host */
	struct spaces_kept *kept; /* with @host: what is kept from look to look */
	uint64_t ask_ns;          /* and how long to ask about ports in doubt */
	bool out_of_date;         /* count the attachments that are */
	bool say_skipped;         /* one line on standard error for each that is skipped */
};

/**
 * spaces_look() - find them
 * @spaces:	out; spaces_end() gives its memory back, after an error too
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int spaces_look(struct spaces *spaces, const struct spaces_options *options);

/**
 * spaces_state_dir() - where to look: what the option says, else HEADROOM_STATE_DIR
 * @state_dir:	of the option, or NULL; out: as of usage_walk()
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int spaces_state_dir(const char **state_dir);

#endif
