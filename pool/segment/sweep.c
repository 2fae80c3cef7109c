// SPDX-License-Identifier: Apache-2.0
/* sweep - remove usage segments of ended processes that are too many or too old.
 *
 * A process that is killed leaves no time of its death. So whoever first finds it ended sets the time of the
 * file's last change to now; from then on it is kept for USAGE_ENDED_S. */
#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/segment/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* With more names than this a part of them is as good: which one the file system decides. */
enum { SAMPLE = sizeof(((struct usage_sample *)0)->names) / USAGE_FILE_NAME_MAX, NAMES_MOST = 1024 };

static int64_t realtime_s(void)
{
	struct timespec now = { 0 };
	clock_read(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

static bool is_to_go(int fd, const char *name, bool too_many)
{
	struct flock query = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int64_t now_s = realtime_s();
	struct stat st;

	if (kernel.fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	if (kernel.fcntl(fd, F_OFD_GETLK, (long)&query) || query.l_type != F_UNLCK)
		return false;
	if (too_many)
		return true;
	if (st.st_mtim.tv_sec - usage_name_made_s(name) < USAGE_YOUNG_S) {
		kernel_syscall(SYS_utimensat, fd, 0, 0, 0, 0, 0);
		return false;
	}
	return now_s - st.st_mtim.tv_sec > USAGE_ENDED_S;
}

static unsigned sweep_one(int directory, const char *name, bool too_many)
{
	/* By its name alone: most of what a process meets at its start is young. */
	if (realtime_s() - usage_name_made_s(name) < USAGE_YOUNG_S)
		return 0;
	long fd = kernel_private_fd(
		kernel.openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0));
	if (fd < 0)
		return 0;
	bool gone = is_to_go((int)fd, name, too_many) &&
		    kernel_syscall(SYS_unlinkat, directory, (long)name, 0, 0, 0, 0) == 0;
	kernel.close((int)fd);
	return gone;
}

COLD unsigned usage_sweep_all(int directory, struct usage_names *names, unsigned most)
{
	unsigned count = 0, removed = 0;
	const char *name;

	usage_names_start(names, directory);
	while (usage_names_next(names))
		count++;
	usage_names_start(names, directory);
	while (removed < most && (name = usage_names_next(names)))
		removed += sweep_one(directory, name, count - removed > USAGE_ENDED_MAX);
	return removed;
}

COLD unsigned usage_sweep_some(int directory, struct usage_names *names, struct usage_sample *sample)
{
	unsigned count = 0, seen = 0, removed = 0;
	uint64_t random = clock_ns();
	const char *name;

	usage_names_start(names, directory);
	while (seen < NAMES_MOST && (name = usage_names_next(names))) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		unsigned place = count < SAMPLE ? count : (unsigned)((random >> 33) % (seen + 1));
		if (place < SAMPLE)
			strcpy(sample->names[place], name);
		count += count < SAMPLE;
		seen++;
	}
	for (unsigned i = 0; i < count; i++)
		removed += sweep_one(directory, sample->names[i], seen > USAGE_ENDED_MAX);
	return removed;
}
