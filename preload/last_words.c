// SPDX-License-Identifier: Apache-2.0
/* last_words - what is open when the process ends.
 *
 * The kernel closes it, and what we close first is a TIME_WAIT from then on. Others may hold it too: a
 * forked child that lives goes on with the connection. Which of its parent's fds it still has nobody can
 * tell at a bounded cost; so with children alive nothing is entered as ended. */
#include "preload/last_words.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/connect/ending.h"
#include "pool/socket/facts.h"
#include "preload/base/fdtable.h"
#include "preload/base/process.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Asks without reaping: WNOWAIT (waitid(2)). */
static bool no_child_lives(void)
{
	siginfo_t ignored;

	return kernel_syscall(SYS_waitid, P_ALL, 0, (long)&ignored, WEXITED | WNOHANG | WNOWAIT | __WALL, 0,
			      0) == -ECHILD;
}

static void end(int fd)
{
	struct held held;

	if (!fdtable_hold(fd, &held))
		return;
	uint32_t flags = 0;
	uint8_t state = SOCKET_FRESH;
	bool counted = false;
	if (shim_enter_held(&shim, &held)) {
		flags = held.tracked->flags;
		state = held.tracked->state;
		counted = held.tracked->space;
		shim_leave(&shim);
	}
	if (counted) {
		struct ending_facts facts = socket_ending(fd, state, flags, false);
		ending_with_process(&shim.spreading, &held, &facts);
	}
	fdtable_release(&held);
}

ONCE void last_words(void)
{
	/* Nor in a sandbox, where to ask may be forbidden. */
	if (atomic_load(shim.sockets.forks) && (shim.writer.frozen || !no_child_lives()))
		return;
	for (int fd = fdtable_next(0); fd >= 0; fd = fdtable_next(fd + 1))
		end(fd);
}
