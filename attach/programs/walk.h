// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* walk - all sockets of a network namespace, visited by a BPF iterator: iter/tcp (Linux 5.16 for what is read
 * here).
 *
 * The tracepoint program counts as sockets change. It does not see what was there before the attachment, and
 * the kernel leaves a call of it out where it interrupts itself. A walk mends both. It has a number, the
 * epoch. Each socket that is counted belongs to the walk that saw it last, or to the one that was last when
 * it was made, and is counted on that one's side of its pair. The walk moves sockets from the other side to
 * its own; what is left there at its end is of no socket. Meanwhile the sum of both is right all the time.
 *
 * Sockets without a storage (ends.h) belong to the last walk of their pair. While a walk is on the way, each
 * that it visits and each that begins to connect is given one, so that those which it has not seen are known.
 *
 * The kernel locks a socket while it shows it (bpf_iter_tcp_seq_show(), net/ipv4/tcp_ipv4.c), so its state
 * does not change. */
#ifndef HEADROOM_ATTACH_PROGRAMS_WALK_H
#define HEADROOM_ATTACH_PROGRAMS_WALK_H

#include "attach/programs/ends.h"
#include "attach/programs/own_route.h"

/* One that connect() gave source and port to. What a server accepted has a copy of the listener's backlog,
 * or, if that is 0, most likely a port out of the range; what its program bound is left alone by the connect
 * programs too. */
static __always_inline int is_chosen_by_connect(struct sock *sk)
{
	__u16 port = BPF_CORE_READ(sk, __sk_common.skc_num);

	return port >= walk.low && port <= walk.high && !BPF_CORE_READ(sk, sk_max_ack_backlog) &&
	       !BPF_CORE_READ(sk, sk_mark) && !BPF_CORE_READ(sk, __sk_common.skc_bound_dev_if) &&
	       !has_route_of_its_own((struct inet_sock *)sk, 0) &&
	       !(BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & (ADDRESS_LOCK | PORT_LOCK));
}

/* A socket of before the attachment. What the connect programs would not have taken is remembered as such:
 * its end is not counted. */
static __always_inline struct attach_socket *take_unseen(struct sock *sk, const struct attach_pair *pair)
{
	struct attach_socket *known;

	if (!is_spread(pair, 0))
		return 0;
	known = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!known || !is_chosen_by_connect(sk))
		return 0;
	known->pair = *pair;
	known->kind = ATTACH_LEFT_ALONE;
	learn_natural(pair);
	return known;
}

/* A socket that is counted, and has no storage: from now on it has. */
static __always_inline struct attach_socket *take_plain(struct sock *sk, const struct attach_pair *pair,
							int state)
{
	struct attach_counts *counts = bpf_map_lookup_elem(&pairs, pair);
	struct attach_socket *known = counts ? remember_plain(sk, pair) : 0;

	if (!known)
		return 0;
	known->under_way = state == STATE_SYN_SENT;
	known->open = !known->under_way;
	known->epoch = counts->settled;
	known->side = known->epoch & 1;
	return known;
}

static __always_inline struct attach_socket *take(struct sock *sk, const struct attach_config *all, int state)
{
	struct attach_pair pair = {};

	if (sk->sk_max_ack_backlog || !is_in_cgroup(sk, all->cgroup_id))
		return 0;
	put_remote(&pair, sk);
	put_local(&pair, sk);
	return walk.mode == ATTACH_WALK_FIRST ? take_unseen(sk, &pair) : take_plain(sk, &pair, state);
}

/* What the tracepoint program should have entered and has not. */
static __always_inline void catch_up(struct attach_socket *known, struct attach_counts *counts, int state)
{
	if (known->under_way && state != STATE_SYN_SENT) {
		known->under_way = 0;
		gauge_take(counts->under_way, known, counts);
		opened(counts, known);
	} else if (!known->under_way && !known->open) {
		if (state == STATE_SYN_SENT) {
			known->under_way = 1;
			known->began_ns = bpf_ktime_get_ns();
			gauge_add(counts->under_way, known);
		} else {
			known->open = 1;
			gauge_add(counts->open, known);
		}
	} else {
		return;
	}
	__sync_fetch_and_add(&walk.found, 1);
	enter_peak(counts);
}

static __always_inline void visit(struct sock *sk, int state, struct attach_config *all)
{
	struct attach_socket *known = bpf_sk_storage_get(&sockets, sk, 0, 0);
	struct attach_counts *counts;

	if (!known)
		known = take(sk, all, state);
	if (!known || known->pair.protocol != PROTOCOL_TCP)
		return;
	if (known->kind == ATTACH_LEFT_ALONE && !known->under_way && !known->open)
		learn_source(known, sk);
	counts = counts_of(&known->pair);
	if (!counts)
		return;
	if (!counts->netns_inode)
		counts->netns_inode = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	catch_up(known, counts, state);
	if (known->epoch == walk.epoch)
		return;
	__u64 *gauge = known->open ? counts->open : counts->under_way;
	struct attach_socket before = *known;
	gauge_add(gauge, known);
	gauge_take(gauge, &before, counts);
}

struct settling {
	__u64 netns_cookie;
	__u64 gone;
	__u32 epoch, reserved_zero;
};

static long settle_one(void *map, const struct attach_pair *pair, struct attach_counts *counts,
		       struct settling *now)
{
	__u32 other = (now->epoch + 1) & 1;

	if (pair->protocol != PROTOCOL_TCP || pair->netns_cookie != now->netns_cookie ||
	    counts->settled == now->epoch)
		return 0;
	now->gone += counts->open[other] + counts->under_way[other];
	counts->open[other] = 0;
	counts->under_way[other] = 0;
	counts->settled = now->epoch;
	return 0;
}

static __always_inline void settle(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct settling now = { .epoch = walk.epoch };

	now.netns_cookie = BPF_CORE_READ(task, nsproxy, net_ns, net_cookie);
	bpf_for_each_map_elem(&pairs, settle_one, &now, 0);
	blank.settled = walk.epoch;
	walk.gone += now.gone;
	walk.ended_ns = bpf_ktime_get_ns();
}

SEC("iter/tcp")
int sockets_walked(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct attach_config *all = the_config();
	int state;

	if (!all || !all->live)
		return 0;
	if (!common) {
		settle();
		return 0;
	}
	state = common->skc_state;
	if (state == STATE_TIME_WAIT || state == STATE_NEW_SYN_RECV || state == STATE_LISTEN ||
	    state == STATE_CLOSE)
		return 0;
	struct tcp_sock *sk = bpf_skc_to_tcp_sock(common);
	if (sk)
		visit((struct sock *)sk, state, all);
	return 0;
}

#endif
