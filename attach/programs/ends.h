// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* ends - what became of a connection: the tracepoint sock/inet_sock_set_state.
 *
 * A storage for each socket would be half of what an attached connect() costs. So most have none ("plain"): a
 * socket of the cgroup is counted if its source and destination are a pair in the map, which the connect
 * programs make, and all that is counted can be read from the socket. A storage is for what has to be
 * remembered: that the program has bound the socket itself (so it is not counted), a port of our own, that a
 * connect() before has bound it, and what happens while a walk is on the way. Plain sockets are counted on
 * the side of the last walk of their pair (walk.h).
 *
 * connect() with EADDRNOTAVAIL is seen as SYN_SENT to CLOSE with no port and no error
 * (tcp_v4_connect(), net/ipv4/tcp_ipv4.c); tests/system/test_attach.py, "the same socket
 * again", relies on it. */
#ifndef HEADROOM_ATTACH_PROGRAMS_ENDS_H
#define HEADROOM_ATTACH_PROGRAMS_ENDS_H

#include "attach/programs/find_rule.h"
#include "attach/programs/state.h"
#include "attach/programs/unbegun.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

enum {
	FULL_NS = SECOND_NS, /* a source that was full is asked again after this */
	/* Who gives up sooner says nothing of the source. Programs have time-outs of fractions of a second.
	 */
	PATIENCE_NS = 50000000,
	PATIENCE_ANSWERS = 8, /* nor who gives up sooner than in so many times what an answer took */
	ANSWERS_TIMED = 16,   /* one in so many */
	CGROUP_DEPTH_MAX = 32,
	/* a connection, and not a listener or one that is only bound */
	IS_OPEN = 1 << STATE_ESTABLISHED | 1 << STATE_FIN_WAIT1 | 1 << STATE_FIN_WAIT2 |
		  1 << STATE_CLOSE_WAIT | 1 << STATE_LAST_ACK | 1 << STATE_CLOSING,
	FAILURES_MAX = 2, /* in a row: then the source is passed over, for 2 s and up to 64 */
};

static __always_inline void enter_failure(struct attach_counts *counts, __u64 now_ns)
{
	__u32 failures = counts->failures_in_a_row + 1;

	counts->failures_in_a_row = failures;
	if (failures < FAILURES_MAX)
		return;
	failures -= FAILURES_MAX - 1;
	counts->failing_until_ns = now_ns + ((__u64)SECOND_NS << (failures > 6 ? 6 : failures));
}

static __always_inline void enter_refusal(struct attach_counts *counts, const struct attach_socket *known,
					  int error, __u16 port_be, __u64 now_ns)
{
	switch (error) {
	case KERNEL_ECONNREFUSED:
		__sync_fetch_and_add(&counts->refused, 1);
		counts->failures_in_a_row = 0;
		return;
	case KERNEL_ETIMEDOUT:
		__sync_fetch_and_add(&counts->timed_out, 1);
		enter_failure(counts, now_ns);
		return;
	case KERNEL_ENETUNREACH:
	case KERNEL_EHOSTUNREACH:
		__sync_fetch_and_add(&counts->unreachable, 1);
		enter_failure(counts, now_ns);
		return;
	case 0:
		break;
	default:
		__sync_fetch_and_add(&counts->other, 1);
		return;
	}
	if (known->kind != ATTACH_OWN_PORT && (!port_be || port_be == known->port_before_be)) {
		__sync_fetch_and_add(&counts->full, 1);
		counts->full_until_ns = now_ns + FULL_NS;
		return;
	}
	__sync_fetch_and_add(&counts->given_up, 1);
	__u64 patience = counts->answer_ns * PATIENCE_ANSWERS;
	if (now_ns - known->began_ns >= (patience > PATIENCE_NS ? patience : PATIENCE_NS))
		enter_failure(counts, now_ns);
}

