// SPDX-License-Identifier: Apache-2.0
/* numbers - a thread is about to get fd numbers of its own: unshare(CLONE_FILES), CLOSE_RANGE_UNSHARE. */
#include "preload/fds/numbers.h"

#include "preload/base/process.h"
#include "preload/fds/deferred.h"
#include "preload/parking/parking.h"

#include <errno.h>

bool numbers_will_part(void)
{
	int saved = errno;

	if (process_has_one_thread() || !process_will_be_ours())
		return false;
	parking_off(NULL, RETIRED_ROOM);
	deferred_fds_make_real();
	errno = saved;
	return true;
}

void numbers_parted(bool done)
{
	int saved = errno;

	if (!done)
		return;
	/* What another thread has deferred since. */
	deferred_fds_make_real();
	if (!atomic_exchange(&shim.lock.passive, true))
		log_message(&shim.log, LOG_LEVEL_INFO, "passive",
			    "a thread has fd numbers of its own (CLONE_FILES): the program goes on without "
			    "headroom");
	errno = saved;
}
