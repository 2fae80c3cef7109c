// SPDX-License-Identifier: Apache-2.0
/* clock - monotonic time. */
#ifndef HEADROOM_POOL_CLOCK_H
#define HEADROOM_POOL_CLOCK_H

#include <stdint.h>
#include <time.h>

/**
 * clock_ns() - CLOCK_MONOTONIC in ns; read in user space (vdso(7)), never 0
 */
static inline uint64_t clock_ns(void)
{
	struct timespec t = { 0 };
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec + 1;
}

/**
 * clock_coarse_ns() - the same, some milliseconds behind, for a tenth of the cost
 */
static inline uint64_t clock_coarse_ns(void)
{
	struct timespec t = { 0 };
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec + 1;
}

/**
 * clock_thread_ns() - processor time of the calling thread
 */
static inline uint64_t clock_thread_ns(void)
{
	struct timespec t = { 0 };
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/**
 * clock_since() - time from @then to @now; 0 if another thread's @then is later
 */
static inline uint64_t clock_since(uint64_t then_ns, uint64_t now_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

#endif