static __always_inline int is_in_cgroup(struct sock *sk, __u64 wanted)
{
	struct cgroup *cgroup = sk->sk_cgrp_data.cgroup;

	for (int depth = 0; cgroup && depth < CGROUP_DEPTH_MAX; depth++) {
		struct cgroup_subsys_state *above;
		if (cgroup->kn->id == wanted)
			return 1;
		above = cgroup->self.parent;
		cgroup = above ? above->cgroup : 0;
	}
	return 0;
}

static __always_inline void put_remote(struct attach_pair *pair, struct sock *sk)
{
	pair->protocol = PROTOCOL_TCP;
	pair->port = bpf_ntohs(sk->__sk_common.skc_dport);
	pair->netns_cookie = sk->__sk_common.skc_net.net->net_cookie;
	if (sk->__sk_common.skc_family == FAMILY_INET) {
		pair->to.words_be[2] = bpf_htonl(0xffff);
		pair->to.words_be[3] = sk->__sk_common.skc_daddr;
	} else {
		for (int i = 0; i < 4; i++)
			pair->to.words_be[i] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[i];
	}
}

static __always_inline void put_local(struct attach_pair *pair, struct sock *sk)
{
	if (sk->__sk_common.skc_family == FAMILY_INET) {
		pair->source.words_be[0] = pair->source.words_be[1] = 0;
		pair->source.words_be[2] = bpf_htonl(0xffff);
		pair->source.words_be[3] = sk->__sk_common.skc_rcv_saddr;
	} else {
		for (int i = 0; i < 4; i++)
			pair->source.words_be[i] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[i];
	}
}

static __always_inline int is_same(const struct attach_address *a, const struct attach_address *b)
{
	return a->words_be[0] == b->words_be[0] && a->words_be[1] == b->words_be[1] &&
	       a->words_be[2] == b->words_be[2] && a->words_be[3] == b->words_be[3];
}

/* The source that the kernel has chosen, where the choice was left to it. */
static __always_inline void learn_natural(const struct attach_pair *pair)
{
	struct attach_address *before;
	struct attach_pair nowhere;

	__builtin_memcpy(&nowhere, pair, sizeof(nowhere));
	__builtin_memset(&nowhere.source, 0, sizeof(nowhere.source));
	before = bpf_map_lookup_elem(&naturals, &nowhere);
	if (!before || !is_same(before, &pair->source))
		bpf_map_update_elem(&naturals, &nowhere, &pair->source, BPF_ANY);
}

static __always_inline void learn_source(struct attach_socket *known, struct sock *sk)
{
	put_local(&known->pair, sk);
	learn_natural(&known->pair);
}

static __always_inline void enter_peak(struct attach_counts *counts)
{
	__u32 in_use = (__u32)(open_of(counts) + under_way_of(counts)) + counts->time_wait;

	if (in_use > counts->peak)
		counts->peak = in_use;
}

static __always_inline void began(struct attach_socket *known, struct sock *sk)
{
	struct attach_counts *counts;

	known->port_before_be = BPF_CORE_READ((struct inet_sock *)sk, inet_sport);
	known->began_ns = bpf_ktime_get_ns();
	if (known->kind == ATTACH_LEFT_ALONE)
		learn_source(known, sk);
	else
		try_begun(sk, &known->pair);
	counts = counts_of(&known->pair);
	if (!counts)
		return;
	if (!counts->netns_inode)
		counts->netns_inode = sk->__sk_common.skc_net.net->ns.inum;
	gauge_add(counts->under_way, known);
	known->under_way = 1;
	enter_peak(counts);
}

/* The socket is remembered from now on. Return: NULL if there is no memory */
static __always_inline struct attach_socket *remember_plain(struct sock *sk, const struct attach_pair *pair)
{
	struct attach_socket *known = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!known)
		return known;
	known->pair = *pair;
	known->kind =
		BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & ADDRESS_LOCK ? ATTACH_BOUND : ATTACH_LEFT_ALONE;
	return known;
}

