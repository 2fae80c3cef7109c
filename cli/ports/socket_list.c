// SPDX-License-Identifier: Apache-2.0
/* socket_list - all TCP sockets of the caller's network namespace, the fastest way there is. */
#include "cli/ports/socket_list.h"

#include "attach/sockets.h"
#include "cli/shared/complain.h"
#include "cli/shared/view_complaints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef HEADROOM_ATTACH_LACKS
static int list_by_bpf(struct kernel_view *view, unsigned flags, struct attach_ports *ports,
		       socket_visitor *visit, void *context)
{
	(void)view, (void)flags, (void)ports, (void)visit, (void)context;
	return -ENOSYS;
}
#else
#define list_by_bpf attach_list_sockets
#endif

/* The kernel's own table says it, no port has to be asked about. */
static void enter_blocked(struct port_space *space, const struct attach_ports *ports)
{
	for (unsigned port = space->range.low; port <= space->range.high; port++)
		if (port_space_doubtful(space, port))
			port_space_answer(space, port, ports->blocked[port / 64] >> port % 64 & 1);
}

int socket_list_read(struct kernel_view *view, struct port_space *space, bool holders, socket_visitor *visit,
		     void *context)
{
	struct attach_ports ports = { .known = false };
	const char *way = getenv("HEADROOM_LIST");
	bool bpf = way && !strcmp(way, "bpf"), sock_diag = way && !strcmp(way, "sock_diag");

	if (way && *way && !bpf && !sock_diag)
		return complain("HEADROOM_LIST", "`%s` is none of bpf, sock_diag", way);
	unsigned flags = (bpf ? LIST_ALWAYS : 0) | (holders ? LIST_HOLDERS : 0);
	int rc = sock_diag ? -ENOSYS : list_by_bpf(view, flags, &ports, visit, context);
	if (rc && bpf)
		return complain("HEADROOM_LIST", "no BPF program lists sockets here: %s", strerror(-rc));
	if (rc)
		rc = kernel_view_read(view, NULL, visit, context);
	if (rc)
		return view_complain_failed(rc);
	space->bound_only_hidden = view->no_bound_only;
	if (ports.known)
		enter_blocked(space, &ports);
	return STATUS_FINE;
}
