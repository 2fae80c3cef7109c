// SPDX-License-Identifier: Apache-2.0
/* recent_file - the file of what short-lived processes counted: its layout, making, opening and mapping it.
 * See recent.h. */
#ifndef HEADROOM_POOL_SEGMENT_RECENT_FILE_H
#define HEADROOM_POOL_SEGMENT_RECENT_FILE_H

#include "pool/segment/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECENT_NAME  "recent.1" /* the number is the version of the layout */
#define RECENT_MAGIC 0x746e656365726468ull

enum { RECENT_ENTRIES = 1024 };

struct recent_header {
	/*  0 */ uint64_t magic;
	/*  8 */ uint32_t entry_size, sum_size, entry_count;
	/* 20 */ uint32_t used;                            /* no entry from here on was ever claimed */
	/* 24 */ uint64_t started_ns, started_realtime_ns; /* as in struct usage_header */
	/* 40 */ uint64_t without_place;                   /* processes whose counts found no entry */
	/* 48 */ uint8_t reserved_48[16];
};
_Static_assert(sizeof(struct recent_header) == 64, "layout");

enum recent_state { RECENT_FREE, RECENT_CLAIMED, RECENT_USED };

/* What tells one from the other, and what others want to know at once. */
struct recent_entry {
	/*   0 */ uint32_t state;      /* enum recent_state */
	/*   4 */ uint32_t claimed_at; /* tick, while CLAIMED: who claimed it may have died there */
	/*   8 */ uint64_t network_namespace, network_cookie;
	/*  24 */ struct endpoint to;
	/*  48 */ struct address source;
	/*  64 */ char name[USAGE_NAME_MAX];
	/* 128 */ uint64_t first_ns, last_ns; /* ends of processes */
	/* 144 */ uint32_t processes;         /* added up here */
	/* 148 */ uint32_t kept;              /* ended likewise, but have a segment of their own */
	/* 152 */ uint32_t range_low, range_high, range_reserved, time_wait_reuse, reuse_delay_ms,
		waits_bound;
	/* TIME_WAITs begun in tick t: t << 32 | count in [t % USAGE_TIME_WAIT_BUCKETS]. */
	/* 176 */ uint64_t time_wait[USAGE_TIME_WAIT_BUCKETS];
	/* 296 */ uint8_t reserved_296[24];
};
_Static_assert(offsetof(struct recent_entry, time_wait) == 176, "layout");
_Static_assert(sizeof(struct recent_entry) == 320, "layout: a change is a new RECENT_NAME");

struct recent {
	struct recent_header header;
	struct recent_entry entries[RECENT_ENTRIES];
	struct usage_entry
		sums[RECENT_ENTRIES]; /* of the entry of that number; no TIME_WAITs, nothing open */
};

/**
 * recent_open() - open it, if it is one and nobody but its user can write to it
 * @place:	directory of this user's segments; not looked at, as it is the file itself that is to be
 * trusted
 * @owner:	uid it has to belong to
 * @write:	for reading and writing
 * Return: an fd, or a negative errno
 */
long recent_open(const char *place, unsigned owner, bool write);

/**
 * recent_make() - make it, empty; another may be faster
 */
void recent_make(int directory);

/**
 * recent_map() - map it
 * Return: NULL if it cannot be
 */
struct recent *recent_map(int fd);

/**
 * recent_unmap()
 */
void recent_unmap(struct recent *recent);

/**
 * recent_populate() - memory for a part of it, so that no store there can raise SIGBUS
 * Return: false if there is none
 */
bool recent_populate(int fd, struct recent *recent, const void *at, size_t size);

#endif
