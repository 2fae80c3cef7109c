// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* socket_tables - the few fields of the kernel's tables of sockets that programs/sockets.bpf.c reads.
 *
 * CO-RE, as in kernel_types.h: names and types have to be right, the kernel that runs knows the places.
 * include/net/sock.h, inet_hashtables.h, inet_timewait_sock.h, inet_connection_sock.h, netns/ipv4.h. */
#ifndef HEADROOM_ATTACH_PROGRAMS_SOCKET_TABLES_H
#define HEADROOM_ATTACH_PROGRAMS_SOCKET_TABLES_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr___kernel {
	union {
		__u32 u6_addr32[4];
	} in6_u;
};

struct hlist_node___kernel {
	struct hlist_node___kernel *next;
	struct hlist_node___kernel **pprev;
};

struct hlist_head___kernel {
	struct hlist_node___kernel *first;
};

struct net;

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	struct hlist_node___kernel skc_bind_node;
	struct in6_addr___kernel skc_v6_daddr;
	struct in6_addr___kernel skc_v6_rcv_saddr;
};

struct inode {
	unsigned long i_ino;
};

struct socket;

/* `socket` is first. */
struct socket_alloc {
	struct inode vfs_inode;
};

typedef struct {
	__u32 val;
} kuid_t;

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	kuid_t sk_uid;
};

typedef struct {
	int counter;
} atomic_t;

struct request_sock_queue {
	atomic_t qlen;
};

struct inet_connection_sock {
	__u8 icsk_retransmits;
	struct request_sock_queue icsk_accept_queue;
};

struct inet_timewait_sock {
	volatile unsigned char tw_substate;
};

struct inet_bind_hashbucket {
	struct hlist_head___kernel chain;
};

struct inet_bind2_bucket {
	possible_net_t ib_net;
	struct hlist_node___kernel node;
	struct hlist_head___kernel owners;
};

struct inet_bind_bucket {
	possible_net_t ib_net;
	int l3mdev;
	unsigned short port;
	signed char fastreuse;
	signed char fastreuseport;
	struct hlist_node___kernel node;
};

struct inet_hashinfo {
	struct inet_bind_hashbucket *bhash;
	struct inet_bind_hashbucket *bhash2;
	unsigned int bhash_size;
};

struct inet_timewait_death_row {
	struct inet_hashinfo *hashinfo;
};

struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row;
};

struct net {
	struct netns_ipv4 ipv4;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct nsproxy *nsproxy;
};

#pragma clang attribute pop

#endif
