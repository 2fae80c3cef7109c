// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* state - the maps of one attachment, and the counts of a source and a destination. */
#ifndef HEADROOM_ATTACH_PROGRAMS_STATE_H
#define HEADROOM_ATTACH_PROGRAMS_STATE_H

#include "attach/layout.h"
#include "attach/programs/kernel_types.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { SECOND_NS = 1000000000 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct attach_config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ATTACH_RULES_MAX * 2);
	__type(key, __u32);
	__type(value, struct attach_rule);
} rules SEC(".maps");

/* The command makes it as large as the lists are, and those of two sets of rules of links. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct attach_address);
} sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ATTACH_PAIRS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct attach_pair);
	__type(value, struct attach_counts);
} pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct attach_socket);
} sockets SEC(".maps");

/* The source the kernel chose for a destination by itself: a pair without a source, for `spill`. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct attach_pair);
	__type(value, struct attach_address);
} naturals SEC(".maps");

/* ip_local_reserved_ports, a bit for each port; filled where ports are chosen here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536 / 64);
	__type(key, __u32);
	__type(value, __u64);
} reserved SEC(".maps");

/* When each was made. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct attach_reservation);
	__type(value, __u64);
} reservations SEC(".maps");

/* Does some rule spill? */
const volatile __u32 with_spill = 0;

/* Read at every state change: a variable takes no look-up. */
struct attach_walk walk SEC(".data.walk") = {};

struct attach_ruling ruling SEC(".data.ruling") = {};

/* The counts of a pair at its beginning: its sockets are of the last walk. */
struct attach_counts blank SEC(".data.blank") = {};

static __always_inline struct attach_config *the_config(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&config, &first);
}

/* Its counts. NULL: there are none. Linux before 6.5 takes no key that a function has by a pointer from its
 * caller. */
static __always_inline struct attach_counts *find_counts(const struct attach_pair *pair)
{
	struct attach_pair key;

	__builtin_memcpy(&key, pair, sizeof(key));
	return bpf_map_lookup_elem(&pairs, &key);
}

/* Its counts, made when there are none. NULL: no room, which is counted too. */
static __always_inline struct attach_counts *counts_of(const struct attach_pair *pair)
{
	struct attach_counts *counts = bpf_map_lookup_elem(&pairs, pair);

	if (counts)
		return counts;
	/* Another processor may be first: then its entry is found. */
	bpf_map_update_elem(&pairs, pair, &blank, BPF_NOEXIST);
	counts = bpf_map_lookup_elem(&pairs, pair);
	if (!counts) {
		struct attach_config *all = the_config();
		if (all)
			__sync_fetch_and_add(&all->lost, 1);
		return counts;
	}
	if (!counts->made_ns)
		counts->made_ns = bpf_ktime_get_ns();
	return counts;
}

static __always_inline __u64 open_of(const struct attach_counts *counts)
{
	return counts->open[0] + counts->open[1];
}

static __always_inline __u64 under_way_of(const struct attach_counts *counts)
{
	return counts->under_way[0] + counts->under_way[1];
}

/* One more, of a socket that belongs to the last walk from now on. */
static __always_inline void gauge_add(__u64 gauge[2], struct attach_socket *known)
{
	known->epoch = walk.epoch;
	known->side = known->epoch & 1;
	__sync_fetch_and_add(&gauge[known->side & 1], 1);
}

/* One less, if a walk that passed the socket over has not taken it away already. */
static __always_inline void gauge_take(__u64 gauge[2], const struct attach_socket *known,
				       const struct attach_counts *counts)
{
	__u64 *one = &gauge[known->side & 1];

	if ((__s32)(known->epoch - counts->settled) >= 0 && *one)
		__sync_fetch_and_add(one, -1);
}

/* The same of sockets without a storage. */
static __always_inline void gauge_add_plain(__u64 gauge[2], const struct attach_counts *counts)
{
	__sync_fetch_and_add(&gauge[counts->settled & 1], 1);
}

static __always_inline void gauge_take_plain(__u64 gauge[2], const struct attach_counts *counts)
{
	__u64 *one = &gauge[counts->settled & 1];

	if (*one)
		__sync_fetch_and_add(one, -1);
}

/* Brings the TIME_WAITs up to date, once a second. Buckets are emptied two seconds before they are added to,
 * so that two processors which both do it take nothing from each other. */
__noinline int counts_refresh(struct attach_counts *counts, __u32 second)
{
	__u32 sum = 0, before;

	if (!counts)
		return 0;
	before = counts->second;
	if (before == second)
		return 0;
	for (__u32 n = 0; n < ATTACH_BUCKETS; n++) {
		__u32 at = second + 2 - n; /* the seconds that the ring holds, the last first */
		if ((__s32)(at - (before + 2)) > 0)
			counts->buckets[at % ATTACH_BUCKETS] = 0;
		else if (n >= 2 && n < 2 + ATTACH_TIME_WAIT_S)
			sum += counts->buckets[at % ATTACH_BUCKETS];
	}
	counts->time_wait = sum;
	counts->second = second;
	return 0;
}

static __always_inline void counts_add_time_wait(struct attach_counts *counts, __u64 now_ns)
{
	__u32 second = (__u32)(now_ns / SECOND_NS);

	counts_refresh(counts, second);
	__sync_fetch_and_add(&counts->buckets[second % ATTACH_BUCKETS], 1);
	__sync_fetch_and_add(&counts->time_wait, 1);
}

/* What a socket that is bound, and is not found by look-ups yet, keeps from others. */
static __always_inline void reservation_end(const struct attach_pair *pair, __u16 port)
{
	struct attach_reservation key = { .port = port };

	__builtin_memcpy(&key.pair, pair, sizeof(*pair));
	bpf_map_delete_elem(&reservations, &key);
}

#endif
