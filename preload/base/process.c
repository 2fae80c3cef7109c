// SPDX-License-Identifier: Apache-2.0
/* process - whose memory is this? The shim of this process, and its children in the same memory.
 *
 * Theory of operation
 *
 *  - fork(): start.c makes deferred ports real before; the child forgets the ledger and the fd table.
 *  - _Fork(), raw fork: pthread_atfork() handlers do not run. A page with MADV_WIPEONFORK holds a word
 *    that is 1. A forked child reads 0 and starts anew at its first hook (process_is_ours_surely()). The
 *    word costs no system call. Where the kernel refuses it (before 4.14) only fork() of libc is seen.
 *  - vfork(): the child runs in our memory, and what it closes it would take out of the parent's table.
 *    The word stays 1 there (tests/kernel_facts/wipe_on_fork.c). So vfork() marks its thread, and hooks on it
 *    compare the raw pid with the stored one until the parent is back. vfork() returns twice, so its hook
 *    is assembler that jumps (trampoline_x86_64.S).
 *  - clone() with CLONE_VM and without CLONE_THREAD: from then on every hook of the process compares the
 *    pid.
 *  - exec, posix_spawn(), system(), popen(): deferred ports are made real first. The new program loads the
 *    shim anew, by LD_PRELOAD, and finds inherited sockets by socket_inquire().
 *
 * A child made by a raw vfork system call cannot be told from its parent: its hooks can put the counts
 * out. */
#include "preload/base/process.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/resting.h"
#include "pool/base/restraint.h"
#include "pool/libc/threads.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct shim shim;
IN_DATA atomic_bool process_active;

IN_DATA atomic_bool process_shares_memory;
__thread bool process_vforked __attribute__((tls_model("initial-exec")));
__thread int *process_errno_at __attribute__((tls_model("initial-exec")));

/* A word that reads 0 in a child of fork, whichever way it was forked (madvise(2), MADV_WIPEONFORK), and
 * stays 1 in a child that shares our memory. And those that are wiped with it: a thread of the child has
 * begun to start anew there; whose the memory is. */
enum { FORK_MARK, FORK_SEEN, FORK_PID, FORK_WORDS };
enum { NOT_SEEN, IS_SEEN, IS_WAITED_FOR }; /* FORK_SEEN */
static atomic_int always_one[FORK_WORDS] = { 1 };
atomic_int *process_fork_mark = always_one;

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
	process_fork_mark = (atomic_int *)at;
	atomic_store(&process_fork_mark[FORK_MARK], 1);
	shim_count_forks(&shim, (struct fork_counts *)&process_fork_mark[FORK_WORDS]);
}

HOT_WHOLE static void know_pid(void)
{
	atomic_store(&process_fork_mark[FORK_PID], (int)kernel.getpid());
}

HOT_WHOLE static bool is_own_pid(void)
{
	return kernel.getpid() == atomic_load(&process_fork_mark[FORK_PID]);
}

/* The parent comes here at each fork: a page that it writes then is one more that it has to copy. */
static inline void vforked_no_more(void)
{
	if (process_vforked)
		process_vforked = false;
}

enum { SIGNAL_SET_BYTES = 8, CHILD_PATIENCE_NS = 10 * 1000 * 1000 };

IN_DATA static void (*start_in_child)(void);
IN_DATA static atomic_bool asleep; /* ready, and not used so far */

/* Once, by whichever thread is first; the others wait. With signals blocked: a handler would wait for the
 * thread that it interrupts. */
ONCE static void become_child(void)
{
	uint64_t all = ~0ull, before;

	kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, SIGNAL_SET_BYTES, 0, 0);
	int seen = NOT_SEEN;
	if (atomic_compare_exchange_strong(&process_fork_mark[FORK_SEEN], &seen, IS_SEEN)) {
		restraint_in_child();
		know_pid();
		vforked_no_more();
		if (atomic_load(&process_shares_memory))
			atomic_store(&process_shares_memory, false);
		start_in_child();
		atomic_store(&process_fork_mark[FORK_MARK], 1);
		if (atomic_load(&process_fork_mark[FORK_SEEN]) == IS_WAITED_FOR)
			kernel.futex_wake(&process_fork_mark[FORK_MARK]);
	}
	kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, SIGNAL_SET_BYTES, 0, 0);
	while (!atomic_load(&process_fork_mark[FORK_MARK])) {
		atomic_store(&process_fork_mark[FORK_SEEN], IS_WAITED_FOR);
		kernel.futex_wait(&process_fork_mark[FORK_MARK], 0, CHILD_PATIENCE_NS);
	}
}

ONCE void process_forked(void)
{
	if (restraint_shut_in() || (!atomic_load(&process_active) && !atomic_load(&asleep)))
		return;
	/* They are not wiped where the kernel cannot (map_fork_mark()); there is one thread. */
	atomic_store(&process_fork_mark[FORK_MARK], 0);
	atomic_store(&process_fork_mark[FORK_SEEN], NOT_SEEN);
	become_child();
}

void process_start(void (*in_child)(void))
{
	start_in_child = in_child;
	map_fork_mark();
	know_pid();
	atomic_store(&asleep, true);
}

COLD bool process_wakes(void)
{
	if (!atomic_load(&asleep) || resting_look(clock_coarse_ns()))
		return false;
	bool forked = !atomic_load(process_fork_mark);
	if (!forked && !is_own_pid())
		return false; /* a child of vfork() */
	if (forked)
		become_child();
	if (!restraint_look()) {
		atomic_store(&asleep, false);
		return false;
	}
	atomic_store_explicit(&process_active, true, memory_order_release);
	return true;
}

bool process_sleeps_on(bool on)
{
	if (atomic_load(&process_active) || atomic_load(&asleep) != on)
		return false;
	if (atomic_load(process_fork_mark) && !is_own_pid())
		return false; /* a child of vfork(), about to run another program */
	atomic_store(&asleep, !on);
	return true;
}

ONCE bool process_is_ours_surely(void)
{
	if (!atomic_load_explicit(&process_active, memory_order_acquire) || restraint_shut_in())
		return false;
	if (!atomic_load_explicit(process_fork_mark, memory_order_relaxed))
		become_child();
	if (!is_own_pid())
		return false;
	/* Back in the parent: its child of vfork() is gone. */
	vforked_no_more();
	return true;
}

/* The 20th field of /proc/PID/stat (proc(5)); the second is a name in brackets, and may hold any byte. */
static unsigned long threads_in(const char *stat)
{
	const char *at = strrchr(stat, ')');

	for (int field = 2; at && field < 20; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoul(at + 1, NULL, 10) : 0;
}

COLD bool process_has_one_thread(void)
{
	char stat[512];

	if (threads_is_told())
		return threads_is_one();
	return kernel_read_file("/proc/self/stat", stat, sizeof(stat)) > 0 && threads_in(stat) == 1;
}

void process_mark_vfork(void)
{
	process_vforked = true;
}

void process_mark_shared_memory(void)
{
	atomic_store(&process_shares_memory, true);
}