/* Does a rule spread what goes there? @own_process: as for find_rule() */
static __always_inline int is_spread(const struct attach_pair *pair, __u32 own_process)
{
	__u32 number = find_rule(pair, own_process);
	struct attach_rule *rule = bpf_map_lookup_elem(&rules, &number);
	__u32 first;

	return rule && rule->spread != ATTACH_OFF && is_for_us(&pair->to) &&
	       sources_for(rule, &pair->to, &first);
}

static __always_inline void began_plain(struct sock *sk, const struct attach_pair *pair)
{
	int bound = BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & ADDRESS_LOCK;
	struct attach_counts *counts = bpf_map_lookup_elem(&pairs, pair);
	struct attach_socket *known;

	if (bound)
		try_begun(sk, pair);
	/* What is bound has passed the connect programs, and has a pair or there was no room. */
	if (!counts && !bound && is_spread(pair, 1))
		counts = counts_of(pair);
	if (!counts)
		return;
	/* A port before its connect(), and none of the connect programs has seen it. */
	if (sk->__sk_common.skc_num) {
		bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		return;
	}
	if (walk.mode != ATTACH_WALK_NONE) {
		known = remember_plain(sk, pair);
		if (known)
			began(known, sk);
		return;
	}
	if (!bound)
		learn_natural(pair);
	if (!counts->netns_inode)
		counts->netns_inode = sk->__sk_common.skc_net.net->ns.inum;
	gauge_add_plain(counts->under_way, counts);
	enter_peak(counts);
}

/* tcp_time_wait() (net/ipv4/tcp_minisocks.c) ends the socket from FIN_WAIT2 and CLOSING; a reset and a
 * time-out leave an error. What sent data to a socket closed for good before its FIN was answered gets a
 * reset: counted here all the same. */
static __always_inline void ended(struct attach_counts *counts, const struct attach_socket *known, int old,
				  int error)
{
	if ((old != STATE_FIN_WAIT2 && old != STATE_CLOSING) || error)
		if (known->kind == ATTACH_OWN_PORT)
			counts->freed[counts->freed_count++ % ATTACH_FREED] = known->own_port;
	if ((old == STATE_FIN_WAIT2 || old == STATE_CLOSING) && !error) {
		counts_add_time_wait(counts, bpf_ktime_get_ns());
		__sync_fetch_and_add(&counts->closed_by_us, 1);
	} else if (old == STATE_LAST_ACK && !error) {
		__sync_fetch_and_add(&counts->closed_by_peer, 1);
	} else {
		__sync_fetch_and_add(&counts->closed_by_reset, 1);
	}
}

/* How long ago a connect() began: since the first SYN was sent (tcp_connect(), net/ipv4/tcp_output.c). */
static __always_inline __u64 waited_ns(struct sock *sk, __u64 now_ns)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	__u32 began = BPF_CORE_READ(tcp, retrans_stamp);

	if (bpf_core_field_exists(tcp->tcp_usec_ts) && BPF_CORE_READ_BITFIELD_PROBED(tcp, tcp_usec_ts))
		return ((__u64)((__u32)(now_ns / 1000) - began)) * 1000;
	return ((__u64)((__u32)(now_ns / 1000000) - began)) * 1000000;
}

static __always_inline void opened_plain(struct attach_counts *counts, struct sock *sk)
{
	if (counts->opened % ANSWERS_TIMED == 0) {
		__u32 trip_us = BPF_CORE_READ((struct tcp_sock *)sk, srtt_us) >> 3;
		if (trip_us)
			counts->answer_ns = (__u64)trip_us * 1000;
	}
	counts->failures_in_a_row = 0;
	counts->failing_until_ns = 0;
	__sync_fetch_and_add(&counts->opened, 1);
	gauge_add_plain(counts->open, counts);
}

static __always_inline void refused_plain(struct attach_counts *counts, struct sock *sk)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct attach_socket attempt = { .kind = ATTACH_BOUND };
	__u16 port_be = BPF_CORE_READ((struct inet_sock *)sk, inet_sport);

	if (port_be)
		attempt.began_ns = now_ns - waited_ns(sk, now_ns);
	enter_refusal(counts, &attempt, sk->sk_err, port_be, now_ns);
}

