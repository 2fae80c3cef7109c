// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* attach - the programs cgroup/connect4 and connect6: find the rule, choose a source, bind the socket to it.
 *
 * bpf_bind() to port 0 has the meaning of IP_BIND_ADDRESS_NO_PORT (BIND_FORCE_ADDRESS_NO_PORT, __inet_bind()
 * in net/ipv4/af_inet.c): the port comes with connect(), for the four values. Whatever fails here, the socket
 * is left as it was and connect() goes on: both always return 1. */
#include "attach/programs/ends.h"
#include "attach/programs/own_port.h"
#include "attach/programs/own_route.h"
#include "attach/programs/walk.h"

char LICENSE[] SEC("license") = "GPL";

/* A walk that finds no port of our own makes its source full for a while, so that the next try takes another. */
enum { LET_PASS = 1, TRIES = 3, OWN_PORT_TRIES = 8 };

/* Where it is 0 the verifier leaves out what chooses ports: Linux before 6.1 does not load that. */
const volatile __u32 with_own_ports = 0;

/* Has the socket a source or a port? What an earlier connect() on it got from here is not its own. */
static __always_inline int has_own_source(struct bpf_sock *sk, const struct attach_socket *before)
{
	__u32 source = sk->src_ip4;
	__u32 a = sk->src_ip6[0], b = sk->src_ip6[1], c = sk->src_ip6[2], d = sk->src_ip6[3];

	if (sk->src_port)
		return 1;
	if (sk->family == FAMILY_INET)
		a = b = c = 0, d = source;
	if (!a && !b && !d && (!c || c == bpf_htonl(0xffff)))
		return 0;
	if (!before || before->kind != ATTACH_BOUND)
		return 1;
	if (sk->family == FAMILY_INET)
		c = bpf_htonl(0xffff);
	return a != before->pair.source.words_be[0] || b != before->pair.source.words_be[1] ||
	       c != before->pair.source.words_be[2] || d != before->pair.source.words_be[3];
}

/* What an earlier connect() on the socket got from here: binding to the unset address takes it away. */
static __always_inline int leave_alone(struct bpf_sock_addr *ctx, int had_source)
{
	struct attach_address unset = {};

	if (had_source)
		bind_source(ctx, &unset, 0);
	return ATTACH_LEFT_ALONE;
}

static __always_inline int bind_to_one(struct bpf_sock_addr *ctx, struct ask *ask, int had_source)
{
	for (int n = 0; n < TRIES; n++) {
		if (choose(ctx, ask) == NO_SOURCE)
			break;
		int error = bind_source(ctx, &ask->pair.source, 0);
		if (!error)
			return ATTACH_BOUND;
		if (!is_of_source(error))
			break;
		set_source_aside(ask);
	}
	return leave_alone(ctx, had_source);
}

/* A port of our own; afterwards `ask` is again what it was, but for the source. */
static __always_inline __u16 take_own_port(struct bpf_sock_addr *ctx, struct ask *ask,
					   const struct attach_config *all)
{
	int port = 0;

	ask->pair.own_ports = 1;
	ask->low = all->own_low;
	ask->high = all->own_high;
	ask->capacity = all->own_capacity;
	for (int n = 0; n < OWN_PORT_TRIES && !port; n++)
		port = own_port_take(ctx, ask);
	if (port > 0)
		return (__u16)port;
	ask->pair.own_ports = 0;
	ask->low = all->low;
	ask->high = all->high;
	ask->capacity = all->capacity;
	return 0;
}

static __always_inline void take_rule(struct ask *ask, const struct attach_rule *rule)
{
	ask->spread = rule->spread;
	ask->strict = rule->strict;
	ask->count = sources_for(rule, &ask->pair.to, &ask->first);
}

/* The ports of a UDP socket's source are taken for all destinations. Nothing tells when such a connect()
 * ends, so the socket counts until it goes. */
