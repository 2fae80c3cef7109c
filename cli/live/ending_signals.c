// SPDX-License-Identifier: Apache-2.0
/* ending_signals - wait for the signals that end the program. */
#include "cli/live/ending_signals.h"

#include "cli/shared/sleep.h"

#include <errno.h>
#include <signal.h>

static sigset_t ending_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	return set;
}

void ending_signals_block(void)
{
	sigset_t set = ending_signals();

	sigprocmask(SIG_BLOCK, &set, NULL);
}

bool ending_signals_wait(double seconds)
{
	struct timespec limit = timespec_of(seconds);
	sigset_t set = ending_signals();
	int got;

	do
		got = sigtimedwait(&set, NULL, seconds < 0 ? NULL : &limit);
	while (got < 0 && errno == EINTR);
	return got > 0;
}
