// SPDX-License-Identifier: Apache-2.0
/* kernel_view - every TCP socket of a network namespace, one pass, none of them kept. */
#include "pool/ports/kernel_view.h"

#include "pool/base/kernel.h"
#include "pool/ports/proc_net_tcp.h"
#include "pool/ports/sock_diag.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

const char *socket_state_name(unsigned state)
{
	static const char *const names[SOCKET_STATES] = {
		"0",     "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",    "TIME_WAIT",
		"CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV", "BOUND"
	};
	return state < SOCKET_STATES ? names[state] : "?";
}

bool kernel_release_at_least(const char *release, unsigned major, unsigned minor)
{
	char *end;
	unsigned long has_major = strtoul(release, &end, 10);
	unsigned long has_minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return has_major > major || (has_major == major && has_minor >= minor);
}

bool kernel_at_least(unsigned major, unsigned minor)
{
	struct utsname name;
	return kernel_syscall(SYS_uname, (long)&name, 0, 0, 0, 0, 0) == 0 &&
	       kernel_release_at_least(name.release, major, minor);
}

int kernel_view_read(struct kernel_view *view, const struct kernel_filter *filter, socket_visitor *visit,
		     void *context)
{
	static const struct kernel_filter all;

	*view = (struct kernel_view){ .no_bound_only = !kernel_at_least(6, 8) };
	if (!filter)
		filter = &all;
	int refused = sock_diag_read(view, filter, visit, context);
	/* What was seen before a failure was seen: a second list would show it again. */
	if (!refused || view->sockets)
		return refused;
	view->way = VIEW_PROC;
	view->refused = refused;
	view->no_bound_only = true;
	int rc = proc_net_tcp_read(view, filter, visit, context);
	return rc ? refused : 0;
}
