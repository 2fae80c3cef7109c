// SPDX-License-Identifier: Apache-2.0
/* sock_diag - the kernel's list of TCP sockets over netlink. */
#ifndef HEADROOM_POOL_PORTS_SOCK_DIAG_H
#define HEADROOM_POOL_PORTS_SOCK_DIAG_H

#include "pool/ports/pass.h"

/**
 * sock_diag_read() - one pass over the sockets of both families (sock_diag(7))
 * @view:	sockets and interrupted are updated
 * Return: 0 or a negative errno; -ENOENT where the kernel has no tcp_diag. After an error the visitor may
 *have seen a part.
 */
int sock_diag_read(struct kernel_view *view, const struct kernel_filter *filter, socket_visitor *visit,
		   void *context);

#endif
