// SPDX-License-Identifier: Apache-2.0
/* real - the calls behind the hooks: until start straight to the kernel, then libc's.
 *
 * A hook may be called by a constructor that runs before ours, and dlsym() may then come back to it. So
 * every pointer starts with a function that needs no set-up at all. */
#include "preload/base/hooks.h"

#include "pool/base/kernel.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long to_errno(long rc)
{
	if (rc < 0 && rc > -4096) {
		errno = (int)-rc;
		return -1;
	}
	return rc;
}

/* SIX(f, a, b) is f(a, b, 0, 0, 0, 0) with every argument as a long. */
#define AS_LONG(x)           (long)(intptr_t)(x)
#define SIX_1(n, a)          kernel_syscall(n, AS_LONG(a), 0, 0, 0, 0, 0)
#define SIX_2(n, a, b)       kernel_syscall(n, AS_LONG(a), AS_LONG(b), 0, 0, 0, 0)
#define SIX_3(n, a, b, c)    kernel_syscall(n, AS_LONG(a), AS_LONG(b), AS_LONG(c), 0, 0, 0)
#define SIX_4(n, a, b, c, d) kernel_syscall(n, AS_LONG(a), AS_LONG(b), AS_LONG(c), AS_LONG(d), 0, 0)
#define SIX_5(n, a, b, c, d, e) \
	kernel_syscall(n, AS_LONG(a), AS_LONG(b), AS_LONG(c), AS_LONG(d), AS_LONG(e), 0)
#define SIX_6(n, a, b, c, d, e, f) \
	kernel_syscall(n, AS_LONG(a), AS_LONG(b), AS_LONG(c), AS_LONG(d), AS_LONG(e), AS_LONG(f))
#define SIX_PICK(_1, _2, _3, _4, _5, _6, NAME, ...) NAME
#define SIX(n, ...)                                                       \
	SIX_PICK(__VA_ARGS__, SIX_6, SIX_5, SIX_4, SIX_3, SIX_2, SIX_1, ) \
	(n, __VA_ARGS__)
#define EXPAND(...) __VA_ARGS__

#define EARLY_KERNEL(result, name, parameters, arguments)                   \
	static result early_##name parameters                               \
	{                                                                   \
		return (result)to_errno(SIX(SYS_##name, EXPAND arguments)); \
	}
KERNEL_HOOKS(EARLY_KERNEL)
#undef EARLY_KERNEL

#define EARLY_LIBC(result, name, parameters, arguments)                                    \
	static result early_##name parameters                                              \
	{                                                                                  \
		result(*found) parameters = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
		return found arguments;                                                    \
	}
LIBC_HOOKS(EARLY_LIBC)
REUSE_HOOKS(EARLY_LIBC)
#undef EARLY_LIBC

#if defined(__x86_64__)
void early_syscall(void); /* trampoline_x86_64.S */
long syscall_failed(long error);

long syscall_failed(long error)
{
	errno = (int)error;
	return -1;
}
#else
#define early_syscall NULL
#endif

#define EARLY_POINTER(result, name, parameters, arguments) .name = early_##name,
struct real_calls real = { ALL_HOOKS(EARLY_POINTER) };
void *real_syscall = (void *)early_syscall;
#undef EARLY_POINTER

/* A name that libc lacks keeps its early function: it is not called by a program that could be linked. */
void real_resolve(void)
{
	void *found;
#define RESOLVE(result, name, parameters, arguments) \
	if ((found = dlsym(RTLD_NEXT, #name)))       \
		real.name = (result(*) parameters)found;
	ALL_HOOKS(RESOLVE)
#undef RESOLVE
	if ((found = dlsym(RTLD_NEXT, "syscall")))
		real_syscall = found;
	real.vfork = dlsym(RTLD_NEXT, "vfork");
	if ((found = dlsym(RTLD_NEXT, "clone")))
		memcpy(&real.clone, &found, sizeof(found));
}