static __always_inline void count_udp(struct attach_socket *known, const struct ask *ask, int kind)
{
	struct attach_counts *counts = known->open ? bpf_map_lookup_elem(&pairs, &known->pair) : 0;

	if (counts)
		gauge_take(counts->open, known, counts);
	known->open = 0;
	if (kind != ATTACH_BOUND || ask->pair.port)
		return;
	counts = counts_of(&ask->pair);
	if (!counts)
		return;
	known->open = 1;
	gauge_add(counts->open, known);
	__sync_fetch_and_add(&counts->opened, 1);
}

/* The others need no storage, but that there are counts for the pair (ends.h); where the kernel chooses the
 * source they are made when it has. Nothing else tells that a source is from here where connect() ends before
 * it begins; where none has begun lately that is likely, and a storage is not dear. */
static __always_inline void remember(struct bpf_sock_addr *ctx, struct ask *ask, struct attach_socket *before,
				     int kind, __u16 own_port)
{
	struct attach_socket *known = before;
	int uncertain = 0;

	if (kind != ATTACH_LEFT_ALONE && ask->pair.protocol == PROTOCOL_TCP)
		uncertain = try_asked(ctx->sk, &ask->pair, ask->now_ns);
	if (kind == ATTACH_LEFT_ALONE)
		__builtin_memset(&ask->pair.source, 0, sizeof(ask->pair.source));
	else if (ask->some_new)
		counts_of(&ask->pair);
	if (!known && (uncertain || own_port || ask->pair.protocol == PROTOCOL_UDP ||
		       (kind == ATTACH_LEFT_ALONE && !with_spill)))
		known = bpf_sk_storage_get(&sockets, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!known)
		return;
	if (ask->pair.protocol == PROTOCOL_UDP)
		count_udp(known, ask, kind);
	known->pair = ask->pair;
	known->kind = (__u8)kind;
	known->own_port = own_port;
}

/* Its connection is not told from ours by its source and destination: a storage without a protocol says so.
 */
static __always_inline int pass_uncounted(struct bpf_sock *sk, struct attach_socket *before)
{
	struct attach_socket *known = before;

	if (!known)
		known = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	else if (known->pair.protocol == PROTOCOL_TCP)
		known->pair.protocol = 0;
	if (known && known->kind == ATTACH_BOUND)
		known->kind = ATTACH_LEFT_ALONE;
	return LET_PASS;
}

static __always_inline struct attach_rule *rule_for(const struct attach_pair *pair)
{
	__u32 number;

	if (!pair->port || !is_for_us(&pair->to))
		return 0;
	number = find_rule(pair, 1);
	return bpf_map_lookup_elem(&rules, &number);
}

/* No rule spreads what goes there, or the socket chooses its route: the source is the kernel's choice. */
static __always_inline int pass_unbound(struct bpf_sock_addr *ctx, struct bpf_sock *sk, struct ask *ask,
					struct attach_socket *before, int may_be_counted)
{
	if (before && before->kind == ATTACH_BOUND)
		leave_alone(ctx, 1);
	if (before && before->pair.protocol == PROTOCOL_UDP)
		count_udp(before, ask, ATTACH_LEFT_ALONE);
	return before || may_be_counted ? pass_uncounted(sk, before) : LET_PASS;
}

