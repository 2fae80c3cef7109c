// SPDX-License-Identifier: Apache-2.0
/* view_complaints - what could not be learned from the kernel, in a line each on standard error. */
#include "cli/shared/view_complaints.h"

#include "cli/shared/complain.h"
#include "pool/base/printable.h"

#include <errno.h>
#include <string.h>

void view_complain(const struct kernel_view *view)
{
	if (view->way == VIEW_PROC)
		complain(NULL, "sock_diag is refused (%s): bound-only sockets and interfaces are not seen",
			 strerror(-view->refused));
	else if (view->no_bound_only)
		complain(NULL,
			 "this kernel, before 6.8, does not list sockets that are bound and not connected");
	if (view->interrupted)
		complain(NULL, "the kernel's list changed while it was read: counts may be off by a few");
}

int view_complain_failed(int error)
{
	return complain(NULL, "the kernel does not list its sockets: %s", strerror(-error));
}

int range_complain(void)
{
	return complain("/proc/sys/net/ipv4/ip_local_port_range", "cannot be read");
}

void asked_complain(int error, uint32_t doubtful, bool probe)
{
	const char *place = probe ? "--probe" : NULL;

	if (!error || !doubtful)
		return;
	if (error == -ETIME)
		complain(place, "%u %s still in doubt: --probe asks about all, however long it takes",
			 doubtful, one_or_many(doubtful, "port is", "ports are"));
	else
		complain(place, "the kernel cannot be asked about single ports (%s)%s", strerror(-error),
			 error == -ENOPROTOOPT ? ": Linux 6.3 can" : "");
}
