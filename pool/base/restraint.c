// SPDX-License-Identifier: Apache-2.0
/* restraint - when the shim makes no system calls of its own, or fewer. */
#include "pool/base/restraint.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>

/* PR_GET_SECCOMP, and the field Seccomp of /proc/PID/status (proc(5)). */
enum filter_state { NOT_LOOKED, LOOKING, NO_FILTER, FILTER_AT_START };

atomic_bool restraint_is_shut_in;
__thread bool restraint_on_own_stack;
static atomic_bool guest, joined;
static atomic_int filter_state;

void restraint_start(void)
{
	atomic_store(&guest, true);
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
		const char *found = strstr(part, field);
		if (found && found + sizeof(field) <= part + used)
			return found[sizeof(field) - 1];
		kept = used < sizeof(field) ? used : sizeof(field);
		memmove(part, part + used - kept, kept);
	}
	return '\0';
}

/* By a file, not by prctl(): the loader has just opened and read some, so that a filter from before the start
 * lets it pass. Without /proc the answer is the careful one. */
COLD static void look_first(void)
{
	int not_looked = NOT_LOOKED;
	char seen = '\0';

	if (!atomic_compare_exchange_strong(&filter_state, &not_looked, LOOKING))
		return;
	long fd = kernel_keep_private(kernel.openat(AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0));
	if (fd >= 0) {
		seen = find_in_status((int)fd);
		kernel.close((int)fd);
	}
	atomic_store(&filter_state, seen == '0' ? NO_FILTER : FILTER_AT_START);
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

void restraint_is_joined(void)
{
	atomic_store(&joined, true);
}

/* May anybody open a file while one of ours is open? */
static bool is_alone(void)
{
	return restraint_on_own_stack && __libc_single_threaded && !atomic_load(&joined);
}

/* By fcntl(), which does nothing to the file: poll() would ask its driver. The lowest free number is taken
 * first (open(2)): a program that runs out of them takes the last numbers last, and has at least as many free
 * as are asked about. */
COLD static bool fd_room(void)
{
	static const uint8_t below[] = { 1, 2, 3, 4, 8, 16, 24, RESTRAINT_FD_ROOM };
	struct rlimit limit;

	if (is_alone())
		return true;
	if (kernel_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit, 0, 0))
		return false;
	if (limit.rlim_cur < RESTRAINT_FD_ROOM)
		return false;
	if (limit.rlim_cur > INT32_MAX)
		return true;
	for (size_t i = 0; i < sizeof(below); i++)
		if (kernel.fcntl((int)limit.rlim_cur - below[i], F_GETFD, 0) != -EBADF)
			return false;
	return true;
}

COLD bool kernel_may_open(void)
{
	if (!atomic_load(&guest))
		return true;
	if (restraint_shut_in() || !fd_room())
		return false;
	if (atomic_load(&filter_state) == NOT_LOOKED)
		look_first();
	return !filter_has_come();
}

bool restraint_filtered(void)
{
	if (!atomic_load(&guest))
		return false;
	if (atomic_load(&filter_state) == NOT_LOOKED && !restraint_shut_in() && fd_room())
		look_first();
	return restraint_shut_in() || atomic_load(&filter_state) != NO_FILTER;
}

/* Other threads are calling through the table: pointer by pointer, each whole at any moment. */
static void point_all(const struct kernel_calls *to)
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
