// SPDX-License-Identifier: Apache-2.0
/* hook_sandbox - the program takes rights from itself: prctl(PR_SET_SECCOMP), chroot(). */
#include "hook_sandbox.h"

#include "hooks.h"
#include "process.h"

#include <errno.h>
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
