// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* choose - which source a connection leaves from.
 *
 * How full a source is for a destination is the larger of two numbers: what this attachment counted, and what
 * a few look-ups of random ports find, which see the connections of everybody else and TIME_WAITs too. */
#ifndef HEADROOM_ATTACH_PROGRAMS_CHOOSE_H
#define HEADROOM_ATTACH_PROGRAMS_CHOOSE_H

#include "attach/programs/unbegun.h"

enum {
	NOT_NOW = 0xffffffff, /* a load: full or failing */
	NO_SOURCE = -1,
	FIRST_LOOKS = 2, /* at low use all there are */
	MORE_LOOKS = 8,
	LOOK_EVERY_NS = 10000000,
	FULL_OWN_NS = 100000000,  /* that all ports of our own were taken is asked again after this */
	BIND_FAILED_NS_BITS = 33, /* 8.6 s */
	STICKY_MAX = ATTACH_STICKY_MAX,
	UNANSWERED_SHARE =
		32, /* of the capacity is what a connection counts for where none was answered yet */
};

/* One connect(). */
struct ask {
	struct attach_pair pair; /* the source is that looked at */
	__u64 now_ns;
	__u32 first, count; /* of the map `sources` */
	__u32 capacity;
	__u16 low, high; /* of the ports that are looked at */
	__u8 spread, strict;
	__u8 v4;
	__u8 some_aside;
	__u8 some_unbegun;
	__u8 some_new; /* a source that was looked at has no counts so far */
};

static __always_inline int put_source(struct ask *ask, __u32 number)
{
	__u32 index = ask->first + number;
	struct attach_address *source = bpf_map_lookup_elem(&sources, &index);

	if (!source)
		return 0;
	__builtin_memcpy(&ask->pair.source, source, sizeof(*source));
	return 1;
}

/* Is a port taken from the source in `ask` to its destination? As the kernel asks for a packet that comes in:
 * the remote end is the source. Finds TIME_WAITs and listeners too. */
__noinline int port_taken(struct bpf_sock_addr *ctx, const struct ask *ask, __u32 port)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *found;

	if (!ask)
		return 0;
	if (ask->v4) {
		tuple.ipv4.saddr = ask->pair.to.words_be[3];
		tuple.ipv4.daddr = ask->pair.source.words_be[3];
		tuple.ipv4.sport = bpf_htons(ask->pair.port);
		tuple.ipv4.dport = bpf_htons((__u16)port);
		found = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, &ask->pair.to, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, &ask->pair.source, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = bpf_htons(ask->pair.port);
		tuple.ipv6.dport = bpf_htons((__u16)port);
		found = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (found)
		bpf_sk_release(found);
	return found != 0;
}

__noinline int ports_taken(struct bpf_sock_addr *ctx, struct ask *ask, __u32 looks)
{
	int taken = 0;
	__u32 n = 0;

	if (!ask || !looks || ask->pair.protocol != PROTOCOL_TCP)
		return 0;
	__u32 size = (__u32)ask->high - ask->low + 1;
	do
		taken += port_taken(ctx, ask, ask->low + bpf_get_prandom_u32() % (size ? size : 1));
	while (++n < MORE_LOOKS && n < looks);
	return taken;
}

static __always_inline int is_aside(const struct ask *ask)
{
	struct attach_pair whole = { .netns_cookie = ask->pair.netns_cookie, .source = ask->pair.source };
	struct attach_counts *counts = bpf_map_lookup_elem(&pairs, &whole);

	return counts && counts->failing_until_ns > ask->now_ns;
}

static __always_inline __u32 load_of(const struct ask *ask, struct attach_counts *counts)
{
	__u32 waits;

	if (counts->full_until_ns > ask->now_ns || counts->failing_until_ns > ask->now_ns)
		return NOT_NOW;
	counts_refresh(counts, (__u32)(ask->now_ns / SECOND_NS));
	/* A source that does not answer would have the fewest in use: each that is under way counts for many.
	 */
	waits = ask->capacity / UNANSWERED_SHARE;
	return (__u32)open_of(counts) + counts->time_wait +
	       (counts->failures_in_a_row ? ask->capacity / 2 : 0) +
	       (__u32)under_way_of(counts) * (counts->opened ? 1
					      : waits > 4    ? waits
							     : 4);
}

