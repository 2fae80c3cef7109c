// SPDX-License-Identifier: Apache-2.0
/* recent_file - the file of what short-lived processes counted: making, opening and mapping it. */
#include "pool/segment/recent_file.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/libc/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* from Linux 5.14 */
#endif

/* Less than a path may have: this is on the stack of a thread that connects. */
enum { RECENT_PATH_MAX = 256 };

static bool is_one(int fd, unsigned owner)
{
	struct stat st;

	return !kernel.fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == owner &&
	       !(st.st_mode & (S_IRWXG | S_IRWXO)) && st.st_size == sizeof(struct recent);
}

COLD long recent_open(const char *place, unsigned owner, bool write)
{
	int flags = (write ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char path[RECENT_PATH_MAX];
	size_t length = strlen(place);

	/* By hand: snprintf() touches a dozen pages that a short-lived process has not yet. */
	if (length + sizeof("/" RECENT_NAME) > sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, place, length);
	memcpy(path + length, "/" RECENT_NAME, sizeof("/" RECENT_NAME));
	long fd = kernel_private_fd(kernel.openat(AT_FDCWD, path, flags, 0));
	if (fd >= 0 && !is_one((int)fd, owner)) {
		kernel.close((int)fd);
		return -EINVAL;
	}
	return fd;
}

/* ftruncate() past this limit raises SIGXFSZ (setrlimit(2)). */
static bool within_file_limit(void)
{
	struct rlimit limit;

	return kernel_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0) == 0 &&
	       (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= sizeof(struct recent));
}

/* It has no name before it is whole, so nobody meets it half made, and who dies here leaves nothing. */
COLD void recent_make(int directory)
{
	struct timespec now = { 0 };
	struct recent_header header = { .magic = RECENT_MAGIC,
					.entry_size = sizeof(struct recent_entry),
					.sum_size = sizeof(struct usage_entry),
					.entry_count = RECENT_ENTRIES,
					.started_ns = clock_ns() };
	char path[32];

	if (!within_file_limit())
		return;
	long fd = kernel_private_fd(kernel.openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	if (fd < 0)
		return;
	clock_read(CLOCK_REALTIME, &now);
	header.started_realtime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", (int)fd);
	if (!kernel_syscall(SYS_fchmod, fd, 0600, 0, 0, 0, 0) &&
	    !kernel_syscall(SYS_ftruncate, fd, sizeof(struct recent), 0, 0, 0, 0) &&
	    kernel_syscall(SYS_pwrite64, fd, (long)&header, sizeof(header), 0, 0, 0) == sizeof(header))
		kernel_syscall(SYS_linkat, AT_FDCWD, (long)path, directory, (long)RECENT_NAME,
			       AT_SYMLINK_FOLLOW, 0);
	kernel.close((int)fd);
}

/* Known to the children of who maps it: libc's code that tells is a page fault more. */
static _Atomic(size_t) page;

COLD struct recent *recent_map(int fd)
{
	atomic_store_explicit(&page, page_size(), memory_order_relaxed);
	long at =
		kernel_syscall(SYS_mmap, 0, sizeof(struct recent), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return at < 0 && at > -4096 ? NULL : (struct recent *)at;
}

COLD void recent_unmap(struct recent *recent)
{
	kernel_syscall(SYS_munmap, (long)recent, sizeof(*recent), 0, 0, 0, 0);
}

ONCE bool recent_populate(int fd, struct recent *recent, const void *at, size_t size)
{
	size_t begin = (size_t)((const char *)at - (const char *)recent), to = begin + size;
	size_t from = begin & ~(atomic_load_explicit(&page, memory_order_relaxed) - 1);

	long rc = kernel_syscall(SYS_madvise, (long)((char *)recent + from), (long)(to - from),
				 MADV_POPULATE_WRITE, 0, 0, 0);
	if (rc == -EINVAL) /* before 5.14 */
		rc = kernel_syscall(SYS_fallocate, fd, 0, (long)from, (long)(to - from), 0, 0);
	return !rc;
}
