// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* layout - what the BPF programs and the command share: the values of the maps. Compiled for both. */
#ifndef HEADROOM_ATTACH_LAYOUT_H
#define HEADROOM_ATTACH_LAYOUT_H

#include <linux/types.h>

enum {
	ATTACH_RULES_MAX = 64,      /* the last is for destinations that no other matches */
	ATTACH_LISTS_MAX = 1024,    /* sources in the lists of rules that no user wrote */
	ATTACH_SOURCES_MAX = 65536, /* in all lists that the user wrote */
	ATTACH_PAIRS_MAX = 65536,   /* what is not counted for want of room is in `lost` */
	ATTACH_LOOK_AT = 64,        /* sources looked at for one connection, from a random one on */
	ATTACH_STICKY_MAX = 256,    /* sources of one family in a list for `sticky`, which looks at all */
	ATTACH_PROCESS_MAX = 16,    /* TASK_COMM_LEN */
	ATTACH_TARGET_MAX = 512,
	ATTACH_FREED = 8,    /* ports of our own that came free last, of a pair */
	ATTACH_BUCKETS = 64, /* of one second; 60 count (TCP_TIMEWAIT_LEN), two are emptied ahead */
	ATTACH_TIME_WAIT_S = 60,
};

/* As enum spread of pool/rules/settings.h. */
enum attach_spread { ATTACH_OFF, ATTACH_EVEN, ATTACH_SPILL, ATTACH_STICKY };

/* Network byte order; IPv4 in its mapped form, as struct address of pool/base/address.h. */
struct attach_address {
	__u32 words_be[4];
};

/* The sources of one family in the map `sources`: those for others than the loopback, then those of it. */
struct attach_span {
	__u32 first, count, loopback;
};

struct attach_rule {
	struct attach_address net;
	__u32 bits; /* of the 128-bit form */
	__u32 any_address;
	__u16 port; /* host order; 0: any */
	__u8 spread;
	__u8 strict;
	__u16 names_loopback;             /* rule_names_loopback() */
	__u16 of_link;                    /* no user wrote it: attach_plan_part() */
	char process[ATTACH_PROCESS_MAX]; /* as the kernel cuts it; empty: any */
	struct attach_span v4, v6;
};

struct attach_config {
	__u32 live;     /* 0: the programs do nothing yet */
	__u32 sources;  /* of the map, those that the user named */
	__u32 capacity; /* ports of the range that connect() can take */
	__u16 low, high;
	__u16 own_low, own_high; /* 0: the kernel chooses the port */
	__u32 own_capacity;      /* of these, less the reserved ones */
	__u64 aside_until_ns;    /* before this some source is set aside for all destinations */
	__u64 unbegun_until_ns;  /* before this some connect() ended before it began (programs/unbegun.h) */
	__u64 lost;              /* pairs that had no room in the map */
	__u64 made_s;            /* Unix time */
	__u64 made_ns;           /* the same moment by CLOCK_MONOTONIC */
	__u64 cgroup_id;
	__u32 range_reserved; /* of low to high, and below how TIME_WAITs go: see struct port_range */
	__u32 time_wait_reuse, reuse_delay_ms, waits_bound;
	__u32 by_process; /* some rule is for one program only */
	char target[ATTACH_TARGET_MAX];
};

/* Which rules are in force. Two sets have room in the maps, so that one is replaced while the programs go by
 * the other: of `rules` from 0 or ATTACH_RULES_MAX on; the lists of its rules of links are in `sources`
 * behind those that the user named, each set's at its place. */
struct attach_ruling {
	__u32 first, rules; /* read as one, as they change together */
	__u32 of_links;     /* of the rules, those that no user wrote */
	__u32 by_class;     /* a routing rule or a route is for a traffic class */
};

/* The walks over the sockets of the cgroup (programs/walk.h). What the command does with it, it does while it
 * has the lock of the pins. */
enum attach_walk_mode {
	ATTACH_WALK_FIRST,  /* the first has not ended: a socket without a storage was there before, uncounted
			     */
	ATTACH_WALK_NONE,   /* between walks: sockets need no storage */
	ATTACH_WALK_MOVING, /* a later one: a socket without a storage is counted, and was not visited so far
			     */
};

struct attach_walk {
	__u32 mode;
	__u32 epoch;     /* of the last one, begun or ended */
	__u16 low, high; /* the ephemeral range of the network that is walked */
	__u32 reserved_zero;
	__u64 found;    /* sockets that no program had seen, by all walks */
	__u64 ended_ns; /* CLOCK_MONOTONIC; 0: none has */
	__u64 gone;     /* connections that had ended unseen, by all walks */
	__u64 misses;   /* calls of the tracepoint program that the kernel had left out before the last one */
};

/* A source and a destination in a network namespace. Hashed as bytes: no padding. */
struct attach_pair {
	__u64 netns_cookie;
	/* `to` and port all zero: the source, whatever the destination: of UDP its ports, else that it cannot
	 * be used */
	struct attach_address source, to;
	__u16 port; /* host order */
	__u16 protocol;
	__u32 own_ports; /* 1: with a port of config.own_low to own_high, which are counted by themselves */
};

/* A port that a processor is about to take: another may look for one meanwhile. */
struct attach_reservation {
	struct attach_pair pair;
	__u32 port;
	__u32 reserved_zero;
};

struct attach_counts {
	__u64 full_until_ns;    /* CLOCK_MONOTONIC: not chosen before */
	__u64 failing_until_ns; /* the same */
	__u64 opened;
	__u64 refused, timed_out, unreachable, full, given_up, other; /* failed, by reason */
	__u64 closed_by_us, closed_by_peer, closed_by_reset;
	__u64 open[2];      /* now; by the epoch of the socket's last walk, modulo 2 */
	__u64 under_way[2]; /* connect() not answered yet; the same */
	__u64 answer_ns;    /* how long connect() took to be answered, of one in some */
	__u64 looked_ns;    /* when ports were looked up last */
	__u32 looked;       /* ports in use, as far as that told */
	__u32 failures_in_a_row;
	__u32 netns_inode;
	__u32 peak;                /* most of open, under way and time_wait at once */
	__u64 made_ns;             /* when the entry was made */
	__u16 freed[ATTACH_FREED]; /* 0: none; see own_port.h */
	__u32 freed_count;
	__u32 settled;   /* of sockets of an epoch before this none is in open and under_way any more; those
			  * without a storage are counted as of this one */
	__u32 time_wait; /* sum of the buckets that count, as of `second` */
	__u32 second;
	__u32 buckets[ATTACH_BUCKETS];
	__u32 reserved_zero;
};

enum attach_kind { ATTACH_LEFT_ALONE, ATTACH_BOUND, ATTACH_OWN_PORT };

/* What is known of one socket that has to be remembered (programs/ends.h); in the socket's own storage.
 * pair.protocol 0: it is not counted. */
struct attach_socket {
	struct attach_pair pair;
	__u64 began_ns;
	__u8 kind;
	__u8 open;
	__u8 under_way;
	__u8 side;            /* of the two counts of its pair */
	__u16 port_before_be; /* of an attempt before */
	__u16 own_port;       /* host order */
	__u32 epoch;
	__u32 reserved_zero;
};

#endif
