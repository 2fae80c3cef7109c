// SPDX-License-Identifier: Apache-2.0
/* room - may usage segments take memory of a file system that programs need for their own? */
#include "pool/segment/room.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <fcntl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

/* What our files take, as far as it matters: no more are looked at than make up @limit. */
static uint64_t taken(int directory, uint64_t limit, struct usage_names *names)
{
	const char *name;
	uint64_t sum = 0;
	struct stat st;

	usage_names_start(names, directory);
	while (sum <= limit && (name = usage_names_next(names)))
		if (!kernel_syscall(SYS_newfstatat, directory, (long)name, (long)&st, AT_SYMLINK_NOFOLLOW, 0,
				    0))
			sum += (uint64_t)st.st_blocks * 512;
	return sum;
}

COLD bool usage_room(int directory, uint64_t bytes, struct usage_names *names)
{
	struct statfs fs;

	if (kernel_syscall(SYS_fstatfs, directory, (long)&fs, 0, 0, 0, 0))
		return false;
	uint64_t unit = (uint64_t)fs.f_bsize, total = fs.f_blocks * unit, free = fs.f_bfree * unit;
	if (!total) /* without a limit (tmpfs(5), size=0; ramfs) */
		return true;
	uint64_t share = total / USAGE_ROOM_SHARE;
	if (share > USAGE_ROOM_MOST)
		share = USAGE_ROOM_MOST;
	if (free < bytes || free - bytes < total / USAGE_ROOM_FREE || bytes > share)
		return false;
	/* Whoever took it: it is no more than we may. */
	if (total - free <= share - bytes)
		return true;
	return taken(directory, share - bytes, names) <= share - bytes;
}
