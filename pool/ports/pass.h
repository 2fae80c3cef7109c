// SPDX-License-Identifier: Apache-2.0
/* pass - one pass over the sockets the kernel lists: what is asked for, and how it went. */
#ifndef HEADROOM_POOL_PORTS_PASS_H
#define HEADROOM_POOL_PORTS_PASS_H

#include "pool/ports/socket_seen.h"

/* Which sockets to see. All zero: all of them. The kernel does the choosing (linux/inet_diag.h, bytecode),
 * but for /proc. */
struct kernel_filter {
	const struct endpoint *destination; /* only to this one; port 0: to any port of it */
	uint32_t states;                    /* bit mask of 1 << enum socket_state; 0: all */
	bool udp; /* UDP sockets, not TCP ones: connected ones are STATE_ESTABLISHED, others STATE_BOUND_ONLY
		   */
	bool quiet; /* ask for quiet_ms too, which makes each socket ten times as long */
};

enum kernel_view_way { VIEW_SOCK_DIAG, VIEW_PROC, VIEW_BPF };

/* How the last pass went: what its counts may miss. */
struct kernel_view {
	enum kernel_view_way way;
	int refused;        /* VIEW_PROC: the negative errno of sock_diag */
	bool no_bound_only; /* the kernel is older than 6.8, or the way /proc: bound-only sockets are not seen
			     */
	bool interrupted;   /* the kernel says the list changed under it (NLM_F_DUMP_INTR) */
	uint64_t sockets;   /* visited */
};

#endif
