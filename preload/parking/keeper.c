// SPDX-License-Identifier: Apache-2.0
/* keeper - a thread of ours, while connections are parked: it lets them go when their time is over. */
#include "preload/parking/keeper.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/resting.h"
#include "pool/libc/page.h"
#include "pool/reuse/conduct.h"
#include "pool/reuse/second.h"
#include "preload/base/hooks.h"
#include "preload/base/process.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

enum {
	STACK = 32768,
	/* What code compiled for a thread may read above the thread pointer: glibc's struct pthread begins
	 * there (its pointer to itself, the stack protector's word), on other machines the TLS block. */
	ABOVE = 4096,
	/* Programs with more thread-local variables than that are not reused for. */
	BELOW_MOST = 1 << 24,
	ERRNO_MOST = 4096,
	LINGER_MS = 1000, /* how long it stays with nothing parked */
	AGAIN_US = 200,   /* the lock was taken */
	STOP_PATIENCE_MS = 1000,
	UNSEEN_PATIENCE_MS = 20,
	UNSEEN_AGAIN_US = 50,
};

static struct {
	atomic_uint changes; /* futex(2): its waits end when it changes */
	atomic_int thread;   /* its id, until the kernel has seen it end (CLONE_CHILD_CLEARTID) */
	atomic_int last;     /* its id, until nobody counts it among the threads any more */
	atomic_bool stop;
	bool (*tend)(uint64_t now_ns);
	/* Under the shim's lock. */
	bool alive;
	uint64_t until_ns; /* it looks again then */
	uint64_t parkings; /* how many there had been at the last look */
	char *memory;      /* its thread-local block and its stack; kept for the next one */
	char *stack;
	size_t below; /* bytes of the block below the thread pointer */
} keeper;

static void wait_until(atomic_uint *word, unsigned seen, uint64_t until_ns)
{
	struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000u),
				  .tv_nsec = (long)(until_ns % 1000000000u) };

	kernel_syscall(SYS_futex, (long)word, FUTEX_WAIT_BITSET_PRIVATE, seen, (long)&until, 0,
		       FUTEX_BITSET_MATCH_ANY);
}

static void change(void)
{
	atomic_fetch_add(&keeper.changes, 1);
	kernel_syscall(SYS_futex, (long)&keeper.changes, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

/* One look. Return: when to look again; 0: this was the last. */
static uint64_t look(uint64_t *parked_ns)
{
	uint64_t now_ns = clock_ns(), until_ns;

	if (!shim_try_enter(&shim))
		return now_ns + AGAIN_US * 1000ull;
	bool more = keeper.tend(now_ns);
	/* The lock was let go meanwhile. */
	if (more || !shim_try_enter(&shim))
		return now_ns + AGAIN_US * 1000ull;
	until_ns = now_ns + CONDUCT_IDLE_LEAST_MS * CONDUCT_MS_NS;
	if (shim.reusing.parked_newest) {
		*parked_ns = now_ns;
		/* While the program is at it, what it parks next has less time than what is there now: to
		 * look every two milliseconds costs less than to be woken for each. */
		if (shim.reusing.parkings == keeper.parkings || until_ns > shim.reusing.parked_look_ns)
			until_ns = shim.reusing.parked_look_ns;
		if (until_ns > now_ns + SECOND_KEPT_MS * CONDUCT_MS_NS)
			until_ns = now_ns + SECOND_KEPT_MS * CONDUCT_MS_NS;
		if (until_ns > resting_next_ns())
			until_ns = resting_next_ns();
		keeper.parkings = shim.reusing.parkings;
	}
	if (atomic_load(&keeper.stop) ||
	    (!shim.reusing.parked_newest && now_ns - *parked_ns > LINGER_MS * CONDUCT_MS_NS)) {
		keeper.alive = false;
		until_ns = 0;
	}
	keeper.until_ns = until_ns;
	shim_leave(&shim);
	return until_ns;
}

static int keep(void *unused)
{
	uint64_t parked_ns = clock_ns(), until_ns;
	unsigned seen;

	(void)unused;
	/* In a forked child its block is as that of the parent's thread was at that moment. */
	lock_inside = false;
	do {
		seen = atomic_load(&keeper.changes);
		until_ns = look(&parked_ns);
		if (until_ns)
			wait_until(&keeper.changes, seen, until_ns);
	} while (until_ns);
	return 0;
}

/* Memory for its stack, and a thread-local block in which our own variables have their places. */
static bool have_memory(void)
{
	char *pointer = __builtin_thread_pointer(), *ours = (char *)(uintptr_t)&lock_inside;

	if (keeper.memory)
		return true;
	size_t page = page_size();
	/* On x86-64 the variables are below the thread pointer, on aarch64 above. */
	size_t below = (ours < pointer ? (size_t)(pointer - ours) : 0) + page;
	size_t above = (ours < pointer ? 0 : (size_t)(ours - pointer)) + ABOVE;
	if (below > BELOW_MOST || above > BELOW_MOST)
		return false;
	below = page_start(below + page - 1);
	above = page_start(above + page - 1);
	long at = kernel_syscall(SYS_mmap, 0, (long)(below + above + page + STACK), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at < 0 && at > -ERRNO_MOST)
		return false;
	keeper.below = below;
	keeper.memory = (char *)at;
	/* The stack is last: it grows towards a page that cannot be touched. */
	char *end = keeper.memory + below + above;
	kernel_syscall(SYS_mprotect, (long)end, (long)page, PROT_NONE, 0, 0, 0);
	keeper.stack = end + page;
	return true;
}

/* Waits for the last thread to have left its stack. Return: false if it does not. */
static bool is_gone(void)
{
	uint64_t until_ns = clock_ns() + STOP_PATIENCE_MS * CONDUCT_MS_NS;
	int thread;

	while ((thread = atomic_load(&keeper.thread)) && clock_ns() < until_ns) {
		struct timespec patience = { .tv_nsec = 10000000 };
		/* The kernel wakes across processes (mm_release(), kernel/fork.c). */
		kernel_syscall(SYS_futex, (long)&keeper.thread, FUTEX_WAIT, thread, (long)&patience, 0, 0);
	}
	return !thread;
}

static bool make(void)
{
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
		    CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	uint64_t all = ~0ull, before;
	char *pointer = keeper.memory + keeper.below;

	/* The thread pointer points to itself (System V ABI for x86-64, 3.4.2 of ELF TLS). */
	*(char **)(void *)pointer = pointer;
	atomic_store(&keeper.stop, false);
	kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof(all), 0, 0);
	int thread =
		real.clone(keep, keeper.stack + STACK, flags, NULL, &keeper.thread, pointer, &keeper.thread);
	if (thread > 0)
		atomic_store(&keeper.last, thread);
	kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof(before), 0, 0);
	return thread > 0;
}