/* What tells most sockets of others apart. What a listener accepted has a copy of its backlog. */
static __always_inline int is_change_of_plain(struct sock *sk, int old, int new)
{
	if (new != STATE_SYN_SENT && old != STATE_SYN_SENT && (new != STATE_CLOSE || !(IS_OPEN >> old & 1)))
		return 0;
	return (with_spill || BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & ADDRESS_LOCK) &&
	       !sk->sk_max_ack_backlog;
}

/* Of a socket that was not remembered so far. Where the kernel has chosen the source it is a plain one with
 * `spill` only: else that is rare, and the connect program remembers it. */
static __always_inline void plain_changed(struct sock *sk, int old, int new)
{
	struct attach_config *all = the_config();
	struct attach_pair pair = {};
	struct attach_counts *counts;

	if (!all || !all->live || !is_in_cgroup(sk, all->cgroup_id))
		return;
	put_remote(&pair, sk);
	put_local(&pair, sk);
	if (new == STATE_SYN_SENT) {
		began_plain(sk, &pair);
		return;
	}
	counts = walk.mode == ATTACH_WALK_FIRST ? 0 : bpf_map_lookup_elem(&pairs, &pair);
	if (!counts)
		return;
	if (old != STATE_SYN_SENT) {
		gauge_take_plain(counts->open, counts);
		ended(counts, &(struct attach_socket){ .kind = ATTACH_BOUND }, old, sk->sk_err);
	} else {
		gauge_take_plain(counts->under_way, counts);
		if (new == STATE_CLOSE)
			refused_plain(counts, sk);
		else
			opened_plain(counts, sk);
	}
	/* Not closed: the program may connect() again, and the source is none of its own. */
	if (new == STATE_CLOSE && sk->sk_shutdown != SHUT_DOWN_BOTH)
		remember_plain(sk, &pair);
}

static __always_inline void opened(struct attach_counts *counts, struct attach_socket *known)
{
	known->open = 1;
	if (counts->opened % ANSWERS_TIMED == 0)
		counts->answer_ns = bpf_ktime_get_ns() - known->began_ns;
	counts->failures_in_a_row = 0;
	counts->failing_until_ns = 0;
	__sync_fetch_and_add(&counts->opened, 1);
	gauge_add(counts->open, known);
}

#pragma clang diagnostic ignored "-Wunused-parameter" /* BPF_PROG() names the context */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(state_changed, struct sock *sk, int old, int new)
{
	struct attach_socket *known = 0;
	struct attach_counts *counts;

	/* Most sockets of the machine are nobody's: what they take is a call and some bytes that are read. */
	if (sk->sk_bpf_storage)
		known = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (!known) {
		if (is_change_of_plain(sk, old, new))
			plain_changed(sk, old, new);
		return 0;
	}
	if (known->pair.protocol != PROTOCOL_TCP)
		return 0;
	if (new == STATE_SYN_SENT) {
		began(known, sk);
		return 0;
	}
	if (!known->under_way && (!known->open || new != STATE_CLOSE))
		return 0;
	counts = bpf_map_lookup_elem(&pairs, &known->pair);
	if (!counts)
		return 0;
	if (known->under_way) {
		known->under_way = 0;
		if (known->kind == ATTACH_OWN_PORT)
			reservation_end(&known->pair, known->own_port);
		gauge_take(counts->under_way, known, counts);
		if (new == STATE_CLOSE)
			enter_refusal(counts, known, BPF_CORE_READ(sk, sk_err),
				      BPF_CORE_READ((struct inet_sock *)sk, inet_sport), bpf_ktime_get_ns());
		else
			opened(counts, known);
		return 0;
	}
	known->open = 0;
	gauge_take(counts->open, known, counts);
	ended(counts, known, old, BPF_CORE_READ(sk, sk_err));
	return 0;
}

#endif
