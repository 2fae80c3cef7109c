// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* unbegun - connect() that ends before its first packet: there is no route from the source, or the source is
 * none of this machine (net.ipv4.ip_nonlocal_bind lets bind() take it all the same).
 *
 * The state of the socket does not change then (tcp_v4_connect(), net/ipv4/tcp_ipv4.c), so the tracepoint
 * does not see it; and such a source would have the fewest connections, and be chosen again and again. What a
 * processor has bound last is noted on it, and struck out when that gets to SYN_SENT. What is still there at
 * the next connect() on this processor has not begun. One that is only interrupted in between begins later,
 * which takes it back. */
#ifndef HEADROOM_ATTACH_PROGRAMS_UNBEGUN_H
#define HEADROOM_ATTACH_PROGRAMS_UNBEGUN_H

#include "attach/programs/state.h"

enum {
	TRIES_KEPT = 4096,
	BEGUN_EVERY_NS = SECOND_NS / 4, /* when a pair began last is entered so often */
	BEGUN_LATELY_NS = SECOND_NS,
	UNBEGUN_MAX = 2,         /* in a row: then the source is passed over, for 4 s and up to 64 */
	UNBEGUN_LONGEST_BITS = 6 /* of the seconds that it is */
};

/* Of a pair, or of a source whatever the destination. */
struct attach_try {
	__u64 unbegun_ns; /* when the last was entered that had not begun */
	__u64 begun_ns;   /* when one began, to BEGUN_EVERY_NS */
	__u32 hash;       /* whose this is */
	__u32 unbegun;    /* in a row */
};

/* Places by hash. Two that have the same place take it from each other: then less is known. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TRIES_KEPT);
	__type(key, __u32);
	__type(value, struct attach_try);
} tries SEC(".maps");

struct attach_hashes {
	__u32 source, pair;
};

/* What was bound on this processor last and has not begun. */
struct attach_asked {
	__u64 socket;
	__u64 asked_ns;
	struct attach_hashes hashes; /* pair 0: none */
	__u64 number;                /* number_of() */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct attach_asked);
} under_hand SEC(".maps");

static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

static __always_inline __u64 mix_address(__u64 hash, const struct attach_address *address)
{
	__u64 halves[2];

	__builtin_memcpy(halves, address, sizeof(halves));
	return mix(mix(hash, halves[0]), halves[1]);
}

static __always_inline struct attach_hashes hashes_of(const struct attach_pair *pair)
{
	__u64 source = mix_address(mix(pair->netns_cookie, pair->protocol), &pair->source);
	__u64 whole = mix_address(mix(source, pair->port | (__u64)pair->own_ports << 16), &pair->to);

	return (struct attach_hashes){ .source = (__u32)source, .pair = (__u32)whole | 1 };
}

static __always_inline struct attach_try *try_at(__u32 hash)
{
	__u32 place = hash / 2 % TRIES_KEPT; /* the lowest bit of a pair's is 1 */

	return bpf_map_lookup_elem(&tries, &place);
}

static __always_inline struct attach_asked *this_processors(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&under_hand, &first);
}

/* How many have not begun in a row; 0 too when that is so long ago that it is asked again. */
static __always_inline __u32 unbegun_of(const struct attach_try *one, __u32 hash, __u64 now_ns)
{
	__u32 count = one && one->hash == hash ? one->unbegun : 0;
	__u32 bits = count < UNBEGUN_LONGEST_BITS ? count : UNBEGUN_LONGEST_BITS;

	return count && now_ns - one->unbegun_ns < (__u64)SECOND_NS << bits ? count : 0;
}

static __always_inline void enter_unbegun(__u32 hash, __u64 now_ns)
{
	struct attach_try *one = try_at(hash);
	struct attach_config *all = the_config();

	if (!one || !all)
		return;
	if (one->hash != hash) {
		one->hash = hash;
		one->unbegun = 0;
		one->begun_ns = 0;
	}
	/* Several processors may have chosen it before they knew. */
	if (unbegun_of(one, hash, now_ns) < UNBEGUN_MAX) {
		one->unbegun++;
		one->unbegun_ns = now_ns;
	}
	all->unbegun_until_ns = now_ns + ((__u64)SECOND_NS << UNBEGUN_LONGEST_BITS);
}

/* The connect() before on this processor, if it has not begun. */
static __always_inline void take_in_unbegun(__u64 now_ns)
{
	struct attach_asked *last = this_processors();

	if (!last || !last->hashes.pair)
		return;
	enter_unbegun(last->hashes.source, now_ns);
	enter_unbegun(last->hashes.pair, now_ns);
	last->hashes.pair = 0;
}

/* A socket was bound for a pair. Return: is it uncertain that its connect() begins? */
static __always_inline int try_asked(struct bpf_sock *sk, const struct attach_pair *pair, __u64 now_ns)
{
	struct attach_hashes hashes = hashes_of(pair);
	struct attach_asked *last = this_processors();
	struct attach_try *one = try_at(hashes.pair);

	if (last) {
		last->socket = (__u64)sk;
		last->asked_ns = now_ns;
		last->hashes = hashes;
	}
	return !one || one->hash != hashes.pair || one->unbegun || now_ns - one->begun_ns >= BEGUN_LATELY_NS;
}

static __always_inline void take_back_unbegun(__u32 hash)
{
	struct attach_try *one = try_at(hash);

	if (one && one->hash == hash && one->unbegun)
		one->unbegun = 0;
}

static __always_inline void enter_begun(__u32 hash, __u64 now_ns)
{
	struct attach_try *one = try_at(hash);

	if (!one || (one->hash == hash && now_ns - one->begun_ns < BEGUN_EVERY_NS))
		return;
	if (one->hash != hash)
		one->unbegun = 0;
	one->hash = hash;
	one->begun_ns = now_ns;
}

/* A bound socket got to SYN_SENT. The clock is not asked: on the same processor the connect program has, just
 * now. */
static __always_inline void try_begun(struct sock *sk, const struct attach_pair *pair)
{
	struct attach_asked *last = this_processors();
	struct attach_config *all = the_config();
	struct attach_hashes hashes;

	if (!last || !all)
		return;
	if (last->hashes.pair && last->socket == (__u64)sk) {
		hashes = last->hashes;
		last->hashes.pair = 0;
		enter_begun(hashes.pair, last->asked_ns);
		if (all->unbegun_until_ns <= last->asked_ns)
			return;
	} else {
		hashes = hashes_of(pair);
	}
	take_back_unbegun(hashes.source);
	take_back_unbegun(hashes.pair);
}

#endif
