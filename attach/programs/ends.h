// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* ends - what became of a connection: the tracepoint sock/inet_sock_set_state.
 *
 * Only sockets that passed the connect programs have a storage, so nothing else on the machine is counted,
 * and nothing twice. connect() with EADDRNOTAVAIL is seen as SYN_SENT to CLOSE with no port and no error
 * (tcp_v4_connect(), net/ipv4/tcp_ipv4.c); tests/system/test_attach.py, "the same socket
 * again", relies on it. */
#ifndef HEADROOM_ATTACH_PROGRAMS_ENDS_H
#define HEADROOM_ATTACH_PROGRAMS_ENDS_H

#include "attach/programs/state.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

enum {
	FULL_NS = SECOND_NS, /* a source that was full is asked again after this */
	/* Who gives up sooner says nothing of the source. Programs have time-outs of fractions of a second.
	 */
	PATIENCE_NS = 50000000,
	PATIENCE_ANSWERS = 8, /* nor who gives up sooner than in so many times what an answer took */
	ANSWERS_TIMED = 16,   /* one in so many */
	FAILURES_MAX = 2,     /* in a row: then the source is passed over, for 2 s and up to 64 */
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

static __always_inline int is_same(const struct attach_address *a, const struct attach_address *b)
{
	return a->words_be[0] == b->words_be[0] && a->words_be[1] == b->words_be[1] &&
	       a->words_be[2] == b->words_be[2] && a->words_be[3] == b->words_be[3];
}

/* The source that the kernel has chosen, where the choice was left to it. */
static __always_inline void learn_source(struct attach_socket *known, struct sock *sk)
{
	struct attach_address *before;
	struct attach_pair nowhere;

	if (BPF_CORE_READ(sk, __sk_common.skc_family) == FAMILY_INET) {
		known->pair.source.words_be[0] = known->pair.source.words_be[1] = 0;
		known->pair.source.words_be[2] = bpf_htonl(0xffff);
		known->pair.source.words_be[3] = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	} else {
		BPF_CORE_READ_INTO(&known->pair.source.words_be, sk,
				   __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32);
	}
	__builtin_memcpy(&nowhere, &known->pair, sizeof(nowhere));
	__builtin_memset(&nowhere.source, 0, sizeof(nowhere.source));
	before = bpf_map_lookup_elem(&naturals, &nowhere);
	if (!before || !is_same(before, &known->pair.source))
		bpf_map_update_elem(&naturals, &nowhere, &known->pair.source, BPF_ANY);
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
	counts = counts_of(&known->pair);
	if (!counts)
		return;
	if (!counts->netns_inode)
		counts->netns_inode = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	gauge_add(counts->under_way, known);
	known->under_way = 1;
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
	struct attach_socket *known = bpf_sk_storage_get(&sockets, sk, 0, 0);
	struct attach_counts *counts;

	if (!known || known->pair.protocol != PROTOCOL_TCP)
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
