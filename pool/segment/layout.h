// SPDX-License-Identifier: Apache-2.0
/* layout - the layout of a usage segment: what one process under the shim counts, for others to read.
 *
 * A segment is a file on a memory file system (tmpfs), mode 0400, mapped by the process that writes it. It
 * stays when that process ends, however it ends, as its last word. All numbers are in the machine's own byte
 * order, all times CLOCK_MONOTONIC in ns, all ports in host order. Offsets are in bytes.
 *
 *      0  struct usage_header
 *   1024  struct usage_event [USAGE_EVENTS]
 *   4096  struct usage_entry [USAGE_ENTRIES]; [0] adds up what found no entry of its own
 *
 * The writer makes plain atomic stores, with no system call, and never waits for a reader. What is larger
 * than a word carries a sequence number: odd while it is written, changed when it was. A reader copies, and
 * copies again if the number was odd or changed meanwhile (segment/read.c). The file is sparse: entries never
 * used take no memory.
 *
 * While the process lives it holds a write lock on the file, by its mapping: fcntl(2), F_OFD_SETLK; the lock
 * belongs to the open file, which a mapping keeps open (tests/kernel_facts/mapped_lock.c). So F_OFD_GETLK
 * tells from any pid namespace whether the writer lives. */
#ifndef HEADROOM_POOL_SEGMENT_LAYOUT_H
#define HEADROOM_POOL_SEGMENT_LAYOUT_H

#include "pool/base/address.h"

#include <stddef.h>
#include <stdint.h>

#define USAGE_MAGIC 0x6d6f6f7264616568ull /* "headroom" as read on a little-endian machine */

enum {
	USAGE_VERSION = 1,
	USAGE_EVENTS = 32,
	USAGE_ENTRIES = 512, /* [0] included */
	USAGE_NAME_MAX = 64,
	USAGE_COMMAND_MAX = 256,
	USAGE_FAILURES = 6,
	USAGE_REFUSED_REASONS = 12,
	USAGE_RETIRED_REASONS = 8,
	/* A tick is 2^32 ns, 4.3 s. A TIME_WAIT lasts TCP_TIMEWAIT_LEN, 60 s (include/net/tcp.h): 14 ticks.
	 */
	USAGE_TICKS_KEPT = 14,
	USAGE_TIME_WAIT_BUCKETS = USAGE_TICKS_KEPT + 1,
	USAGE_HISTORY = 8,
	USAGE_LATENCY_BUCKETS = 22,
};

/* How often connect() failed with an errno; 0: the program gave up before an answer came. */
struct usage_failure {
	int32_t error;
	uint32_t count;
};