COLD static bool start(void)
{
	bool made = have_memory() && is_gone() && make();

	if (!made && shim_enter(&shim)) {
		keeper.alive = false;
		shim_leave(&shim);
	}
	return made;
}

bool keeper_looks_by(uint64_t until_ns)
{
	return keeper.alive && until_ns >= keeper.until_ns;
}

bool keeper_see_to(uint64_t until_ns, bool (*tend)(uint64_t now_ns))
{
	if (!shim_enter(&shim))
		return false;
	bool ours = !keeper.alive, sooner = !keeper_looks_by(until_ns);
	if (ours) {
		keeper.alive = true;
		keeper.tend = tend;
		keeper.until_ns = 0;
	}
	shim_leave(&shim);
	if (ours)
		return start();
	if (sooner)
		change();
	return true;
}

/* Its word is cleared a moment before it is counted out (mm_release() and release_task(), kernel/exit.c), and
 * unshare(CLONE_NEWUSER), setns() and landlock go by the count. */
static void wait_until_unseen(void)
{
	struct timespec patience = { .tv_nsec = UNSEEN_AGAIN_US * 1000l };
	uint64_t until_ns = clock_ns() + UNSEEN_PATIENCE_MS * CONDUCT_MS_NS;
	long process = kernel_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
	int thread = atomic_exchange(&keeper.last, 0);

	while (thread && !kernel_syscall(SYS_tgkill, process, thread, 0, 0, 0, 0) && clock_ns() < until_ns)
		kernel_syscall(SYS_futex, (long)&keeper.last, FUTEX_WAIT_PRIVATE, 0, (long)&patience, 0, 0);
}

COLD void keeper_stop(void)
{
	/* The kernel sets the one before clone() is back, and clears it first. */
	if (!atomic_load(&keeper.thread) && !atomic_load(&keeper.last))
		return;
	atomic_store(&keeper.stop, true);
	change();
	if (is_gone())
		wait_until_unseen();
}

ONCE void keeper_in_child(void)
{
	/* What is not written is not copied for the child. */
	if (atomic_load(&keeper.last))
		atomic_store(&keeper.last, 0);
	if (!atomic_load(&keeper.thread) && !keeper.alive)
		return;
	atomic_store(&keeper.thread, 0);
	keeper.alive = false;
}
