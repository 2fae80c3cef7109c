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

/* Return: where the 0 is that ends it */
static char *write_number(char *out, unsigned number)
{
	unsigned digits = 1;

	for (unsigned rest = number; rest >= 10; rest /= 10)
		digits++;
	out[digits] = '\0';
	for (char *at = out + digits; at > out; number /= 10)
		*--at = (char)('0' + number % 10);
	return out + digits;
}

static bool join_number(char *out, const char *first, unsigned number)
{
	char digits[12];

	write_number(digits, number);
	return join(out, first, digits);
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

enum { SECONDS_DIGITS = 11 };

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

/* Eleven hexadecimal digits, a dot, the pid, a dot, eight digits, maybe a dot and four: see
 * usage_file_name(). */
static bool is_segment_name(const char *name)
{
	size_t length = 0;

	for (; name[length]; length++)
		if (length == SECONDS_DIGITS ? name[length] != '.'
					     : kernel_hex_digit(name[length]) < 0 &&
						       (name[length] != '.' || length < SECONDS_DIGITS))
			return false;
	return length < USAGE_FILE_NAME_MAX && length > 21;
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

static unsigned tag_of(uint64_t network_cookie)
{
	return (network_cookie ^ network_cookie >> 16 ^ network_cookie >> 32) & 0xffff;
}

static char *write_hex(char *out, uint64_t number, unsigned digits)
{
	for (unsigned i = 0; i < digits; i++)
		out[i] = "0123456789abcdef"[number >> 4 * (digits - 1 - i) & 15];
	out[digits] = '\0';
	return out + digits;
}

void usage_file_name(uint64_t realtime_s, unsigned pid, uint32_t random, uint64_t network_cookie, char *out)
{
	out = write_hex(out, realtime_s, SECONDS_DIGITS);
	*out++ = '.';
	out = write_number(out, pid);
	*out++ = '.';
	out = write_hex(out, random, 8);
	if (network_cookie) {
		*out++ = '.';
		write_hex(out, tag_of(network_cookie), 4);
	}
}

static uint64_t hex_at(const char *text)
{
	uint64_t number = 0;

	for (; kernel_hex_digit(*text) >= 0; text++)
		number = number << 4 | (unsigned)kernel_hex_digit(*text);
	return number;
}

int64_t usage_name_made_s(const char *name)
{
	return (int64_t)hex_at(name);
}

bool usage_name_may_be_of(const char *name, uint64_t network_cookie)
{
	unsigned dots = 0;

	for (; *name && dots < 3; name++)
		dots += *name == '.';
	/* Names of older versions have no such part. */
	return dots < 3 || (network_cookie && hex_at(name) == tag_of(network_cookie));
}
