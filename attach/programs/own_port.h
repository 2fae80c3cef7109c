// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* own_port - a port that no socket has towards the destination, from a range that connect() never takes from.
 *
 * connect() looks for a port itself only where the socket has none, and passes over each that a bind() has
 * taken in its network namespace; so both stay out of each other's way while the ranges are apart. With
 * SO_REUSEADDR a port can be bound once for each destination; then connect() checks that one tuple and looks
 * for nothing. */
#ifndef HEADROOM_ATTACH_PROGRAMS_OWN_PORT_H
#define HEADROOM_ATTACH_PROGRAMS_OWN_PORT_H

#include "attach/programs/binding.h"
#include "attach/programs/choose.h"

#include <bpf/bpf_core_read.h>

enum {
	PORTS_AT_ONCE = 128, /* that the verifier sees */
	ROUNDS = 65536 / PORTS_AT_ONCE,
	STRIDES = 16,
	SOCKET_LEVEL = 1,  /* SOL_SOCKET */
	REUSE_ADDRESS = 2, /* SO_REUSEADDR */
	IN_USE = -98,      /* EADDRINUSE */
	RESERVED_NS = SECOND_NS,
};

/* Primes larger than any range: steps of these come to each port once. A walk from port to port would get
 * longer and longer where the ports in use form blocks. */
static const __u32 strides[STRIDES] = { 65537, 65539, 65543, 65551, 65557, 65563, 65579, 65581,
					65587, 65599, 65609, 65617, 65629, 65633, 65647, 65651 };

struct walk {
	__u32 start, stride, size;
	__u32 port; /* found */
};

/* IP_LOCAL_PORT_RANGE (Linux 6.3): which ports it takes is the program's own choice. */
static __always_inline int has_own_range(struct bpf_sock *any)
{
	struct inet_sock *sk = (struct inet_sock *)bpf_skc_to_tcp_sock(any);
	struct inet_sock___two_ports *before = (struct inet_sock___two_ports *)sk;

	if (!sk)
		return 0;
	if (bpf_core_field_exists(sk->local_port_range))
		return BPF_CORE_READ(sk, local_port_range) != 0;
	if (bpf_core_field_exists(before->local_port_range))
		return BPF_CORE_READ(before, local_port_range.lo) ||
		       BPF_CORE_READ(before, local_port_range.hi);
	return 0;
}

static __always_inline int is_reserved(__u32 port)
{
	__u32 word = port / 64;
	__u64 *bits = bpf_map_lookup_elem(&reserved, &word);

	return bits && *bits >> (port % 64) & 1;
}

static __always_inline int reserve(const struct ask *ask, __u32 port)
{
	struct attach_reservation key = { .port = port };
	__u64 *made, now_ns = ask->now_ns;

	__builtin_memcpy(&key.pair, &ask->pair, sizeof(key.pair));
	if (!bpf_map_update_elem(&reservations, &key, &now_ns, BPF_NOEXIST))
		return 1;
	/* Of a connect() that ended before it began, for want of a route say. */
	made = bpf_map_lookup_elem(&reservations, &key);
	if (!made || now_ns - *made < RESERVED_NS || *made > now_ns)
		return 0;
	bpf_map_delete_elem(&reservations, &key);
	return !bpf_map_update_elem(&reservations, &key, &now_ns, BPF_NOEXIST);
}

/* Return: 1 if the socket is bound to it, 0 if it cannot be, or an error of bind() that is of the source and
 * not of the port. */
__noinline int own_port_try(struct bpf_sock_addr *ctx, struct ask *ask, struct walk *walk, __u32 port)
{
	int error;

	if (!ask || !walk)
		return 0;
	if (is_reserved(port) || port_taken(ctx, ask, port) || !reserve(ask, port))
		return 0;
	/* Another processor may have taken it between the two: its reservation ends once look-ups see its
	 * socket. Reserving first would write to the map for each port in use. */
	if (port_taken(ctx, ask, port)) {
		reservation_end(&ask->pair, (__u16)port);
		return 0;
	}
	error = bind_source(ctx, &ask->pair.source, (__u16)port);
	if (!error) {
		walk->port = port;
		return 1;
	}
	reservation_end(&ask->pair, (__u16)port);
	return error != IN_USE ? error : 0;
}

/* Some ports of a walk. Return: as own_port_try() */
__noinline int own_ports_try(struct bpf_sock_addr *ctx, struct ask *ask, struct walk *walk, __u32 round)
{
	if (!ask || !walk || !walk->size)
		return 0;
	for (__u32 n = 0; n < PORTS_AT_ONCE; n++) {
		__u32 index = round * PORTS_AT_ONCE + n;
		if (index >= walk->size)
			break;
		int result = own_port_try(
			ctx, ask, walk,
			ask->low + (__u32)((walk->start + (__u64)index * walk->stride) % walk->size));
		if (result)
			return result;
	}
	return 0;
}

/* All ports of a walk; a function of its own, as its callers are verified faster so. Return: as
 * own_port_try() */
__noinline int own_ports_walk(struct bpf_sock_addr *ctx, struct ask *ask, struct walk *walk)
{
	int result = 0;

	if (!ask || !walk)
		return 0;
	for (__u32 round = 0; round < ROUNDS && !result; round++) {
		if (round * PORTS_AT_ONCE >= walk->size)
			break;
		result = own_ports_try(ctx, ask, walk, round);
	}
	return result;
}

/* Where nearly all are in use a walk gets long. Those that came free last are tried first then, the one that
 * has been free the longest before the others; with more room a port rests. Return: as own_port_try() */
__noinline int own_ports_freed(struct bpf_sock_addr *ctx, struct ask *ask, struct walk *walk)
{
	struct attach_counts *counts;

	if (!ask || !walk)
		return 0;
	counts = find_counts(&ask->pair);
	if (!counts || open_of(counts) + counts->time_wait < ask->capacity - ask->capacity / 8)
		return 0;
	for (__u32 n = 0; n < ATTACH_FREED; n++) {
		__u32 at = (counts->freed_count + n) % ATTACH_FREED;
		__u32 port = counts->freed[at];
		int result;
		if (port < ask->low || port > ask->high)
			continue;
		counts->freed[at] = 0;
		result = own_port_try(ctx, ask, walk, port);
		if (result)
			return result;
	}
	return 0;
}

/* Return: the port that the socket is bound to now, 0: none of that source, another may have one, or -1: no
 * source is left. The source is put in `ask`. */
static __always_inline int own_port_take(struct bpf_sock_addr *ctx, struct ask *ask)
{
	struct walk walk = { .start = bpf_get_prandom_u32() % 65536,
			     .size = (__u32)ask->high - ask->low + 1 };
	int before = 0, one = 1, result = 0;

	walk.stride = strides[bpf_get_prandom_u32() % STRIDES];
	if (choose(ctx, ask) == NO_SOURCE)
		return -1;
	if (bpf_getsockopt(ctx, SOCKET_LEVEL, REUSE_ADDRESS, &before, sizeof(before)) ||
	    bpf_setsockopt(ctx, SOCKET_LEVEL, REUSE_ADDRESS, &one, sizeof(one)))
		return -1;
	result = own_ports_freed(ctx, ask, &walk);
	if (!result)
		result = own_ports_walk(ctx, ask, &walk);
	if (result == 1)
		return (int)walk.port;
	bpf_setsockopt(ctx, SOCKET_LEVEL, REUSE_ADDRESS, &before, sizeof(before));
	if (!result)
		set_full(ask);
	else if (is_of_source(result))
		set_source_aside(ask);
	return 0;
}

#endif