/* One source towards one destination. A connect() and a close() touch the first two cache lines. */
struct usage_entry {
	/*   0 */ uint64_t opened; /* connect() calls that took a port */
	/*   8 */ uint32_t peak;   /* most in use at once */
	/*  12 */ uint32_t reserved_12;
	/*  16 */ uint64_t closed_by_us; /* we closed first: TIME_WAIT */
	/*  24 */ uint32_t open;         /* now, with those still connecting */
	/*  28 */ uint32_t tick;         /* time >> 32 of the newest bucket */
	/* TIME_WAITs begun in tick t are in [t % USAGE_TIME_WAIT_BUCKETS], while t + USAGE_TICKS_KEPT is
	 * not over: usage_time_wait(). */
	/*  32 */ uint16_t time_wait[USAGE_TIME_WAIT_BUCKETS];
	/*  62 */ uint16_t sequence;   /* odd: being written */
	/*  64 */ uint64_t connect_ns; /* time spent in the calls that `opened` counts */
	/*  72 */ uint64_t peak_ns;    /* when the peak was reached first */
	/* Calls by the time they took: [i] those below 16 << i µs and in none before, the last all the rest.
	 */
	/*  80 */ uint64_t latency[USAGE_LATENCY_BUCKETS];
	/* 256 */ uint64_t closed_by_peer, closed_by_reset, closed_unseen;
	/* 280 */ uint64_t failed;    /* connect() calls that failed, for whatever reason */
	/* 288 */ uint64_t failovers; /* times this source was full and another was tried */
	/* 296 */ uint64_t
		exhausted; /* connect() calls that found every source full, entered at one of them */
	/* 304 */ uint64_t deferred; /* bind(ip, 0) calls turned into a bind without a port */
	/* 312 */ uint64_t aside;    /* times this source could not be used */
	/* 320 */ struct usage_failure failures[USAGE_FAILURES]; /* the last also takes what found no place */
	/* `open` at the start of tick t is in [t % USAGE_HISTORY], for the tick of the entry and those before
	 * it; at most 65535. */
	/* 368 */ uint16_t history[USAGE_HISTORY];
	/* 384 */ struct endpoint to;    /* all zero in [0] */
	/* 408 */ struct address source; /* all zero: not known */
	/* 424 */ uint64_t first_ns;     /* in use as an entry since; 0: free */
	/* 432 */ uint64_t reuse_hits;
	/* 440 */ uint64_t reuse_misses;
	/* 448 */ uint64_t reuse_first_use_failures;
	/* 456 */ uint32_t reuse_parked;        /* now, of those `open` */
	/* 460 */ uint32_t reuse_idle_limit_ms; /* learned from the server; 0: not known */
	/* 464 */ uint32_t reuse_refused[USAGE_REFUSED_REASONS];
	/* 512 */ uint32_t reuse_retired[USAGE_RETIRED_REASONS];
	/* 544 */ uint64_t reserved_544[4];
};
_Static_assert(offsetof(struct usage_entry, sequence) == 62, "one cache line for close()");
_Static_assert(offsetof(struct usage_entry, latency) == 80, "layout");
_Static_assert(offsetof(struct usage_entry, closed_by_peer) == 256, "layout");
_Static_assert(offsetof(struct usage_entry, failures) == 320, "layout");
_Static_assert(offsetof(struct usage_entry, to) == 384, "layout");
_Static_assert(offsetof(struct usage_entry, reuse_hits) == 432, "layout");
_Static_assert(offsetof(struct usage_entry, reuse_retired) == 512, "layout");
_Static_assert(sizeof(struct usage_entry) == 576, "layout: a change is a new USAGE_VERSION");

enum usage_event_kind {
	USAGE_THRESHOLD,
	USAGE_RECOVERED,
	USAGE_FAILOVER,
	USAGE_EXHAUSTED,
	USAGE_ASIDE,
	USAGE_AUTO_FAILED,
	USAGE_NO_SOURCE,
	USAGE_FAILING,
	USAGE_LEFT,
	USAGE_EVENT_KINDS,
};

/* One of the last events; its text is made by the reader. */
struct usage_event {
	/*  0 */ uint64_t time_ns;
	/*  8 */ uint32_t sequence; /* odd: being written; event number n (from 0) leaves 2 * n + 2 here */
	/* 12 */ uint32_t kind;     /* enum usage_event_kind; a reader passes over kinds it does not know */
	/* 16 */ struct endpoint to;
	/* 40 */ struct address source; /* all zero: not known, or all of them */
	/* 56 */ uint32_t percent;      /* the step of warn_at that was passed */
	/* 60 */ uint32_t sources;      /* how many were tried */
	/* 64 */ uint32_t in_use, capacity, open, time_wait;
	/* 80 */ int32_t error; /* errno that says why */
	/* 84 */ uint32_t reserved_84;
	/* 88 */ uint64_t repeats; /* the same event, since it was noted last */
};
_Static_assert(offsetof(struct usage_event, in_use) == 64, "layout");
_Static_assert(sizeof(struct usage_event) == 96, "layout: a change is a new USAGE_VERSION");

