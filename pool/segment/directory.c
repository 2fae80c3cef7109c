// SPDX-License-Identifier: Apache-2.0
/* directory - where usage segments are kept, and whom to trust there. */
#include "pool/segment/directory.h"

#include "pool/base/kernel.h"
#include "pool/libc/error_text.h"
#include "pool/rules/settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* By hand: each program that connects comes here, and snprintf() is four pages that it may not have yet. */
static bool join(char *out, const char *first, const char *second)
{
	size_t length = strlen(first), more = strlen(second) + 1;

	if (length + more > USAGE_PATH_MAX)
		return false;
	memcpy(out, first, length);
	memcpy(out + length, second, more);
	return true;
}

static bool join_number(char *out, const char *first, unsigned number)
{
	char digits[12], *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	return join(out, first, at);
}

bool usage_place(unsigned index, const char *state_dir, const char *runtime_dir, unsigned uid, char *out)
{
	if (state_dir && *state_dir)
		return index == 0 && join(out, state_dir, "");
	if (index == 0)
		return runtime_dir && *runtime_dir == '/' && join(out, runtime_dir, "/headroom");
	if (index == 1)
		return uid == 0 && join(out, "/run/headroom", "");
	return index == 2 && join_number(out, "/dev/shm/headroom-", uid);
}

static long refuse(long fd, char *reason, const char *why)
{
	if (fd >= 0)
		kernel.close((int)fd);
	snprintf(reason, REASON_MAX, "%s", why);
	return -EPERM;
}

long usage_directory_open(const char *path, bool make, long *owner, char *reason)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct stat st;

	long fd = kernel_private_fd(kernel.openat(AT_FDCWD, path, flags, 0));
	if (fd == -ENOENT && make) {
		long rc = kernel_syscall(SYS_mkdirat, AT_FDCWD, (long)path, 0700, 0, 0, 0);
		fd = rc && rc != -EEXIST ? rc : kernel_private_fd(kernel.openat(AT_FDCWD, path, flags, 0));
	}
	if (fd == -EACCES &&
	    !kernel_syscall(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, AT_SYMLINK_NOFOLLOW, 0, 0) &&
	    *owner >= 0 && st.st_uid != (unsigned long)*owner)
		return refuse(-1, reason, "belongs to another user");
	if (fd == -ELOOP || fd == -ENOTDIR) {
		refuse(fd, reason, "is a symbolic link, or no directory");
		return -EPERM;
	}
	if (fd < 0) {
		snprintf(reason, REASON_MAX, "%s", error_text((int)-fd));
		return fd;
	}
	long rc = kernel.fstat((int)fd, &st);
	if (rc || !S_ISDIR(st.st_mode))
		return refuse(fd, reason, "cannot be looked at");
	if (*owner >= 0 && st.st_uid != (unsigned long)*owner)
		return refuse(fd, reason, "belongs to another user");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return refuse(fd, reason, "can be written by others");
	*owner = st.st_uid;
	return fd;
}

/* getdents64(2): what the kernel fills in. */
struct name_record {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

void usage_names_start(struct usage_names *names, int directory)
{
	names->directory = directory;
	names->used = names->at = 0;
	kernel_syscall(SYS_lseek, directory, 0, SEEK_SET, 0, 0, 0);
}

/* Eleven hexadecimal digits, a dot, the pid, a dot, eight digits; see usage_file_name(). */
static bool is_segment_name(const char *name)
{
	size_t length = strlen(name);
	return length < USAGE_FILE_NAME_MAX && length > 21 && strspn(name, "0123456789abcdef") == 11 &&
	       name[11] == '.' && strspn(name + 12, "0123456789abcdef.") == length - 12;
}

const char *usage_names_next(struct usage_names *names)
{
	for (;;) {
		if (names->at >= names->used) {
			names->at = 0;
			names->used = kernel_syscall(SYS_getdents64, names->directory, (long)names->buffer,
						     sizeof(names->buffer), 0, 0, 0);
			if (names->used <= 0) {
				names->used = 0;
				return NULL;
			}
		}
		const struct name_record *record =
			(const struct name_record *)(const void *)(names->buffer + names->at);
		names->at += record->length;
		if (is_segment_name(record->name))
			return record->name;
	}
}

void usage_file_name(uint64_t realtime_s, unsigned pid, uint32_t random, char *out)
{
	snprintf(out, USAGE_FILE_NAME_MAX, "%011llx.%u.%08x",
		 (unsigned long long)(realtime_s & 0xfffffffffffu), pid, random);
}
