// SPDX-License-Identifier: Apache-2.0
/* file - make, map and extend the file of a usage segment; remove old ones. */
#include "pool/segment/file.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/libc/error_text.h"
#include "pool/libc/page.h"
#include "pool/segment/directory.h"
#include "pool/segment/identity.h"
#include "pool/segment/room.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* from Linux 5.14 */
#endif

enum { PAGE = 4096, FIRST_SIZE = 2 * PAGE, STEP_MAX = 8 * PAGE, REMOVE_MOST = 256 };

/* Whether there is room again is asked once in so long: asking may mean to look at many files. */
#define NO_ROOM_NS 5000000000ull

/* In whole pages. */
static size_t whole_size(void)
{
	return (sizeof(struct usage_segment) + PAGE - 1) & ~(size_t)(PAGE - 1);
}

/* How many entries lie whole in the first @size bytes. */
static unsigned entries_in(size_t size)
{
	size_t count = (size - offsetof(struct usage_segment, entries)) / sizeof(struct usage_entry);
	return count > USAGE_ENTRIES ? USAGE_ENTRIES : (unsigned)count;
}

static bool fail(struct usage_file *out, const char *why)
{
	snprintf(out->reason, sizeof(out->reason), "%s", why);
	return false;
}

static bool fail_with(struct usage_file *out, const char *what, long rc)
{
	snprintf(out->reason, sizeof(out->reason), "%s: %s", what, error_text((int)-rc));
	return false;
}

/* A write past this limit raises SIGXFSZ, which ends a program that does not expect it (setrlimit(2)). */
static bool within_file_limit(void)
{
	struct rlimit limit;

	return kernel_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0) == 0 &&
	       (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= whole_size());
}

/* On a disk a full file system, or a copy-on-write one, raises SIGBUS at a store. */
static bool in_memory(int directory)
{
	struct statfs fs;

	return kernel_syscall(SYS_fstatfs, directory, (long)&fs, 0, 0, 0, 0) == 0 &&
	       ((unsigned long)fs.f_type == TMPFS_MAGIC || (unsigned long)fs.f_type == RAMFS_MAGIC);
}

/* Memory for a part of the file, so that no store there can raise SIGBUS. */
static long populate(const struct usage_segment *segment, size_t from, size_t to)
{
	size_t start = page_start(from);

	return kernel_syscall(SYS_madvise, (long)((const char *)segment + start), (long)(to - start),
			      MADV_POPULATE_WRITE, 0, 0, 0);
}

/* Is there room for more in the directory of the segment? */
static bool room_in(struct usage_writer *writer, struct arena *arena, size_t bytes)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct usage_names *names = arena_alloc(arena, sizeof(*names));
	long fd = names ? kernel_private_fd(kernel.openat(AT_FDCWD, writer->place, flags, 0)) : -ENOMEM;
	bool room = fd >= 0 && usage_room((int)fd, bytes, names);

	if (fd >= 0)
		kernel.close((int)fd);
	arena_free(arena, names, sizeof(*names));
	return room;
}

/* As much again as there is, so that few steps lead far and little is taken for nothing. */
COLD void usage_file_extend(struct usage_writer *writer, struct arena *arena, uint64_t now_ns)
{
	size_t from = offsetof(struct usage_segment, entries) + writer->ready * sizeof(struct usage_entry);

	if (writer->ready >= USAGE_ENTRIES || writer->no_room_until_ns > now_ns)
		return;
	/* Its page is there already, if the entry before it ends in it. */
	from = (from + PAGE - 1) & ~(size_t)(PAGE - 1);
	size_t step = from - offsetof(struct usage_segment, entries);
	step = step > STEP_MAX ? STEP_MAX : step;
	size_t to = from + step < whole_size() ? from + step : whole_size();
	if (room_in(writer, arena, to - from) && !populate(writer->segment, from, to))
		writer->ready = entries_in(to);
	else
		writer->no_room_until_ns = now_ns + NO_ROOM_NS;
}

COLD void usage_file_unmap(struct usage_segment *segment)
{
	kernel_syscall(SYS_munmap, (long)segment, (long)whole_size(), 0, 0, 0, 0);
}