/* What is put on top for connect() from the source in `ask` that did not begin: as many that find no route to
 * the one destination say nothing of others, a source is never passed over for all of them. Of UDP the end of
 * a socket tells (released()), and where it was disconnected before it tells too much. */
__noinline __u32 unbegun_load(struct ask *ask)
{
	struct attach_hashes hashes;
	__u32 one, any;

	if (!ask)
		return 0;
	hashes = hashes_of(&ask->pair);
	one = unbegun_of(try_at(hashes.pair), hashes.pair, ask->now_ns);
	any = unbegun_of(try_at(hashes.source), hashes.source, ask->now_ns);
	if (one >= UNBEGUN_MAX)
		return NOT_NOW;
	return (one + (any < UNBEGUN_MAX ? any : UNBEGUN_MAX)) * (ask->capacity / 2);
}

static __always_inline __u32 load_now(struct ask *ask, struct attach_counts *counts)
{
	__u32 load = counts ? load_of(ask, counts) : 0, more = ask->some_unbegun ? unbegun_load(ask) : 0;

	if (!counts)
		ask->some_new = 1;
	return load == NOT_NOW || more == NOT_NOW ? NOT_NOW : load + more;
}

/* Makes a source that of `ask`. Return: its ports in use as far as they were counted, or NOT_NOW. */
__noinline __u32 counted_load(struct ask *ask, __u32 number)
{
	if (!ask || !put_source(ask, number) || (ask->some_aside && is_aside(ask)))
		return NOT_NOW;
	return load_now(ask, find_counts(&ask->pair));
}

/* Return: the load of a source, with some ports looked up; not again while that is new and was far from full.
 */
__noinline __u32 looked_load(struct bpf_sock_addr *ctx, struct ask *ask, __u32 number, __u32 looks)
{
	struct attach_counts *counts;
	__u32 load, taken;

	if (!ask || !looks || !put_source(ask, number) || (ask->some_aside && is_aside(ask)))
		return NOT_NOW;
	counts = find_counts(&ask->pair);
	load = load_now(ask, counts);
	if (load == NOT_NOW)
		return load;
	if (looks == FIRST_LOOKS && counts && ask->now_ns - counts->looked_ns < LOOK_EVERY_NS &&
	    counts->looked < ask->capacity / 2)
		return load > counts->looked ? load : counts->looked;
	taken = (__u32)ports_taken(ctx, ask, looks) * ask->capacity / looks;
	if (counts) {
		counts->looked = taken;
		counts->looked_ns = ask->now_ns;
	}
	return taken > load ? taken : load;
}

struct emptiest {
	__u32 load;
	int number;
};

__noinline int take_if_emptier(struct bpf_sock_addr *ctx, struct ask *ask, __u32 number,
			       struct emptiest *best)
{
	__u32 load;

	if (!ask || !best)
		return 0;
	load = counted_load(ask, number);
	/* What is counted is exact but for other cgroups: these decide only where all looks found one, and never
	 * between one with a port left and one without. */
	if (load < ask->capacity && ports_taken(ctx, ask, 4) == 4) {
		load += ask->capacity / 16;
		if (load >= ask->capacity)
			load = ask->capacity - 1;
	}
	if (load < best->load) {
		best->load = load;
		best->number = (int)number;
	}
	return 0;
}

