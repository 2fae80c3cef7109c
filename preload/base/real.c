// SPDX-License-Identifier: Apache-2.0
/* real - the calls behind the hooks: until start straight to the kernel, then libc's.
 *
 * A hook may be called by a constructor that runs before ours, and dlsym() may then come back to it. So
 * every pointer starts with a function that needs no set-up at all. After the start this function finds the
 * real one and puts it into its own place: in memory that stays, without a lock or a system call, as a signal
 * handler may be the first to call it. */
#include "preload/base/hooks.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "preload/base/lookup.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
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

extern void *libc_dlsym(void *handle, const char *name) __asm__("dlsym") __attribute__((weak));

/* Not a tail call: dlsym() finds out by its return address who asks. */
#define FIND(handle, name, behind)                                                         \
	void *found = libc_dlsym ? libc_dlsym(handle, name) : lookup(name, behind, false); \
	__asm__ volatile("" : "+r"(found));                                                \
	return found

void *real_find(const char *name)
{
	FIND(RTLD_NEXT, name, true);
}

void *real_find_first(const char *name)
{
	FIND(RTLD_DEFAULT, name, false);
}

/* Everything behind this library is known: each call is looked for when it is needed, as most programs need
 * few of them, and to look for all takes 40 us of each. */
IN_DATA static bool learned;

static void *find(const char *name)
{
	return learned ? lookup_learned(name) : real_find(name);
}

/* What a program may find by dlsym() because we have it, although its libc has not. */
static long absent(void)
{
	errno = ENOSYS;
	return -1;
}

static void close_from(int first)
{
	struct rlimit limit;

	if (!real.close_range((unsigned)first, ~0u, 0) ||
	    kernel_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit, 0, 0))
		return;
	for (int fd = first; (rlim_t)fd < limit.rlim_cur && fd < INT_MAX; fd++)
		real.close(fd);
}

/* From 1.2.4 on musl has the names with 64 for programs linked before, and not for dlsym(). */
static void *without_64(const char *name)
{
	char plain[32];
	size_t length = strlen(name);

	if (length < 3 || length > sizeof(plain) || strcmp(name + length - 2, "64"))
		return NULL;
	memcpy(plain, name, length - 2);
	plain[length - 2] = '\0';
	return find(plain);
}

static void *stand_in(const char *name)
{
	void *found = without_64(name);

	/* Before glibc 2.34. With the handlers that it is to leave out. */
	if (!found && !strcmp(name, "_Fork"))
		found = find("fork");
	if (!found && !strcmp(name, "closefrom"))
		found = (void *)close_from;
	return found ? found : (void *)absent;
}

static void *find_or_stand_in(const char *name)
{
	void *found = find(name);

	return found ? found : stand_in(name);
}

/* Threads that meet here write the same, and who comes later need not see it: he looks again. */
#define UNWATCHED __attribute__((no_sanitize("thread")))
#define FIRST     ONCE UNWATCHED

/* Where libc has none, and before the start, when nothing is looked for, they are the kernel's. */
#define FIRST_KERNEL(result, name, parameters, arguments)                           \
	FIRST static result first_##name parameters                                 \
	{                                                                           \
		void *found = learned ? lookup_learned(#name) : NULL;               \
		if (!found)                                                         \
			return (result)to_errno(SIX(SYS_##name, EXPAND arguments)); \
		real.name = (result(*) parameters)found;                            \
		return real.name arguments;                                         \
	}
KERNEL_HOOKS(FIRST_KERNEL)
#undef FIRST_KERNEL

#define FIRST_LIBC(result, name, parameters, arguments)                                    \
	FIRST static result first_##name parameters                                        \
	{                                                                                  \
		result(*found) parameters = (result(*) parameters)find_or_stand_in(#name); \
		if (learned)                                                               \
			real.name = found;                                                 \
		return found arguments;                                                    \
	}
LIBC_HOOKS(FIRST_LIBC)
REUSE_HOOKS(FIRST_LIBC)
#undef FIRST_LIBC

void early_syscall(void); /* trampoline_*.S */
long syscall_failed(long error);

long syscall_failed(long error)
{
	errno = (int)error;
	return -1;
}

#define FIRST_POINTER(result, name, parameters, arguments) .name = first_##name,
struct real_calls real = { ALL_HOOKS(FIRST_POINTER) };
void *real_syscall = (void *)early_syscall;
#undef FIRST_POINTER

/* Of what libc lacks a call of the kernel's keeps its first function. */
COLD UNWATCHED static void resolve_all(void)
{
	void *found;

#define RESOLVE(result, name, parameters, arguments) \
	if ((found = find(#name)))                   \
		real.name = (result(*) parameters)found;
#define RESOLVE_OR_STAND_IN(result, name, parameters, arguments) \
	real.name = (result(*) parameters)find_or_stand_in(#name);
	KERNEL_HOOKS(RESOLVE)
	LIBC_HOOKS(RESOLVE_OR_STAND_IN)
	REUSE_HOOKS(RESOLVE_OR_STAND_IN)
#undef RESOLVE
#undef RESOLVE_OR_STAND_IN
}

/* glibc's tables are known, and its dlsym() takes a thousand instructions for each. */
extern const char *glibc_version(void) __asm__("gnu_get_libc_version") __attribute__((weak));

void real_resolve(void)
{
	void *found;

	learned = glibc_version && lookup_learn();
	if (!learned)
		resolve_all();
	if ((found = find("syscall")))
		real_syscall = found;
	real.vfork = find("vfork");
	if ((found = find("clone")))
		memcpy(&real.clone, &found, sizeof(found));
}

void real_before_forks(void)
{
	if (learned)
		resolve_all();
}
