// SPDX-License-Identifier: Apache-2.0
/* space_table - the tuple spaces in use, and the processes of each.
 *
 * A tuple space belongs to a network namespace, not to a process: what one process has in use the others
 * cannot take. So the headroom of a row is that of its tuple space, after all processes. */
#ifndef HEADROOM_CLI_LIVE_SPACE_TABLE_H
#define HEADROOM_CLI_LIVE_SPACE_TABLE_H

#include "cli/ports/each_netns.h"
#include "pool/segment/read.h"

#include <net/if.h>

#include <uthash.h>

struct space_key {
	struct address source;
	struct endpoint destination;
	uint64_t network; /* 0: that of the caller; else the inode of its network namespace */
	/* Of sockets bound to one, which have a tuple space of their own; else empty, filled up with NULs. */
	char interface[IF_NAMESIZE];
};
_Static_assert(sizeof(struct space_key) == 64, "a hash key: no padding");

struct space {
	struct space_key key;
	/* Of all processes under the shim; where the kernel was asked, of all processes. */
	uint32_t open, time_wait, in_use;
	uint32_t shim_open, shim_time_wait, shim_in_use; /* of those under the shim */
	double fills;                                    /* ports a second, net, that these take */
	double opened_per_s; /* connections since the look before, by whoever shows it */
	bool capacity_known;
	uint32_t capacity, headroom; /* if it is known */
	uint32_t doubtful; /* of the headroom: ports that may be blocked, for all the kernel tells */
	bool from_kernel;
	unsigned interfaces;    /* while it is settled: how many interfaces have a space beside this one */
	struct space *moved_to; /* and the one that is to take its rows */
	UT_hash_handle hh;
};

struct space_process {
	struct usage usage;
	char *path; /* of its usage segment */
};

/* One process and one of its tuple spaces. Of what is added up (destination with port 0) @space is NULL. */
struct space_row {
	unsigned process; /* index; SPACE_NO_SHIM: all processes without the shim, then @entry is NULL */
	const struct usage_entry *entry;
	struct usage_figures figures; /* of this process alone */
	struct space *space;
};

enum { SPACE_NO_SHIM = 0xffffffffu, SPACES_MAX = 50000 };

/* What the kernel says of the port space of a network namespace. */
struct space_host {
	uint64_t network;          /* as in a key */
	uint64_t inode, cookie;    /* 0: not known */
	char name[NETNS_NAME_MAX]; /* as of each_netns() */
	uint32_t range, reserved, blocked, capacity;
	uint32_t doubtful, at_least; /* of the capacity; and what is left of that without them */
	bool udp_known;
	uint32_t udp_in_use; /* ports of the range that UDP sockets hold */
};

struct spaces {
	struct arena arena;
	struct space_process *processes;
	unsigned process_count, process_room;
	struct space_row *rows;
	unsigned row_count, row_room;
	struct space *table;
	struct space_host *hosts; /* those the kernel was asked about; the caller's is the first */
	unsigned host_count, host_room;
	uint64_t left_out; /* sockets for whose tuple spaces there was no room */
	unsigned skipped;  /* segments and directories that could not be read */
	unsigned attached_out_of_date;
	uint64_t now_ns; /* CLOCK_MONOTONIC */
};

/**
 * spaces_find() - a tuple space, made if it is not there
 * Return: NULL when there are too many, or memory is short
 */
struct space *spaces_find(struct spaces *spaces, const struct space_key *key);

/**
 * spaces_add_row() - one row more
 * Return: NULL when memory is short
 */
struct space_row *spaces_add_row(struct spaces *spaces);

/**
 * spaces_add_host() - one network namespace more
 * Return: NULL when memory is short
 */
struct space_host *spaces_add_host(struct spaces *spaces);

/**
 * spaces_host_of() - that of a key's network
 * Return: NULL if the kernel was not asked about it
 */
const struct space_host *spaces_host_of(const struct spaces *spaces, uint64_t network);

enum { SPACE_SOURCE_TEXT_MAX = ADDRESS_TEXT_MAX + IF_NAMESIZE };

/**
 * space_source_text() - "10.0.0.5", or "10.0.0.5%eth0" of sockets that are bound to an interface
 * @out:	SPACE_SOURCE_TEXT_MAX bytes
 * Return: @out
 */
const char *space_source_text(const struct space_key *key, char *out);

/**
 * spaces_end() - give memory back
 */
void spaces_end(struct spaces *spaces);

#endif