/* Of all, or of as many as are looked at, the emptiest. */
__noinline int choose_emptiest(struct bpf_sock_addr *ctx, struct ask *ask)
{
	struct emptiest best = { .load = NOT_NOW, .number = NO_SOURCE };
	__u32 start;

	if (!ask || !ask->count)
		return NO_SOURCE;
	start = bpf_get_prandom_u32() % ask->count;
	for (__u32 n = 0; n < ATTACH_LOOK_AT; n++) {
		if (n >= ask->count)
			break;
		__u32 number = start + n < ask->count ? start + n : start + n - ask->count;
		take_if_emptier(ctx, ask, number, &best);
	}
	return best.number;
}

__noinline int choose_even(struct bpf_sock_addr *ctx, struct ask *ask)
{
	__u32 one, other, load, other_load;

	if (!ask || !ask->count)
		return NO_SOURCE;
	if (ask->count == 1)
		return counted_load(ask, 0) == NOT_NOW ? NO_SOURCE : 0;
	one = bpf_get_prandom_u32() % ask->count;
	other = one + 1 + bpf_get_prandom_u32() % (ask->count - 1);
	if (other >= ask->count)
		other -= ask->count;
	load = looked_load(ctx, ask, one, FIRST_LOOKS);
	other_load = looked_load(ctx, ask, other, FIRST_LOOKS);
	/* Two looks that found something say little: look again. */
	if (load >= ask->capacity / FIRST_LOOKS || other_load >= ask->capacity / FIRST_LOOKS) {
		load = looked_load(ctx, ask, one, MORE_LOOKS);
		other_load = looked_load(ctx, ask, other, MORE_LOOKS);
	}
	if (other_load < load) {
		one = other;
		load = other_load;
	}
	/* Also with NOT_NOW. */
	return load >= ask->capacity - ask->capacity / 8 ? choose_emptiest(ctx, ask) : (int)one;
}

/* As looked_load() has it: what looking found stands for 10 ms while that is far from half. */
static __always_inline __u32 natural_load(struct bpf_sock_addr *ctx, struct ask *ask,
					  struct attach_counts *counts)
{
	__u32 load;

	if (counts && ask->now_ns - counts->looked_ns < LOOK_EVERY_NS && counts->looked < ask->capacity / 4)
		return counts->looked;
	load = (__u32)ports_taken(ctx, ask, MORE_LOOKS) * ask->capacity / MORE_LOOKS;
	if (counts) {
		counts->looked = load;
		counts->looked_ns = ask->now_ns;
	}
	return load;
}

/* The kernel's choice until half of its ports are in use, then each source in the order of the list. */
__noinline int choose_spill(struct bpf_sock_addr *ctx, struct ask *ask)
{
	struct attach_pair pair = {}; /* one for both maps: the stack is small (find_counts()) */
	struct attach_address *natural;
	struct attach_counts *counts;
	__u32 load;

	if (!ask)
		return NO_SOURCE;
	__builtin_memcpy(&pair, &ask->pair, sizeof(pair));
	__builtin_memset(&pair.source, 0, sizeof(pair.source));
	natural = bpf_map_lookup_elem(&naturals, &pair);
	if (!natural)
		return NO_SOURCE;
	pair.source = *natural;
	ask->pair.source = pair.source;
	counts = bpf_map_lookup_elem(&pairs, &pair);
	load = natural_load(ctx, ask, counts);
	/* Eight looks at a fifth in use find four in one case of a hundred: ask three times as many. */
	if (load >= ask->capacity / 2) {
		load = (__u32)ports_taken(ctx, ask, MORE_LOOKS);
		load += (__u32)ports_taken(ctx, ask, MORE_LOOKS);
		load += (__u32)ports_taken(ctx, ask, MORE_LOOKS);
		load = load * ask->capacity / (3 * MORE_LOOKS);
	}
	if (counts && counts->full_until_ns > ask->now_ns)
		load = ask->capacity;
	else if (counts) {
		counts_refresh(counts, (__u32)(ask->now_ns / SECOND_NS));
		__u32 counted = (__u32)open_of(counts) + counts->time_wait;
		load = counted > load ? counted : load;
	}
	if (load < ask->capacity / 2)
		return NO_SOURCE;
	for (__u32 n = 0; n < ATTACH_LOOK_AT; n++) {
		if (n >= ask->count)
			break;
		if (looked_load(ctx, ask, n, MORE_LOOKS) < ask->capacity / 2)
			return (int)n;
	}
	return choose_emptiest(ctx, ask);
}

