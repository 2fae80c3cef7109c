// SPDX-License-Identifier: Apache-2.0
/* kernel_view - every TCP (or every UDP) socket of a network namespace, one pass, none of them kept.
 *
 * The sockets come from sock_diag(7), IPv4 and IPv6, all states. Where netlink is refused they come from
 * /proc/net/tcp and /proc/net/tcp6, which lack bound-only sockets and interfaces. The namespace is that of
 * the calling thread. A pass is not one moment: a socket that changes its state meanwhile may be seen twice,
 * or not.
 *
 * Each socket is visited once. ports/space.h holds what is known of the 65,536 ports, tuple_space.h what
 * holds each port from one source to one destination, process_table.h finds processes by inode. Where all
 * sockets are wanted (cli/ports/host_view.c), socket_list.c prefers a BPF program that reads the kernel's
 * tables, which also say which ports are blocked: attach/programs/sockets.bpf.c. */
#ifndef HEADROOM_POOL_PORTS_KERNEL_VIEW_H
#define HEADROOM_POOL_PORTS_KERNEL_VIEW_H

#include "pool/ports/pass.h"

/**
 * kernel_view_read() - visit every TCP socket
 * @view:	out
 * @filter:	NULL for all
 * Return: 0, or a negative errno when neither sock_diag nor /proc can be read
 */
int kernel_view_read(struct kernel_view *view, const struct kernel_filter *filter, socket_visitor *visit,
		     void *context);

/**
 * kernel_at_least() - is the running kernel of this release or a later one?
 *
 * For what has no name of its own to ask for.
 */
bool kernel_at_least(unsigned major, unsigned minor);

/**
 * kernel_release_at_least() - the same of a release such as "6.8.0-31-generic"
 */
bool kernel_release_at_least(const char *release, unsigned major, unsigned minor);

#endif
