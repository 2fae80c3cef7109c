// SPDX-License-Identifier: Apache-2.0
/* start - the shim's beginning in a process, its forks, its end.
 *
 * Theory of operation
 *
 * Another library's constructor may call a hook before ours has run: base/real.c. Our constructor
 * (priority 101) learns where the real calls are, reads the settings and lets the shim be used; until then,
 * and with HEADROOM_DISABLE or a bad setting for ever, each hook goes straight to the real call. With
 * AT_SECURE the environment is not read. Thread-local marks are in the static TLS block (initial-exec): no
 * allocation. `headroom run`, which has set the environment, is gone by now. */
#include "preload/start.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/resting.h"
#include "pool/base/restraint.h"
#include "pool/ledger/own_segment.h"
#include "pool/libc/threads.h"
#include "pool/rules/file.h"
#include "pool/summary.h"
#include "preload/base/fdtable.h"
#include "preload/base/hooks.h"
#include "preload/base/process.h"
#include "preload/fds/deferred.h"
#include "preload/host.h"
#include "preload/last_words.h"
#include "preload/parking/parking.h"

#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

/* By this glibc knows whose handlers they are (crtstuff.c of GCC). */
extern void *__dso_handle;
#if defined(HEADROOM_NO_START_FILES)
__attribute__((visibility("hidden"))) void *__dso_handle = &__dso_handle;
#endif

ONCE static void start_in_child(void)
{
	parking_in_child();
	fdtable_forget_all();
	shim_restart(&shim);
}

/* fork() of libc: the child is to see no deferred port. The lock is not taken: a fork of much memory takes
 * long, and the child wants nothing of the ledger. */
ONCE static void before_fork(void)
{
	int *error = process_errno(), saved = *error;
	unsigned forks = heritage_count_fork(&shim.ledger);
	/* It may never connect itself. */
	bool often = forks >= HERITAGE_FORKS;
	if (forks == HERITAGE_FORKS)
		real_before_forks();
	if (often ? process_will_be_ours() : process_is_ours_surely()) {
		deferred_fds_make_real();
		atomic_fetch_add(shim.sockets.forks, 1);
		parking_stand_back();
		/* Once for the children, too, each of which may make one connection and end. */
		if (!resting_look(clock_coarse_ns()))
			heritage_before_fork(&shim.ledger, forks);
	}
	*error = saved;
}

/* What pthread_atfork() is in glibc, whose libc.so does not have it, and in musl. */
#define WEAK __attribute__((weak))
extern int glibc_atfork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void),
			void *library) __asm__("__register_atfork") WEAK;
extern int musl_atfork(void (*before)(void), void (*in_parent)(void),
		       void (*in_child)(void)) __asm__("pthread_atfork") WEAK;

static void see_forks(void)
{
	if (glibc_atfork)
		glibc_atfork(before_fork, NULL, process_forked, &__dso_handle);
	else if (musl_atfork)
		musl_atfork(before_fork, NULL, process_forked);
}

/* The first that dl_iterate_phdr() tells of is the program. */
ONCE static int needs_any(struct dl_phdr_info *program, size_t size, void *needs)
{
	const ElfW(Dyn) *at = NULL;

	(void)size;
	for (unsigned i = 0; i < program->dlpi_phnum; i++)
		if (program->dlpi_phdr[i].p_type == PT_DYNAMIC)
			at = (const void *)(program->dlpi_addr + program->dlpi_phdr[i].p_vaddr);
	while (at && at->d_tag != DT_NULL && at->d_tag != DT_NEEDED)
		at++;
	*(bool *)needs = at && at->d_tag == DT_NEEDED;
	return 1;
}

/* A program that has a loader and no library, such as one of Go without cgo, calls nothing of libc: it made
 * the kernel's calls itself, and libc is there for us alone. */
static bool has_no_libc(void)
{
	bool needs = true;

	dl_iterate_phdr(needs_any, &needs);
	return !needs;
}

static bool read_rules(const char *rules_of_host, struct complaint *complaint)
{
	const char *path = getenv("HEADROOM_CONFIG");

	if (!path || !*path)
		path = rules_of_host;
	if (path && *path && *path != '/') {
		/* A child that starts in another folder would read another's file. */
		snprintf(complaint->place, sizeof(complaint->place), "HEADROOM_CONFIG");
		snprintf(complaint->reason, sizeof(complaint->reason), "`%.60s` is not a path from the root",
			 path);
		return false;
	}
	return !path || !*path || rule_file_read(&shim.settings_arena, &shim.settings, path, complaint);
}

/* Where rules cannot be used, too, the environment says whether that is told, and where.
 * Return: false when there is something the user must mend first. */
static bool read_settings(const char *rules_of_host, struct complaint *complaint)
{
	bool good = read_rules(rules_of_host, complaint);
	struct complaint second;

	return settings_read_environment(&shim.settings_arena, &shim.settings, good ? complaint : &second) &&
	       good;
}

static void complain(const struct complaint *complaint)
{
	char text[sizeof(*complaint) + 64];

	snprintf(text, sizeof(text), "%s: %s; the program runs without headroom", complaint->place,
		 complaint->reason);
	log_message(&shim.log, LOG_LEVEL_ERROR, "config", text);
}

/* By its address each copy of the shim in a process knows whether it is the first. */
extern const char headroom_shim;
__attribute__((visibility("default"))) const char headroom_shim = 0;
extern const char this_shim __attribute__((alias("headroom_shim"), visibility("hidden")));

/* Preloaded twice, from two files, each connection would be counted and spread twice. The loader starts what
 * is last in LD_PRELOAD first, and calls what is first. */
static bool another_is_first(void)
{
	return real_find_first("headroom_shim") != (const void *)&this_shim;
}

/* Early among the constructors: others may open connections. */
ONCE __attribute__((constructor(101))) static void start(void)
{
	/* In a set-user-ID program the environment is its caller's, not its owner's (getauxval(3)). */
	bool trusted = !getauxval(AT_SECURE);
	const char *disable = trusted ? getenv("HEADROOM_DISABLE") : NULL;
	struct complaint complaint = { 0 };
	const char *rules_of_host;
	int saved = errno;

	resting_start(clock_ns());
	real_resolve();
	if ((disable && *disable && strcmp(disable, "0")) || has_no_libc() || another_is_first() ||
	    host_leaves_alone(program_invocation_short_name, &rules_of_host))
		return;
	threads_start();
	shim_start(&shim, program_invocation_short_name);
	log_start(&shim.log, &shim.settings, shim.process);
	if (trusted && !read_settings(rules_of_host, &complaint)) {
		if (!resting())
			complain(&complaint);
		errno = saved;
		return;
	}
	settings_finish(&shim.settings);
	if (shim.settings.no_state)
		shim.writer.state = USAGE_WITHOUT;
	restraint_start();
	see_forks();
	process_start(start_in_child);
	errno = saved;
}

ONCE void start_of_end(void)
{
	static atomic_bool done;

	if (!process_is_ours_surely())
		return;
	/* Whatever closes from here on closes for real. */
	parking_off(NULL, RETIRED_EXIT);
	if (shim.settings.summary && !resting() && !atomic_exchange(&done, true))
		summary_print(&shim);
	if (shim.writer.state != USAGE_WITHOUT) {
		last_words();
		usage_ended(&shim.ledger);
	}
}

HOT_WHOLE __attribute__((destructor)) static void end(void)
{
	start_of_end();
}