struct usage_header {
	/*   0 */ uint64_t magic;
	/*   8 */ uint32_t version;
	/*  12 */ uint32_t complete; /* 1 once all below is there, written last */
	/*  16 */ uint32_t header_size, event_size, entry_size;
	/*  28 */ uint32_t event_count, entry_count; /* places there are */
	/*  36 */ uint32_t pid;                      /* in its own pid namespace */
	/*  40 */ uint32_t uid;                      /* effective */
	/*  44 */ uint8_t reserved_44[12];
	/*  56 */ uint64_t pid_namespace,
		network_namespace; /* inodes of /proc/PID/ns/{pid,net}; 0: not known */
	/*  72 */ uint8_t reserved_72[16];
	/*  88 */ uint64_t started_ns;          /* when counting began */
	/*  96 */ uint64_t started_realtime_ns; /* the same moment by CLOCK_REALTIME */
	/* 104 */ uint64_t
		network_cookie; /* SO_NETNS_COOKIE: unlike the inode it never comes back; 0: not known */
	/* 112 */ uint32_t counts_end; /* what an ordinary end closes is entered before ended_ns is set */
	/* 116 */ uint32_t reserved_116;
	/* By CLOCK_BOOTTIME: see read.c; 0: not known. */
	/* 120 */ uint64_t started_boot_ns;
	/* What follows changes. */
	/* 128 */ uint64_t ended_ns; /* the process ended in the ordinary way; 0: it did not, or not yet */
	/* 136 */ uint64_t events_written;
	/* 144 */ uint64_t untracked;    /* connections not counted for want of room */
	/* 152 */ uint64_t forgotten;    /* idle destinations dropped for room; their counts are in [0] */
	/* 160 */ uint32_t entries_used; /* no entry from here on was ever used */
	/* 164 */ uint32_t range_low, range_high, range_reserved; /* all 0: not known */
	/* 176 */ uint32_t time_wait_reuse;                       /* tcp_tw_reuse: see ports/range.h */
	/* 180 */ uint32_t reuse_delay_ms, waits_bound;           /* see ports/range.h; 0: not known */
	/* 188 */ uint8_t reserved_188[68];
	/* 256 */ char name[USAGE_NAME_MAX];       /* of the program, without its path; ends in 0 */
	/* 320 */ char command[USAGE_COMMAND_MAX]; /* start of its command line, arguments parted by 0 */
	/* 576 */ uint8_t reserved_576[448];
};
_Static_assert(offsetof(struct usage_header, pid_namespace) == 56, "layout");
_Static_assert(offsetof(struct usage_header, started_ns) == 88, "layout");
_Static_assert(offsetof(struct usage_header, ended_ns) == 128, "layout");
_Static_assert(offsetof(struct usage_header, entries_used) == 160, "layout");
_Static_assert(offsetof(struct usage_header, command) == 320, "layout");
_Static_assert(sizeof(struct usage_header) == 1024, "layout: a change is a new USAGE_VERSION");

struct usage_segment {
	struct usage_header header;
	struct usage_event events[USAGE_EVENTS];
	struct usage_entry entries[USAGE_ENTRIES];
};
_Static_assert(offsetof(struct usage_segment, events) == 1024, "layout");
_Static_assert(offsetof(struct usage_segment, entries) == 4096, "layout");

/**
 * usage_waits_since() - TIME_WAITs begun in this tick or so many before it
 * @now_ns:	CLOCK_MONOTONIC
 * @ticks:	at most USAGE_TICKS_KEPT
 */
static inline uint32_t usage_waits_since(const struct usage_entry *entry, uint64_t now_ns, uint32_t ticks)
{
	uint32_t now = (uint32_t)(now_ns >> 32), sum = 0;
	uint32_t behind = (int32_t)(now - entry->tick) > 0 ? now - entry->tick : 0;

	for (uint32_t age = 0; age + behind <= ticks; age++)
		sum += entry->time_wait[(entry->tick + USAGE_TIME_WAIT_BUCKETS - age) %
					USAGE_TIME_WAIT_BUCKETS];
	return sum;
}

/**
 * usage_time_wait() - connections closed by us in the last 60 s
 * @now_ns:	CLOCK_MONOTONIC
 */
static inline uint32_t usage_time_wait(const struct usage_entry *entry, uint64_t now_ns)
{
	return usage_waits_since(entry, now_ns, USAGE_TICKS_KEPT);
}

/**
 * usage_reuse_ticks() - how many ticks before this one a TIME_WAIT still counts that connect() may take over
 * after a delay, to the next tick
 */
static inline uint32_t usage_reuse_ticks(uint32_t delay_ms)
{
	uint64_t ticks = delay_ms * 1000000ull >> 32;
	return ticks < USAGE_TICKS_KEPT ? (uint32_t)ticks : USAGE_TICKS_KEPT;
}

#endif
