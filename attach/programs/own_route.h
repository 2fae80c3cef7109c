// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* own_route - options of a socket that the kernel looks at when it chooses the route, and so the source.
 *
 * Those of pool/routes/options.h. SO_MARK and SO_BINDTODEVICE are in struct bpf_sock, the others in the
 * kernel's own structures; what a kernel does not have there it is not asked for. */
#ifndef HEADROOM_ATTACH_PROGRAMS_OWN_ROUTE_H
#define HEADROOM_ATTACH_PROGRAMS_OWN_ROUTE_H

#include "attach/programs/unbegun.h"

#include <bpf/bpf_core_read.h>

enum { ECN_BITS = 3 };

/* @probed: the pointer is a number for the verifier. That takes a call for each field. */
#define FIELD_OF(from, probed, field) ((probed) ? BPF_CORE_READ(from, field) : (from)->field)

static __always_inline int is_transparent(struct inet_sock *sk, const int probed)
{
	struct inet_sock___bits *before = (struct inet_sock___bits *)sk;

	if (bpf_core_field_exists(sk->inet_flags))
		return (FIELD_OF(sk, probed, inet_flags) & FLAG_TRANSPARENT) != 0;
	if (!bpf_core_field_exists(before->transparent))
		return 0;
	return probed ? BPF_CORE_READ_BITFIELD_PROBED(before, transparent)
		      : BPF_CORE_READ_BITFIELD(before, transparent);
}

static __always_inline int sends_flow(struct inet_sock *sk, struct ipv6_pinfo *six)
{
	struct ipv6_pinfo___bits *before = (struct ipv6_pinfo___bits *)six;

	if (bpf_core_field_exists(sk->inet_flags))
		return (sk->inet_flags & FLAG_SEND_FLOW) != 0;
	return bpf_core_field_exists(before->sndflow) && BPF_CORE_READ_BITFIELD(before, sndflow);
}

/* What an IPv6 socket has besides. */
static __always_inline int six_has_route_of_its_own(struct inet_sock *sk)
{
	struct ipv6_pinfo *six;

	if (!bpf_core_field_exists(sk->pinet6))
		return 0;
	six = sk->pinet6;
	if (!six)
		return 0;
	if (six->ucast_oif || six->sticky_pktinfo.ipi6_ifindex || sends_flow(sk, six) ||
	    BPF_CORE_READ_BITFIELD(six, srcprefs))
		return 1;
	if (six->opt && six->opt->srcrt)
		return 1;
	return ruling.by_class && (six->tclass & ~ECN_BITS);
}

/* IP_OPTIONS: once set and taken back, the kernel has some of no length. */
static __always_inline int has_options(struct inet_sock *sk, const int probed)
{
	struct ip_options_rcu *options = FIELD_OF(sk, probed, inet_opt);

	return options && FIELD_OF(options, probed, opt.optlen);
}

static __always_inline int has_route_of_its_own(struct inet_sock *sk, const int probed)
{
	unsigned long flags = FIELD_OF(&sk->sk, probed, __sk_common.skc_flags);

	if (flags >> bpf_core_enum_value(enum sock_flags, SOCK_LOCALROUTE) & 1)
		return 1;
	if (is_transparent(sk, probed) || FIELD_OF(sk, probed, uc_index) || has_options(sk, probed))
		return 1;
	if (ruling.by_class && (FIELD_OF(sk, probed, tos) & ~ECN_BITS))
		return 1;
	return !probed && FIELD_OF(&sk->sk, probed, __sk_common.skc_family) == FAMILY_INET6 &&
	       six_has_route_of_its_own(sk);
}

/* The kernel's own of an IPv4 UDP socket, for which it has no helper: what comes back from a map is a number.
 */
static __always_inline struct inet_sock *number_of(struct bpf_sock *sk)
{
	struct attach_asked *place = this_processors();

	if (!place)
		return 0;
	*(volatile __u64 *)&place->number = (__u64)sk;
	return (struct inet_sock *)*(volatile __u64 *)&place->number;
}

static __always_inline int chooses_route(struct bpf_sock *any, __u32 protocol)
{
	struct inet_sock *sk;

	if (any->bound_dev_if || any->mark)
		return 1;
	if (protocol == PROTOCOL_UDP && any->family == FAMILY_INET) {
		sk = number_of(any);
		return sk && has_route_of_its_own(sk, 1);
	}
	sk = protocol == PROTOCOL_TCP ? (struct inet_sock *)bpf_skc_to_tcp_sock(any)
				      : (struct inet_sock *)bpf_skc_to_udp6_sock(any);
	return sk && has_route_of_its_own(sk, 0);
}

#endif
