// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* kernel_types - the few fields of the kernel's own structures that the programs read.
 *
 * CO-RE: libbpf puts the offsets of the running kernel in (bpf_core_read.h), so only names and types have to
 * be right. include/net/sock.h, inet_sock.h, net_namespace.h; include/linux/cgroup-defs.h, kernfs.h, sched.h.
 */
#ifndef HEADROOM_ATTACH_PROGRAMS_KERNEL_TYPES_H
#define HEADROOM_ATTACH_PROGRAMS_KERNEL_TYPES_H

#include <linux/bpf.h>
#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
	__u64 net_cookie;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr___kernel {
	union {
		__u32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_ipv6only : 1;
	unsigned long skc_flags;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	struct in6_addr___kernel skc_v6_daddr;
	struct in6_addr___kernel skc_v6_rcv_saddr;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock {
	struct sock_common __sk_common;
	int sk_err;
	__u32 sk_mark;
	__u32 sk_max_ack_backlog;
	unsigned char sk_userlocks : 4;
	unsigned char sk_shutdown;
	struct sock_cgroup_data sk_cgrp_data;
	void *sk_bpf_storage;
};

enum sock_flags { SOCK_LOCALROUTE = 13 };

struct in6_pktinfo___kernel {
	int ipi6_ifindex;
};

struct ipv6_txoptions {
	void *srcrt;
};

struct ipv6_pinfo {
	struct in6_pktinfo___kernel sticky_pktinfo;
	int ucast_oif;
	unsigned char srcprefs : 3; /* a byte of its own since Linux 6.6 */
	unsigned char tclass;
	struct ipv6_txoptions *opt;
};

/* Linux before 6.6. */
struct ipv6_pinfo___bits {
	unsigned char sndflow : 1;
};

struct ip_options {
	unsigned char optlen;
};

struct ip_options_rcu {
	struct ip_options opt;
};

struct inet_sock {
	struct sock sk;
	struct ipv6_pinfo *pinet6;
	struct ip_options_rcu *inet_opt;
	__u16 inet_sport;
	__u8 tos;
	int uc_index;
	unsigned long inet_flags; /* since Linux 6.6 */
	__u32 local_port_range;   /* of IP_LOCAL_PORT_RANGE; since Linux 6.8 */
};

/* Linux before 6.6. */
struct inet_sock___bits {
	unsigned char transparent : 1;
};

/* Linux 6.3 to 6.7. */
struct inet_sock___two_ports {
	struct {
		__u16 lo, hi;
	} local_port_range;
};

struct tcp_sock {
	__u32 srtt_us;
	__u32 retrans_stamp;
	unsigned char tcp_usec_ts : 1;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct nsproxy *nsproxy;
	struct task_struct *group_leader;
	char comm[16];
};

struct bpf_iter_meta {
	__u64 seq_num;
};

/* The context of iter/tcp (net/ipv4/tcp_ipv4.c). */
struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
	__u32 uid;
};

#pragma clang attribute pop

enum { FAMILY_INET = 2, FAMILY_INET6 = 10 };
enum { PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };
/* include/uapi/asm-generic/errno.h */
enum {
	KERNEL_EADDRNOTAVAIL = 99,
	KERNEL_ECONNRESET = 104,
	KERNEL_ENETUNREACH = 101,
	KERNEL_ETIMEDOUT = 110,
	KERNEL_ECONNREFUSED = 111,
	KERNEL_EHOSTUNREACH = 113
};
/* include/net/tcp_states.h */
enum {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT = 2,
	STATE_FIN_WAIT1 = 4,
	STATE_FIN_WAIT2 = 5,
	STATE_TIME_WAIT = 6,
	STATE_CLOSE = 7,
	STATE_CLOSE_WAIT = 8,
	STATE_LAST_ACK = 9,
	STATE_LISTEN = 10,
	STATE_CLOSING = 11,
	STATE_NEW_SYN_RECV = 12
};
/* include/net/sock.h */
/* include/net/inet_sock.h, of inet_flags: an enum without a name, so these numbers are of Linux 6.6 and later
 */
enum { FLAG_TRANSPARENT = 1 << 15, FLAG_SEND_FLOW = 1 << 29 };
/* include/net/sock.h */
enum { ADDRESS_LOCK = 4, PORT_LOCK = 8, SHUT_DOWN_BOTH = 3 };

#endif
