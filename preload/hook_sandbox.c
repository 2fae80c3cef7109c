// SPDX-License-Identifier: Apache-2.0
/* hook_sandbox - the program takes rights from itself: prctl(PR_SET_SECCOMP), chroot(); or goes to another
 * network: unshare(), setns(). */
#include "hook_sandbox.h"

#include "hooks.h"
#include "parking.h"
#include "process.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>

void before_sandbox(void)
{
	int saved = errno;
	if (process_is_ours_surely())
		usage_freeze(&shim);
	errno = saved;
}

int hook_prctl(int option, long a, long b, long c, long d)
{
	if (option == PR_SET_SECCOMP)
		before_sandbox();
	return real.prctl(option, a, b, c, d);
}

int hook_chroot(const char *path)
{
	before_sandbox();
	return real.chroot(path);
}

/* Other threads may stay in the network that this one leaves: a destination is no longer one place. */
static void network_changed(int rc)
{
	if (rc == 0)
		parking_off("the program changed its network namespace: connections are no longer reused in "
			    "this process",
			    RETIRED_ROOM);
}

int hook_unshare(int flags)
{
	int rc = real.unshare(flags);
	if (flags & CLONE_NEWNET)
		network_changed(rc);
	return rc;
}

int hook_setns(int fd, int kind)
{
	int rc = real.setns(fd, kind);
	if (kind == 0 || kind & CLONE_NEWNET)
		network_changed(rc);
	return rc;
}
