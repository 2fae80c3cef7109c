// SPDX-License-Identifier: Apache-2.0
/* glance - what another process has in use, by its segment, at little cost. */
#include "pool/segment/glance.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { TIME_WAIT_OVER_S = 65, COPIES_MAX = 4 };

static bool read_all(int fd, void *out, size_t size, size_t offset)
{
	return kernel_syscall(SYS_pread64, fd, (long)out, (long)size, (long)offset, 0, 0) == (long)size;
}

/* Only a file that nobody but this user has written is believed. Return: its size, or 0 */
static size_t sound_size(int fd, const struct usage_header *own)
{
	struct stat st;

	if (kernel.fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != own->uid ||
	    st.st_mode & (S_IRWXG | S_IRWXO) || st.st_size < 0)
		return 0;
	return (size_t)st.st_size;
}

/* In a directory of hundreds most are of processes that ended long ago. */
static bool may_matter(const struct usage_header *header, const struct usage_header *own, uint64_t now_ns)
{
	if (!header->entries_used || header->network_namespace != own->network_namespace ||
	    header->network_cookie != own->network_cookie || header->uid != own->uid)
		return false;
	/* Its TIME_WAITs are over too. */
	return !header->ended_ns || clock_since(header->ended_ns, now_ns) < TIME_WAIT_OVER_S * 1000000000ull;
}

static bool is_locked(int fd)
{
	struct flock query = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	return !kernel.fcntl(fd, F_OFD_GETLK, (long)&query) && query.l_type != F_UNLCK;
}

static bool are_whole(const struct usage *usage)
{
	for (unsigned i = 0; i < usage->entry_count; i++)
		if (usage->entries[i].sequence & 1)
			return false;
	return true;
}

/* One that is being written is copied again; then it is taken as it is. */
static bool copy_entries(struct glance *glance, int fd)
{
	struct usage *usage = &glance->usage;
	unsigned count = usage->header.entries_used, copies = 0;
	size_t size = count * sizeof(*usage->entries);

	usage->entries = count <= GLANCE_ENTRIES ? glance->few : arena_alloc(glance->arena, size);
	if (!usage->entries)
		return false;
	usage->entry_count = count;
	do {
		if (!read_all(fd, usage->entries, size, offsetof(struct usage_segment, entries)))
			return false;
	} while (!are_whole(usage) && ++copies < COPIES_MAX);
	return true;
}

COLD void glance_end(struct glance *glance)
{
	struct usage *usage = &glance->usage;

	if (usage->entries && usage->entries != glance->few)
		usage_free(glance->arena, usage);
	usage->entries = NULL;
	usage->event_count = usage->entry_count = usage->merged = usage->torn = 0;
}

COLD bool glance_at(struct glance *glance, int directory, const char *name)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	const struct usage_header *own = glance->own;
	struct usage *out = &glance->usage;
	char reason[REASON_MAX];

	glance_end(glance);
	long fd = kernel_may_open_more() ? kernel_keep_private(kernel.openat(directory, name, flags, 0))
					 : -EMFILE;
	if (fd < 0)
		return false;
	size_t size = sound_size((int)fd, own);
	bool matters = size && read_all((int)fd, &out->header, sizeof(out->header), 0) &&
		       usage_header_is_sound(&out->header, size, reason) &&
		       may_matter(&out->header, own, glance->now_ns);
	out->running = matters && !out->header.ended_ns && is_locked((int)fd);
	/* What was open when it ended, without having said so, are TIME_WAITs now: that takes a closer look.
	 */
	bool closer = matters && !out->running && !(out->header.ended_ns && out->header.counts_end);
	if (matters && !closer)
		matters = copy_entries(glance, (int)fd);
	kernel.close((int)fd);
	return closer ? !usage_read_file(glance->arena, directory, name, own->uid, out, reason) : matters;
}
