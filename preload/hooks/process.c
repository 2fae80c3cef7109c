// SPDX-License-Identifier: Apache-2.0
/* process - calls that make another process or program, and the end of this one.
 *
 * What they have in common: somebody else is about to see our sockets, so deferred ports are made real. */
#include "preload/hooks/process.h"

#include "pool/base/hot.h"
#include "pool/base/restraint.h"
#include "pool/routes/network.h"
#include "preload/base/hooks.h"
#include "preload/base/lookup.h"
#include "preload/base/process.h"
#include "preload/fds/deferred.h"
#include "preload/hooks/process.h"
#include "preload/hooks/sandbox.h"
#include "preload/parking/parking.h"
#include "preload/start.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void others_will_see(void)
{
	int saved = errno;
	if (process_is_ours_surely()) {
		deferred_fds_make_real();
		atomic_fetch_add(shim.sockets.forks, 1);
		/* The other may ask the server, too, while this one waits for it. */
		parking_stand_back();
	}
	errno = saved;
}

int hook_execve(const char *path, char *const argv[], char *const envp[])
{
	others_will_see();
	return real.execve(path, argv, envp);
}

int hook_execv(const char *path, char *const argv[])
{
	others_will_see();
	return real.execv(path, argv);
}

int hook_execvp(const char *file, char *const argv[])
{
	others_will_see();
	return real.execvp(file, argv);
}

int hook_execvpe(const char *file, char *const argv[], char *const envp[])
{
	others_will_see();
	return real.execvpe(file, argv, envp);
}

int hook_fexecve(int fd, char *const argv[], char *const envp[])
{
	others_will_see();
	return real.fexecve(fd, argv, envp);
}

int hook_execveat(int directory, const char *path, char *const argv[], char *const envp[], int flags)
{
	others_will_see();
	return real.execveat(directory, path, argv, envp, flags);
}

int hook_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		     const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	others_will_see();
	return real.posix_spawn(pid, path, actions, attributes, argv, envp);
}

int hook_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		      const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	others_will_see();
	return real.posix_spawnp(pid, file, actions, attributes, argv, envp);
}

#if defined(__x86_64__)
/* Programs linked before glibc 2.15 have a file without `#!` run by /bin/sh (posix/spawn.c,
 * SPAWN_XFLAGS_TRY_SHELL). trampoline_x86_64.S gives these two their names and versions. */
typedef int spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		  const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);
spawn hook_posix_spawn_old, hook_posix_spawnp_old;

/* Before glibc 2.34 dlvsym() is in libdl, which the program need not have. */
static spawn *old(const char *name)
{
	typedef void *find_version(void *handle, const char *name, const char *version);
	find_version *find = (find_version *)real_find_first("dlvsym");
	return find ? (spawn *)find(RTLD_NEXT, name, "GLIBC_2.2.5") : (spawn *)lookup(name, true, true);
}

int hook_posix_spawn_old(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	others_will_see();
	return old("posix_spawn")(pid, path, actions, attributes, argv, envp);
}

int hook_posix_spawnp_old(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			  const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	others_will_see();
	return old("posix_spawnp")(pid, file, actions, attributes, argv, envp);
}
#endif

int hook_system(const char *command)
{
	others_will_see();
	return real.system(command);
}

FILE *hook_popen(const char *command, const char *mode)
{
	others_will_see();
	return real.popen(command, mode);
}

/* The handlers of pthread_atfork() do not run for _Fork(): the child finds out by itself (process.c), but
 * perhaps late, and until then it would hold what is parked. */
pid_t hook__Fork(void)
{
	others_will_see();
	return real._Fork();
}

ONCE void hook__exit(int status)
{
	start_of_end();
	for (;;)
		real._exit(status);
}

TWIN(void, _Exit, (int status), _exit)

/* execl() and its kin: the list becomes an array on the stack, as in libc (posix/execl.c). The first pass
 * counts; @environment is where execle() has its last argument. */
#define LIST_TO_ARRAY(first, argv, last)           \
	va_list arguments;                         \
	size_t count = 1;                          \
	va_start(arguments, last);                 \
	while (va_arg(arguments, const char *))    \
		count++;                           \
	va_end(arguments);                         \
	char *argv[count + 1];                     \
	va_start(arguments, last);                 \
	memcpy(&argv[0], &(first), sizeof(first)); \
	for (size_t i = 1; i <= count; i++)        \
	argv[i] = va_arg(arguments, char *)

EXPORTED int hook_execl(const char *path, const char *first, ...) __asm__("execl");
EXPORTED int hook_execlp(const char *file, const char *first, ...) __asm__("execlp");
EXPORTED int hook_execle(const char *path, const char *first, ...) __asm__("execle");

int hook_execl(const char *path, const char *first, ...)
{
	LIST_TO_ARRAY(first, argv, first);
	va_end(arguments);
	return hook_execv(path, argv);
}

int hook_execlp(const char *file, const char *first, ...)
{
	LIST_TO_ARRAY(first, argv, first);
	va_end(arguments);
	return hook_execvp(file, argv);
}

int hook_execle(const char *path, const char *first, ...)
{
	LIST_TO_ARRAY(first, argv, first);
	char *const *environment = va_arg(arguments, char *const *);
	va_end(arguments);
	return hook_execve(path, argv, environment);
}

static void before_clone(unsigned long flags)
{
	if (flags & CLONE_NEWNET && process_will_be_ours()) {
		network_begins();
		network_leave();
	}
	if (flags & CLONE_FILES)
		restraint_is_joined();
	if (flags & CLONE_THREAD)
		return;
	others_will_see();
	if (flags & CLONE_VM)
		process_mark_shared_memory();
}

EXPORTED int hook_clone(int (*function)(void *), void *stack, int flags, void *argument,
			...) __asm__("clone");

/* With CLONE_VM and without CLONE_THREAD the new process runs in our memory, as after vfork(). */
int hook_clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
	va_list rest;
	va_start(rest, argument);
	void *parent_tid = va_arg(rest, void *), *tls = va_arg(rest, void *),
	     *child_tid = va_arg(rest, void *);
	va_end(rest);
	before_clone((unsigned long)flags);
	if (!real.clone) {
		void *found = real_find("clone");
		memcpy(&real.clone, &found, sizeof(found));
	}
	return real.clone(function, stack, flags, argument, parent_tid, tls, child_tid);
}

TWIN(int, __clone, (int (*function)(void *), void *stack, int flags, void *argument, ...), clone)

/* Called by trampoline_*.S. */
void *before_vfork(void);

/* syscall() with SYS_fork, SYS_clone, SYS_clone3, whose flags are in memory that need not be there: it may go
 * to another network. */
void before_raw_fork(long number, unsigned long a)
{
	before_clone(number == SYS_clone ? a : number == SYS_clone3 ? CLONE_NEWNET | CLONE_FILES : 0);
}

/* Return: the real vfork(), to be jumped to: a function that returns twice must not have a caller's frame. */
void *before_vfork(void)
{
	others_will_see();
	process_mark_vfork();
	return real.vfork ? real.vfork : real_find("vfork");
}
