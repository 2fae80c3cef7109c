// SPDX-License-Identifier: Apache-2.0
/* proc_net_tcp - the kernel's list of TCP sockets from /proc/net/tcp and /proc/net/tcp6. */
#ifndef HEADROOM_POOL_PORTS_PROC_NET_TCP_H
#define HEADROOM_POOL_PORTS_PROC_NET_TCP_H

#include "pool/ports/pass.h"

/**
 * proc_net_tcp_read() - one pass over both files (proc(5))
 * @view:	sockets is updated
 * Return: 0 or a negative errno
 */
int proc_net_tcp_read(struct kernel_view *view, const struct kernel_filter *filter, socket_visitor *visit,
		      void *context);

/**
 * proc_net_tcp_line() - one socket from one line
 * Return: false if @line is none, such as the heading
 */
bool proc_net_tcp_line(const char *line, struct socket_seen *seen);

#endif