static __always_inline int connecting(struct bpf_sock_addr *ctx, struct ask *ask)
{
	struct attach_config *all = the_config();
	struct bpf_sock *sk = ctx->sk;
	struct attach_socket *before;
	struct attach_rule *rule;
	__u16 own_port = 0;
	int kind;

	if (!all || !all->live || !sk)
		return LET_PASS;
	rule = rule_for(&ask->pair);
	before = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (!rule && !before)
		return LET_PASS;
	if (has_own_source(sk, before))
		return pass_uncounted(sk, before);
	if (rule)
		take_rule(ask, rule);
	if (!rule || rule->spread == ATTACH_OFF || !ask->count)
		return pass_unbound(ctx, sk, ask, before, rule && all->by_process);
	if (chooses_route(sk, ask->pair.protocol))
		return pass_unbound(ctx, sk, ask, before, 1);
	if (ask->pair.protocol == PROTOCOL_UDP && ask->spread == ATTACH_EVEN) {
		__builtin_memset(&ask->pair.to, 0, sizeof(ask->pair.to));
		ask->pair.port = 0;
	}
	ask->pair.netns_cookie = bpf_get_netns_cookie(ctx);
	ask->now_ns = bpf_ktime_get_coarse_ns(); /* of seconds; the fine clock takes 25 ns more */
	ask->some_aside = all->aside_until_ns > ask->now_ns;
	take_in_unbegun(ask->now_ns);
	ask->some_unbegun = all->unbegun_until_ns > ask->now_ns;
	ask->capacity = all->capacity;
	ask->low = all->low;
	ask->high = all->high;
	if (with_own_ports && ask->spread != ATTACH_SPILL && ask->pair.protocol == PROTOCOL_TCP &&
	    !has_own_range(sk))
		own_port = take_own_port(ctx, ask, all);
	kind = own_port ? ATTACH_OWN_PORT : bind_to_one(ctx, ask, before && before->kind == ATTACH_BOUND);
	remember(ctx, ask, before, kind, own_port);
	return LET_PASS;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct ask ask = { .v4 = 1 };

	/* An IPv6 UDP socket, to an IPv4-mapped address, is left alone: see is_ipv6_only(). */
	if (ctx->protocol != PROTOCOL_TCP && (ctx->protocol != PROTOCOL_UDP || ctx->family != FAMILY_INET))
		return LET_PASS;
	ask.pair.to.words_be[2] = bpf_htonl(0xffff);
	ask.pair.to.words_be[3] = ctx->user_ip4;
	ask.pair.port = bpf_ntohs((__u16)ctx->user_port);
	ask.pair.protocol = (__u16)ctx->protocol;
	return connecting(ctx, &ask);
}

SEC("cgroup/sock_release")
int released(struct bpf_sock *ctx)
{
	struct attach_socket *known = bpf_sk_storage_get(&sockets, ctx, 0, 0);
	struct attach_counts *counts;

	if (!known || known->pair.protocol != PROTOCOL_UDP || !known->open)
		return LET_PASS;
	counts = bpf_map_lookup_elem(&pairs, &known->pair);
	known->open = 0;
	if (counts)
		gauge_take(counts->open, known, counts);
	if (ctx->state == STATE_ESTABLISHED)
		take_back_unbegun(hashes_of(&known->pair).source);
	else
		enter_unbegun(hashes_of(&known->pair).source, bpf_ktime_get_coarse_ns());
	return LET_PASS;
}

/* bind() to an IPv6 address makes a socket one for IPv6 only (__inet6_bind(), net/ipv6/af_inet6.c), and
 * nothing undoes that. Of UDP, getaddrinfo() uses the same socket for IPv4 next; so only those that are so
 * already are bound. */
static __always_inline int is_ipv6_only(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *any = ctx->sk;
	struct sock *sk = any ? (struct sock *)bpf_skc_to_udp6_sock(any) : 0;

	return sk && BPF_CORE_READ_BITFIELD(sk, __sk_common.skc_ipv6only);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct ask ask = {};

	if (ctx->protocol != PROTOCOL_TCP && (ctx->protocol != PROTOCOL_UDP || !is_ipv6_only(ctx)))
		return LET_PASS;
	ask.pair.to.words_be[0] = ctx->user_ip6[0];
	ask.pair.to.words_be[1] = ctx->user_ip6[1];
	ask.pair.to.words_be[2] = ctx->user_ip6[2];
	ask.pair.to.words_be[3] = ctx->user_ip6[3];
	ask.v4 = is_mapped(&ask.pair.to);
	ask.pair.port = bpf_ntohs((__u16)ctx->user_port);
	ask.pair.protocol = (__u16)ctx->protocol;
	return connecting(ctx, &ask);
}
