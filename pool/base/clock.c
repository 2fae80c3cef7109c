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

/* What most processes read, at their start. The vDSO's page is not theirs yet: to come to it is a page fault,
 * which costs as much as thirty such calls. */
enum { READS_AT_START = 2 };

/* For a process that has no vDSO, too: under valgrind, or a kernel started with vdso=0. */
ONCE static int by_system_call(clockid_t clock, struct timespec *out)
{
	return (int)kernel_syscall(SYS_clock_gettime, clock, (long)out, 0, 0, 0, 0);
}

/* Stands at rest in the place of the function: so there is no start to wait for. Threads that meet here find
 * the same. */
ONCE static int find_and_read(clockid_t clock, struct timespec *out)
{
	IN_DATA static atomic_uint reads;
	int saved = errno;

	if (atomic_fetch_add_explicit(&reads, 1, memory_order_relaxed) < READS_AT_START)
		return by_system_call(clock, out);
	clock_function *found = by_system_call;
	const void *image = (const void *)getauxval(AT_SYSINFO_EHDR), *at = vdso_find(image, CLOCK_NAME);

	if (at)
		*(const void **)&found = at;
	atomic_store_explicit(&clock_read, found, memory_order_relaxed);
	errno = saved; /* getauxval() sets it where there is none */
	return found(clock, out);
}

clock_function *_Atomic clock_read = find_and_read;
