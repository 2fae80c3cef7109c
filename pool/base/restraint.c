// SPDX-License-Identifier: Apache-2.0
/* restraint - when the shim makes no system calls of its own, or fewer. */
#include "pool/base/restraint.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/trial.h"
#include "pool/libc/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* PR_GET_SECCOMP, and the field Seccomp of /proc/PID/status (proc(5)). */
enum filter_state { NOT_LOOKED, LOOKING, NO_FILTER, FILTER_AT_START };

/* Another thread looks: it wakes us, but for one that was forked away meanwhile. */
enum { LOOK_PATIENCE_NS = 10 * 1000 * 1000 };

IN_DATA atomic_bool restraint_is_shut_in;
__thread bool restraint_on_own_stack __attribute__((tls_model("initial-exec")));
IN_DATA static atomic_bool guest, joined;
IN_DATA static atomic_int filter_state;

void restraint_start(void)
{
	atomic_store(&guest, true);
}

/* Not strstr(): musl's has a table of 2 KiB on the stack, which may be small. */
static const char *find_line(const char *text, const char *begin, size_t length)
{
	for (; (text = strchr(text, '\n')); text++)
		if (!strncmp(text, begin, length))
			break;
	return text;
}

/* The list of groups before the field may be long: the file is read in parts. The buffer is not on the stack,
 * which may be small; one thread at a time is here. */
static char find_in_status(int fd)
{
	static const char field[] = "\nSeccomp:\t";
	static char part[1024];
	size_t kept = 0;
	uint64_t at = 0;
	long got;
	int interrupted = 0;

	while ((got = kernel.pread(fd, part + kept, sizeof(part) - 1 - kept, at)) > 0 ||
	       (got == -EINTR && interrupted++ < KERNEL_EINTR_MAX)) {
		size_t used = kept + (got > 0 ? (size_t)got : 0);
		at += got > 0 ? (uint64_t)got : 0;
		part[used] = '\0';
		const char *found = find_line(part, field, sizeof(field) - 1);
		if (found && found + sizeof(field) <= part + used)
			return found[sizeof(field) - 1];
		kept = used < sizeof(field) ? used : sizeof(field);
		memmove(part, part + used - kept, kept);
	}
	return '\0';
}

void restraint_is_joined(void)
{
	atomic_store(&joined, true);
}

/* By fcntl(), which does nothing to the file: poll() would ask its driver. */
static bool is_taken(int fd)
{
	return kernel.fcntl(fd, F_GETFD, 0) != -EBADF;
}

/* By a call that the loader made, at a time when it is not known what a filter lets pass: of mmap() of
 * nothing the file is looked for first (ksys_mmap_pgoff(), mm/mmap.c; tests/kernel_facts/map_nothing.c). */
static bool is_taken_for_mmap(int fd)
{
	return kernel_syscall(SYS_mmap, 0, 0, PROT_READ, MAP_PRIVATE, fd, 0) != -EBADF;
}

/* The lowest free number is taken first (open(2)): a program that runs out of them takes the last numbers
 * last, and has at least as many free as are asked about. */
COLD static bool is_room_below_limit(bool (*taken)(int fd))
{
	static const uint8_t below[] = { 1, 2, 3, 4, 8, 16, 24, RESTRAINT_FD_ROOM };
	struct rlimit limit;

	if (kernel_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit, 0, 0))
		return false;
	if (limit.rlim_cur < RESTRAINT_FD_ROOM)
		return false;
	if (limit.rlim_cur > INT32_MAX)
		return true;
	for (size_t i = 0; i < sizeof(below); i++)
		if (taken((int)limit.rlim_cur - below[i]))
			return false;
	return true;
}

/* May anybody open a file while one of ours is open? */
static bool is_alone(void)
{
	return restraint_on_own_stack && threads_is_one() && !atomic_load(&joined);
}

COLD static bool fd_room(void)
{
	return is_alone() || is_room_below_limit(is_taken);
}

/* By a file, not by prctl(): the loader has just opened and read some, so that a filter from before the start
 * lets it pass. But another thread might miss the fd. Where there may be too few, and without /proc, the
 * answer is the careful one; where libc does not say how many threads there are, nobody is asked. */