COLD void usage_file_replace(struct usage_segment *segment)
{
	kernel_syscall(SYS_mmap, (long)segment, (long)whole_size(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

COLD void usage_file_remove(const char *place, const char *name)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	long directory = kernel_private_fd(kernel.openat(AT_FDCWD, place, flags, 0));

	if (directory < 0)
		return;
	kernel_syscall(SYS_unlinkat, directory, (long)name, 0, 0, 0, 0);
	kernel.close((int)directory);
}

COLD void usage_file_discard(const struct usage_file *file)
{
	usage_file_unmap(file->segment);
	usage_file_remove(file->place, file->name);
}

static void fill_header(const struct usage_file *file, const char *process)
{
	struct usage_header *header = &file->segment->header;
	struct timespec now = { 0 };
	size_t length = strlen(process);

	clock_read(CLOCK_REALTIME, &now);
	header->version = USAGE_VERSION;
	header->header_size = sizeof(struct usage_header);
	header->event_size = sizeof(struct usage_event);
	header->entry_size = sizeof(struct usage_entry);
	header->event_count = USAGE_EVENTS;
	header->entry_count = USAGE_ENTRIES;
	header->started_ns = clock_ns();
	header->started_realtime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	header->started_boot_ns = clock_read_ns(CLOCK_BOOTTIME);
	memcpy(header->name, process, length < sizeof(header->name) ? length : sizeof(header->name) - 1);
	header->network_namespace = file->network_namespace;
	header->network_cookie = file->network_cookie;
	usage_identify(header);
	header->counts_end = 1;
	header->entries_used = 1;
	header->complete = 1;
	__atomic_store_n(&header->magic, USAGE_MAGIC, __ATOMIC_RELEASE);
}

/* Gives an open, empty file its size, lock, memory. */
static bool map_file(int fd, int directory, struct usage_file *out)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	long rc;

	/* Whatever the umask says. */
	kernel_syscall(SYS_fchmod, fd, 0400, 0, 0, 0, 0);
	if ((rc = kernel.fcntl(fd, F_OFD_SETLK, (long)&lock)))
		return fail_with(out, "its file cannot be locked", rc);
	if ((rc = kernel_syscall(SYS_ftruncate, fd, (long)whole_size(), 0, 0, 0, 0)) ||
	    (rc = kernel_syscall(SYS_fallocate, fd, 0, 0, FIRST_SIZE, 0, 0)))
		return fail_with(out, "there is no room for its file", rc);
	long at = kernel_syscall(SYS_mmap, 0, (long)whole_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at < 0 && at > -PAGE)
		return fail_with(out, "its file cannot be mapped", at);
	struct usage_segment *segment = (struct usage_segment *)at;
	out->ready = entries_in(FIRST_SIZE);
	/* Before Linux 5.14 memory is to be had through the fd only: now or never. */
	if (populate(segment, 0, FIRST_SIZE) == -EINVAL &&
	    usage_room(directory, whole_size() - FIRST_SIZE, &out->names) &&
	    !kernel_syscall(SYS_fallocate, fd, 0, 0, (long)whole_size(), 0, 0))
		out->ready = USAGE_ENTRIES;
	out->segment = segment;
	return true;
}

/* What has ended goes first, if it is in the way. */
static bool make_room(int directory, struct usage_file *out)
{
	unsigned removed = usage_sweep_some(directory, &out->names, &out->sample);

	if (usage_room(directory, FIRST_SIZE, &out->names))
		return true;
	return removed && usage_sweep_all(directory, &out->names, REMOVE_MOST) &&
	       usage_room(directory, FIRST_SIZE, &out->names);
}

static bool make_in(int directory, const char *process, struct usage_file *out)
{
	struct timespec now = { 0 };
	char *name = out->name;
	int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	if (!make_room(directory, out))
		return fail(out, "has no room to spare");
	if (!out->network_cookie)
		out->network_cookie = usage_network_cookie();
	clock_read(CLOCK_REALTIME, &now);
	usage_file_name((uint64_t)now.tv_sec, (unsigned)kernel.getpid(),
			(uint32_t)now.tv_nsec ^ (uint32_t)clock_ns(), out->network_cookie, name);
	long fd = kernel_private_fd(kernel.openat(directory, name, flags, 0400));
	if (fd < 0)
		return fail_with(out, "its file cannot be made", fd);
	bool mapped = map_file((int)fd, directory, out);
	kernel.close((int)fd);
	if (!mapped) {
		kernel_syscall(SYS_unlinkat, directory, (long)name, 0, 0, 0, 0);
		return false;
	}
	fill_header(out, process);
	return true;
}

/* Whose XDG_RUNTIME_DIR is it? `sudo -E` and su keep that of the user who called them: what root made there
 * would keep him out of it. */
static bool is_runtime_of(const char *path, long uid)
{
	struct stat st;

	return !kernel_syscall(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, 0, 0, 0) &&
	       st.st_uid == (unsigned long)uid;
}

static void try_place(const char *process, long uid, struct usage_file *out)
{
	long directory = usage_directory_open(out->place, true, &uid, out->reason);

	out->trespass = directory == -EPERM;
	if (directory < 0)
		return;
	if (in_memory((int)directory))
		make_in((int)directory, process, out);
	else
		fail(out, "is not on a memory file system (tmpfs)");
	kernel.close((int)directory);
}

COLD bool usage_file_make(const struct settings *settings, const char *process, struct usage_file *out)
{
	long uid = kernel_syscall(SYS_geteuid, 0, 0, 0, 0, 0, 0);
	const char *runtime = settings->runtime_dir;

	if (!within_file_limit())
		return fail(out, "the limit of file sizes (ulimit -f) leaves no room for a usage segment");
	if (!is_runtime_of(runtime, uid))
		runtime = "";
	for (unsigned i = 0; i < USAGE_PLACES && !out->segment; i++)
		if (usage_place(i, settings->state_dir, runtime, (unsigned)uid, out->place))
			try_place(process, uid, out);
	return out->segment;
}
