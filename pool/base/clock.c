// SPDX-License-Identifier: Apache-2.0
/* clock - the kernel's time, which no other preload bends. */
#include "pool/base/clock.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/vdso.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

/* vdso(7) */
#if defined(__x86_64__)
#define CLOCK_NAME "__vdso_clock_gettime"
#else
#define CLOCK_NAME "__kernel_clock_gettime"
#endif

/* For a process that has no vDSO: under valgrind, or a kernel started with vdso=0. */
static int by_system_call(clockid_t clock, struct timespec *out)
{
	return (int)kernel_syscall(SYS_clock_gettime, clock, (long)out, 0, 0, 0, 0);
}

/* Stands at rest in the place of the function: so there is no start to wait for. Threads that meet here find
 * the same. */
COLD static int find_and_read(clockid_t clock, struct timespec *out)
{
	int saved = errno;
	clock_function *found = by_system_call;
	const void *image = (const void *)getauxval(AT_SYSINFO_EHDR), *at = vdso_find(image, CLOCK_NAME);

	if (at)
		*(const void **)&found = at;
	atomic_store_explicit(&clock_read, found, memory_order_relaxed);
	errno = saved; /* getauxval() sets it where there is none */
	return found(clock, out);
}

clock_function *_Atomic clock_read = find_and_read;
