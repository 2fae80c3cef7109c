// SPDX-License-Identifier: Apache-2.0
/* clock - the clock of fake/kernel.h: it moves when a test moves it. */
#include "pool/base/clock.h"
#include "tests/unit/fake/kernel.h"

static clock_function *real_clock;

static int fake_clock(clockid_t clock, struct timespec *out)
{
	uint64_t ns = fake.now_ns;

	if (!fake.clock_stopped)
		return real_clock(clock, out);
	if (clock == CLOCK_REALTIME) {
		*out = (struct timespec){ .tv_sec = fake.realtime_s, .tv_nsec = 123456789 };
		return 0;
	}
	if (clock == CLOCK_THREAD_CPUTIME_ID)
		ns -= fake.waited_ns;
	if (clock == CLOCK_MONOTONIC_COARSE)
		ns -= fake.coarse_lag_ns;
	*out = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
	return 0;
}

/* The first reading finds the real one. */
__attribute__((constructor)) static void replace_clock(void)
{
	clock_ns();
	real_clock = clock_read;
	clock_read = fake_clock;
}
