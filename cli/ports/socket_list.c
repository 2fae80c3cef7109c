// SPDX-License-Identifier: Apache-2.0
/* socket_list - all TCP sockets of the caller's network namespace, the fastest way there is. */
#include "cli/ports/socket_list.h"

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

int socket_list_read(struct kernel_view *view, struct attach_ports *ports, bool holders,
		     socket_visitor *visit, void *context)
{
	const char *way = getenv("HEADROOM_LIST");
	bool bpf = way && !strcmp(way, "bpf"), sock_diag = way && !strcmp(way, "sock_diag");

	if (way && *way && !bpf && !sock_diag)
		return complain("HEADROOM_LIST", "`%s` is none of bpf, sock_diag", way);
	ports->known = false;
	unsigned flags = (bpf ? LIST_ALWAYS : 0) | (holders ? LIST_HOLDERS : 0);
	int rc = sock_diag ? -ENOSYS : list_by_bpf(view, flags, ports, visit, context);
	if (rc && bpf)
		return complain("HEADROOM_LIST", "no BPF program lists sockets here: %s", strerror(-rc));
	if (rc)
		rc = kernel_view_read(view, NULL, visit, context);
	return rc ? view_complain_failed(rc) : STATUS_FINE;
}
