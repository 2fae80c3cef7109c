// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* kernel_types - the few fields of the kernel's own structures that the programs read.
 *
 * CO-RE: libbpf puts the offsets of the running kernel in (bpf_core_read.h), so only names and types have to
 * be right. include/net/sock.h, include/net/inet_sock.h, include/net/net_namespace.h. */
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
	__u32 skc_rcv_saddr;
	unsigned short skc_family;
	possible_net_t skc_net;
	struct in6_addr___kernel skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	int sk_err;
};

struct inet_sock {
	struct sock sk;
	__u16 inet_sport;
};

#pragma clang attribute pop

enum { FAMILY_INET = 2, FAMILY_INET6 = 10 };
enum { PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };
/* include/uapi/asm-generic/errno.h */
enum {
	KERNEL_ECONNRESET = 104,
	KERNEL_ENETUNREACH = 101,
	KERNEL_ETIMEDOUT = 110,
	KERNEL_ECONNREFUSED = 111,
	KERNEL_EHOSTUNREACH = 113
};
/* include/net/tcp_states.h */
enum { STATE_ESTABLISHED = 1, STATE_SYN_SENT = 2, STATE_FIN_WAIT2 = 5, STATE_CLOSE = 7, STATE_CLOSING = 11 };

#endif
