// SPDX-License-Identifier: Apache-2.0
/* socket_list - all TCP sockets of the caller's network namespace, the fastest way there is. */
#ifndef HEADROOM_CLI_PORTS_SOCKET_LIST_H
#define HEADROOM_CLI_PORTS_SOCKET_LIST_H

#include "pool/ports/kernel_view.h"
#include "pool/ports/space.h"

/**
 * socket_list_read() - visit each, by a BPF program where many are there and rights, kernel and build allow,
 * else as kernel_view_read(); HEADROOM_LIST=bpf or sock_diag makes it one of them
 * @view:	out
 * @space:	in and out: in the first case which of its ports are blocked is entered, once all were
 *visited, so that none is left in doubt; that bound-only sockets are hidden
 * @holders:	inode and uid of each socket are wanted, not only of those that block a port
 *
 * What is not filled in the first case: attach_list_sockets().
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int socket_list_read(struct kernel_view *view, struct port_space *space, bool holders, socket_visitor *visit,
		     void *context);

#endif
