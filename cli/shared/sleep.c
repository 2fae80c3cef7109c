// SPDX-License-Identifier: Apache-2.0
/* sleep - wait for a time given in seconds. */
#include "cli/shared/sleep.h"

#include <errno.h>

struct timespec timespec_of(double seconds)
{
	return (struct timespec){ .tv_sec = (time_t)seconds,
				  .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };
}

void sleep_s(double seconds)
{
	struct timespec left = timespec_of(seconds);

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}