static __always_inline __u64 fnv(__u64 hash, const struct attach_address *address)
{
#pragma unroll
	for (int i = 0; i < 4; i++) {
		__u32 word = address->words_be[i];
#pragma unroll
		for (int n = 0; n < 4; n++) {
			hash = (hash ^ (word & 0xff)) *
			       0x100000001b3ull; /* little endian: the first byte first */
			word >>= 8;
		}
	}
	return hash;
}

/* affinity() of pool/spread/spread.c, of which the remote address is in @hash: the same source as under the
 * shim. */
__noinline __u64 affinity(__u64 hash, const struct attach_address *source)
{
	if (!source)
		return 0;
	hash = fnv(hash, source);
	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9ull;
	hash = (hash ^ hash >> 27) * 0x94d049bb133111ebull;
	return hash ^ hash >> 31;
}

struct nearest {
	__u64 begun, hash;
	int number;
	__u32 reserved_zero;
};

/* A function of its own, as are those of other loops: the verifier of Linux before 6.6 goes through all ways
 * from the first round to the last. */
__noinline int take_if_nearer(struct ask *ask, __u32 number, struct nearest *best)
{
	__u64 hash;

	if (!ask || !best || counted_load(ask, number) == NOT_NOW)
		return 0;
	hash = affinity(best->begun, &ask->pair.source);
	if (hash >= best->hash) {
		best->hash = hash;
		best->number = (int)number;
	}
	return 0;
}

__noinline int choose_sticky(struct ask *ask)
{
	struct nearest best = { .number = NO_SOURCE };

	if (!ask)
		return NO_SOURCE;
	best.begun = fnv(0xcbf29ce484222325ull, &ask->pair.to);
	for (__u32 n = 0; n < STICKY_MAX; n++) {
		if (n >= ask->count)
			break;
		take_if_nearer(ask, n, &best);
	}
	return best.number;
}

/* The address is not one of this namespace, or cannot be bound to: others are tried for some seconds. */
static __always_inline void set_source_aside(struct ask *ask)
{
	struct attach_pair whole = { .netns_cookie = ask->pair.netns_cookie, .source = ask->pair.source };
	struct attach_counts *counts = counts_of(&whole);
	struct attach_config *all;

	if (!counts)
		return;
	__sync_fetch_and_add(&counts->other, 1);
	counts->failing_until_ns = ask->now_ns + (1ull << BIND_FAILED_NS_BITS);
	all = the_config();
	if (all)
		all->aside_until_ns = counts->failing_until_ns;
	ask->some_aside = 1;
}

static __always_inline void set_full(const struct ask *ask)
{
	struct attach_counts *counts = counts_of(&ask->pair);

	if (counts)
		counts->full_until_ns = ask->now_ns + FULL_OWN_NS;
}

/* Return: a number of the list, NO_SOURCE: the kernel's choice. The source is put in `ask`. */
static __always_inline int choose(struct bpf_sock_addr *ctx, struct ask *ask)
{
	int number;

	if (ask->spread == ATTACH_STICKY)
		number = choose_sticky(ask);
	else if (ask->spread == ATTACH_SPILL)
		number = choose_spill(ctx, ask);
	else
		number = choose_even(ctx, ask);
	if (number == NO_SOURCE && ask->strict && !ask->pair.own_ports && ask->count &&
	    ask->spread != ATTACH_SPILL) {
		number = (int)(bpf_get_prandom_u32() % ask->count);
		ask->some_new = 1;
	}
	if (number == NO_SOURCE || !put_source(ask, (__u32)number))
		return NO_SOURCE;
	return number;
}

#endif
