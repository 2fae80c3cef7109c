// SPDX-License-Identifier: Apache-2.0
/* process - the shim of this process: its start, its forks, its end. */
#include "process.h"

#include "deferred_fds.h"
#include "fdtable.h"
#include "hooks.h"
#include "hot.h"
#include "kernel.h"
#include "rule_file.h"
#include "summary.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct shim shim __attribute__((aligned(64)));
atomic_bool process_active;

static pid_t own_pid;
static atomic_bool memory_is_shared;
static __thread bool vforked __attribute__((tls_model("initial-exec")));
static __thread bool locked_for_fork __attribute__((tls_model("initial-exec")));

/* A word that reads 0 in a child of fork, whichever way it was forked (madvise(2), MADV_WIPEONFORK), and
 * stays 1 in a child that shares our memory. */
static atomic_int always_one = 1;
static atomic_int *not_forked = &always_one;

static void map_fork_mark(void)
{
	long at =
	    kernel_syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at < 0 && at > -4096)
		return;
	if (kernel_syscall(SYS_madvise, at, 4096, MADV_WIPEONFORK, 0, 0, 0)) {
		kernel_syscall(SYS_munmap, at, 4096, 0, 0, 0, 0);
		return;
	}
	not_forked = (atomic_int *)at;
	atomic_store(not_forked, 1);
}

static void start_in_child(void)
{
	own_pid = (pid_t)kernel.getpid();
	vforked = locked_for_fork = false;
	atomic_store(&memory_is_shared, false);
	atomic_store(not_forked, 1);
	fdtable_forget_all();
	shim_restart(&shim);
}

HOT bool process_is_ours(void)
{
	if (!atomic_load_explicit(&process_active, memory_order_acquire))
		return false;
	if (!vforked && !atomic_load_explicit(&memory_is_shared, memory_order_relaxed) &&
	    atomic_load_explicit(not_forked, memory_order_relaxed))
		return true;
	return process_is_ours_surely();
}

COLD bool process_is_ours_surely(void)
{
	if (!atomic_load_explicit(&process_active, memory_order_acquire))
		return false;
	if (!atomic_load_explicit(not_forked, memory_order_relaxed))
		start_in_child();
	if (kernel.getpid() != own_pid)
		return false;
	/* Back in the parent: its child of vfork() is gone. */
	vforked = false;
	return true;
}

void process_mark_vfork(void)
{
	vforked = true;
}

void process_mark_shared_memory(void)
{
	atomic_store(&memory_is_shared, true);
}

/* fork() of libc: the child is to see the ledger whole, and no deferred port. */
static void before_fork(void)
{
	int saved = errno;
	if (process_is_ours_surely()) {
		deferred_fds_make_real();
		locked_for_fork = shim_enter(&shim);
	}
	errno = saved;
}

static void after_fork_in_parent(void)
{
	if (locked_for_fork)
		shim_leave(&shim);
	locked_for_fork = false;
}

static void after_fork_in_child(void)
{
	if (!atomic_load(&process_active))
		return;
	if (locked_for_fork)
		shim_leave(&shim);
	start_in_child();
}

/* Return: false when there is something the user must mend first. */
static bool read_settings(struct complaint *complaint)
{
	const char *path = getenv("HEADROOM_CONFIG");
	struct settings *s = &shim.settings;

	if (path && *path && !rule_file_read(&shim.settings_arena, s, path, complaint))
		return false;
	return settings_read_environment(&shim.settings_arena, s, complaint);
}

static void complain(const struct complaint *complaint)
{
	char text[sizeof(*complaint) + 64];

	settings_default(&shim.settings);
	snprintf(text, sizeof(text), "%s: %s; the program runs without headroom", complaint->place,
		 complaint->reason);
	log_message(&shim.log, LOG_LEVEL_ERROR, "config", text);
}

/* Early among the constructors: others may open connections. */
__attribute__((constructor(101))) static void start(void)
{
	/* In a set-user-ID program the environment is its caller's, not its owner's (getauxval(3)). */
	bool trusted = !getauxval(AT_SECURE);
	const char *disable = trusted ? getenv("HEADROOM_DISABLE") : NULL;
	struct complaint complaint = { 0 };
	int saved = errno;

	real_resolve();
	if (disable && *disable && strcmp(disable, "0"))
		return;
	shim_start(&shim, program_invocation_short_name);
	log_start(&shim.log, &shim.settings, shim.process);
	if (trusted && !read_settings(&complaint)) {
		complain(&complaint);
		errno = saved;
		return;
	}
	settings_finish(&shim.settings);
	own_pid = (pid_t)kernel.getpid();
	map_fork_mark();
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	atomic_store_explicit(&process_active, true, memory_order_release);
	errno = saved;
}

void process_ends(void)
{
	static atomic_bool done;
	if (shim.settings.summary && process_is_ours_surely() && !atomic_exchange(&done, true))
		summary_print(&shim);
}

__attribute__((destructor)) static void end(void)
{
	process_ends();
}
