// SPDX-License-Identifier: Apache-2.0
/* stopwatch.h - time, and the order of samples. */
#pragma once

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/* Return: CLOCK_MONOTONIC, in nanoseconds. */
static inline double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Return: CPU time of this process inside the kernel, in nanoseconds. */
static inline double kernel_ns(void)
{
	struct rusage use;
	getrusage(RUSAGE_SELF, &use);
	return (double)use.ru_stime.tv_sec * 1e9 + (double)use.ru_stime.tv_usec * 1e3;
}

static inline int by_value(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;
	return (d > 0) - (d < 0);
}

/* Sorts. Return: the sample below which @part of them lie. */
static inline double quantile(double *samples, size_t count, double part)
{
	qsort(samples, count, sizeof(*samples), by_value);
	return samples[(size_t)((double)(count - 1) * part)];
}
