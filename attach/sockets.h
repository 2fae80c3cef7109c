// SPDX-License-Identifier: Apache-2.0
/* sockets - the TCP sockets of a network namespace, by a BPF program that reads the kernel's tables. */
#ifndef HEADROOM_ATTACH_SOCKETS_H
#define HEADROOM_ATTACH_SOCKETS_H

#include "pool/ports/pass.h"

/* Which ports connect() passes over, as bind() has taken them; a bit for each. */
struct attach_ports {
	bool known;
	uint64_t blocked[65536 / 64];
};

enum attach_list_flags {
	LIST_ALWAYS = 1,  /* also where there are so few that loading the program takes longer */
	LIST_HOLDERS = 2, /* inode and uid of each socket, which takes half as long again */
};

/**
 * attach_list_sockets() - visit every TCP socket of the calling thread's network namespace, as
 * kernel_view_read()
 * @view:	out
 * @ports:	out
 * @flags:	of enum attach_list_flags
 *
 * Of `struct socket_seen` these are not filled: expires_ms, the queues, quiet_ms; inode and uid without
 * LIST_HOLDERS only of listeners, of bound-only sockets and of the first socket of each blocked port. Takes
 * root, or CAP_BPF and CAP_PERFMON, Linux 6.8, and its type information (BTF). Return: 0; -ERANGE: too few;
 * another negative errno. Nothing was visited then
 */
int attach_list_sockets(struct kernel_view *view, unsigned flags, struct attach_ports *ports,
			socket_visitor *visit, void *context);

#endif