COLD static bool is_without_filter(void)
{
	bool shared = (threads_is_told() && !threads_is_one()) || atomic_load(&joined);
	char seen = '\0';

	/* valgrind says of any fd that a length of 0 is wrong. */
	bool told = shared && !is_taken_for_mmap(-1);

	if (shared && !is_room_below_limit(told ? is_taken_for_mmap : is_taken))
		return false;
	long fd = kernel_keep_private(kernel.openat(AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0));
	if (fd >= 0) {
		seen = find_in_status((int)fd);
		kernel.close((int)fd);
	}
	return seen == '0';
}

COLD static int look(void)
{
	if (is_without_filter())
		return NO_FILTER;
	if (trial_of_calls() == TRIAL_DIED)
		restraint_begin();
	return FILTER_AT_START;
}

COLD bool restraint_look(void)
{
	int not_looked = NOT_LOOKED;

	if (atomic_load(&filter_state) == NOT_LOOKED) {
		/* A handler that came between would wait for the thread that it interrupts. */
		uint64_t all = ~0ull, before;
		kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof(all), 0, 0);
		if (atomic_compare_exchange_strong(&filter_state, &not_looked, LOOKING)) {
			atomic_store(&filter_state, look());
			kernel.futex_wake(&filter_state);
		}
		kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof(before), 0, 0);
	}
	while (atomic_load(&filter_state) == LOOKING)
		kernel.futex_wait(&filter_state, LOOKING, LOOK_PATIENCE_NS);
	return !restraint_shut_in();
}

/* A filter may come by a way that no hook sees: libc's prctl() taken by dlsym(), a system call by hand. */
COLD static bool filter_has_come(void)
{
	if (atomic_load(&filter_state) != NO_FILTER ||
	    kernel_syscall(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) == 0)
		return false;
	restraint_begin();
	return true;
}

COLD bool kernel_may_open(void)
{
	if (!atomic_load(&guest))
		return true;
	if (restraint_shut_in() || !fd_room())
		return false;
	return restraint_look() && !filter_has_come();
}

COLD bool kernel_may_open_more(void)
{
	return is_alone() ? !restraint_shut_in() : kernel_may_open();
}

ONCE void restraint_in_child(void)
{
	/* One comparison more: an exchange that fails writes as well, and the page is copied for the child.
	 */
	if (atomic_load(&filter_state) == LOOKING)
		atomic_store(&filter_state, NOT_LOOKED);
}

/* A filter from before the start stays as it is for as long as the program has no hand in it. */
COLD static bool netlink_is_let_pass(void)
{
	static atomic_int netlink = TRIAL_UNKNOWN;
	static atomic_bool tried;

	if (!atomic_load(&tried)) {
		atomic_store(&netlink, (int)trial_of_netlink());
		atomic_store(&tried, true);
	}
	return atomic_load(&netlink) == TRIAL_PASSED;
}

COLD bool restraint_may_look(void)
{
	if (!atomic_load(&guest))
		return true;
	return !restraint_shut_in() && !filter_has_come();
}

bool restraint_filtered(void)
{
	if (!atomic_load(&guest))
		return false;
	if (restraint_shut_in() || !restraint_look())
		return true;
	return atomic_load(&filter_state) != NO_FILTER && !netlink_is_let_pass();
}

/* Other threads are calling through the table: pointer by pointer, each whole at any moment. ThreadSanitizer
 * is not to know: they read it plainly, as GCC 12 calls by an _Atomic pointer, too, and which of the two they
 * get is all one. */
__attribute__((no_sanitize("thread"))) static void point_all(const struct kernel_calls *to)
{
	void *const *from = (void *const *)(const void *)to;
	void **at = (void **)(void *)&kernel;

	for (size_t i = 0; i < sizeof(kernel) / sizeof(*at); i++)
		__atomic_store_n(&at[i], from[i], __ATOMIC_RELAXED);
}

void restraint_begin(void)
{
	atomic_store(&restraint_is_shut_in, true);
	point_all(&kernel_refusing);
}

void restraint_end(void)
{
	point_all(&kernel_real);
	atomic_store(&restraint_is_shut_in, false);
}
