// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* binding - bind a socket from a connect program. */
#ifndef HEADROOM_ATTACH_PROGRAMS_BINDING_H
#define HEADROOM_ATTACH_PROGRAMS_BINDING_H

#include "attach/programs/state.h"

/* <linux/in.h> and <linux/in6.h> want the C library's. */
struct ipv4_name {
	__u16 family, port_be;
	__u32 address_be;
	__u8 zero[8];
};
struct ipv6_name {
	__u16 family, port_be;
	__u32 flow;
	__u32 address_be[4];
	__u32 scope;
};

/* Port 0: the kernel chooses it in connect(), for the four values. Return: 0 or a negative errno. */
static __always_inline int bind_source(struct bpf_sock_addr *ctx, const struct attach_address *source,
				       __u16 port)
{
	if (ctx->family == FAMILY_INET) {
		struct ipv4_name name = { .family = FAMILY_INET,
					  .port_be = bpf_htons(port),
					  .address_be = source->words_be[3] };
		return (int)bpf_bind(ctx, (struct sockaddr *)&name, sizeof(name));
	}
	struct ipv6_name name = { .family = FAMILY_INET6, .port_be = bpf_htons(port) };
	__builtin_memcpy(name.address_be, source, sizeof(name.address_be));
	return (int)bpf_bind(ctx, (struct sockaddr *)&name, sizeof(name));
}

/* Is an error of bind() to a source one that any socket would get? Others are the socket's own: an IPv6 one
 * with IPV6_V6ONLY to an IPv4-mapped address say, EINVAL. */
static __always_inline int is_of_source(int error)
{
	return error == -KERNEL_EADDRNOTAVAIL;
}

#endif
