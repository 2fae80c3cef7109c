// SPDX-License-Identifier: Apache-2.0
/* read - read usage segments: is it one, and what does it say? */
#include "pool/segment/read.h"

#include "pool/base/clock.h"
#include "pool/base/kernel.h"
#include "pool/libc/error_text.h"
#include "pool/segment/directory.h"
#include "pool/segment/entry.h"
#include "pool/segment/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often an entry is copied again that was being written. Its writer needs well under a microsecond,
 * unless it was stopped there. */
enum { COPIES_MAX = 64 };

static bool bad(char *reason, const char *why)
{
	snprintf(reason, REASON_MAX, "%s", why);
	return false;
}

static long refuse(char *reason, const char *why)
{
	bad(reason, why);
	return -EINVAL;
}

static bool check_header(const struct usage_header *h, size_t size, char *reason)
{
	if (h->magic != USAGE_MAGIC)
		return bad(reason, "is no usage segment");
	if (h->version != USAGE_VERSION) {
		snprintf(reason, REASON_MAX, "is of version %u; this headroom reads version %d", h->version,
			 USAGE_VERSION);
		return false;
	}
	if (h->header_size != sizeof(struct usage_header) || h->event_size != sizeof(struct usage_event) ||
	    h->entry_size != sizeof(struct usage_entry) || h->event_count != USAGE_EVENTS ||
	    h->entry_count != USAGE_ENTRIES)
		return bad(reason, "says it is made otherwise than its version is");
	if (!h->complete)
		return bad(reason, "was never completed");
	if (h->entries_used > USAGE_ENTRIES)
		return bad(reason, "says it holds more entries than there is room for");
	if (size < offsetof(struct usage_segment, entries) + h->entries_used * sizeof(struct usage_entry))
		return bad(reason, "is cut short");
	return true;
}

/* Whoever prints it need not think of escape sequences. */
static void clean(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (size_t i = 0; i < size; i++)
		if (text[i] && (text[i] < ' ' || text[i] > '~'))
			text[i] = '?';
}

static void forget_nonsense(struct usage_header *h)
{
	bool known = h->range_low && h->range_low <= h->range_high && h->range_high <= UINT16_MAX &&
		     h->range_reserved <= h->range_high - h->range_low;
	if (!known)
		h->range_low = h->range_high = h->range_reserved = 0;
	if (h->time_wait_reuse > 2)
		h->time_wait_reuse = 0;
}

static void take_events(struct usage *out, const char *events)
{
	uint64_t written = out->header.events_written;
	uint64_t from = written > USAGE_EVENTS ? written - USAGE_EVENTS : 0;

	for (uint64_t n = from; n < written; n++) {
		struct usage_event *event = &out->events[out->event_count];
		memcpy(event, events + n % USAGE_EVENTS * sizeof(*event), sizeof(*event));
		/* Another number: torn, or written over meanwhile. */
		if (event->sequence == (uint32_t)(2 * n + 2) && event->kind < USAGE_EVENT_KINDS)
			out->event_count++;
	}
}

bool usage_header_is_sound(struct usage_header *header, size_t size, char *reason)
{
	if (!check_header(header, size, reason))
		return false;
	forget_nonsense(header);
	return true;
}

bool usage_read_buffer(struct arena *arena, const void *data, size_t size, struct usage *out, char *reason)
{
	const char *bytes = data;

	*out = (struct usage){ 0 };
	if (size < offsetof(struct usage_segment, entries))
		return bad(reason, "is cut short");
	memcpy(&out->header, bytes, sizeof(out->header));
	if (!usage_header_is_sound(&out->header, size, reason))
		return false;
	clean(out->header.name, sizeof(out->header.name));
	clean(out->header.command, sizeof(out->header.command));
	take_events(out, bytes + offsetof(struct usage_segment, events));
	unsigned count = out->header.entries_used;
	if (!count)
		return true;
	out->entries = arena_alloc(arena, count * sizeof(*out->entries));
	if (!out->entries)
		return bad(reason, "is too large for the memory there is");
	memcpy(out->entries, bytes + offsetof(struct usage_segment, entries), count * sizeof(*out->entries));
	for (unsigned i = 0; i < count; i++) {
		struct usage_entry *entry = &out->entries[i];
		if (!entry->first_ns || (i > 0 && !entry->to.port))
			continue;
		if (entry->sequence & 1)
			out->torn++;
		if (i == 0)
			entry->to = (struct endpoint){ 0 };
		out->entries[out->entry_count++] = *entry;
	}
	return true;
}

void usage_free(struct arena *arena, struct usage *usage)
{
	arena_free(arena, usage->entries, usage->header.entries_used * sizeof(*usage->entries));
	usage->entries = NULL;
	usage->entry_count = 0;
}

/* Too large for the stack of a thread that connects. */
struct reading {
	struct usage_segment segment;
	struct usage_event again[USAGE_EVENTS];
	struct usage_entry entries_again[USAGE_ENTRIES];
};

static bool read_at(int fd, void *out, size_t size, size_t offset)
{
	return kernel_syscall(SYS_pread64, fd, (long)out, (long)size, (long)offset, 0, 0) == (long)size;
}

/* Two copies that are the same, with an even number in them, are no torn ones: each write changes a number
 * that never comes back. */
static bool is_settled(const struct usage_entry *entry, const struct usage_entry *again)
{
	return !(again->sequence & 1) && !memcmp(again, entry, sizeof(*again));
}

static bool settle_entry(int fd, size_t offset, struct usage_entry *entry)
{
	struct usage_entry again;

	for (int n = 0; n < COPIES_MAX; n++) {
		if (!read_at(fd, &again, sizeof(again), offset))
			return false;
		if (is_settled(entry, &again))
			return true;
		*entry = again;
	}
	/* Its number stays odd, for usage_read_buffer() to count it. */
	entry->sequence |= 1;
	return true;
}

/* All at once first: most are not being written. */
static bool settle_entries(int fd, struct reading *reading, size_t count)
{
	struct usage_entry *entries = reading->segment.entries;
	size_t from = offsetof(struct usage_segment, entries), size = count * sizeof(*entries);

	if (!read_at(fd, entries, size, from) || !read_at(fd, reading->entries_again, size, from))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!is_settled(&entries[i], &reading->entries_again[i]) &&
		    !settle_entry(fd, from + i * sizeof(*entries), &entries[i]))
			return false;
	return true;
}

/* The same for events. One that is being written is left out. */
static bool settle_events(int fd, struct reading *reading)
{
	if (!read_at(fd, reading->again, sizeof(reading->again), offsetof(struct usage_segment, events)))
		return false;
	for (unsigned i = 0; i < USAGE_EVENTS; i++)
		if (memcmp(&reading->segment.events[i], &reading->again[i], sizeof(reading->again[i])))
			reading->segment.events[i].sequence |= 1;
	return true;
}

/* Reads what is there of a segment, until it does not change under the eyes. */
static long read_segment(int fd, struct reading *reading, size_t size)
{
	struct usage_segment *segment = &reading->segment;
	size_t least = offsetof(struct usage_segment, entries);

	if (size > sizeof(*segment))
		size = sizeof(*segment);
	if (size < least)
		return (long)size;
	if (!read_at(fd, segment, least, 0) || !settle_events(fd, reading))
		return -EIO;
	size_t count = segment->header.entries_used;
	size_t room = (size - least) / sizeof(struct usage_entry);
	if (count > room || segment->header.magic != USAGE_MAGIC)
		return (long)size;
	return settle_entries(fd, reading, count) ? (long)size : -EIO;
}

/* Does a process hold the lock that a segment's mapping keeps? Return: 1, 0, or -1 if nobody can tell. */
static int is_locked(int fd)
{
	struct flock query = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	if (kernel.fcntl(fd, F_OFD_GETLK, (long)&query))
		return -1;
	return query.l_type != F_UNLCK;
}

/* The pid was the writer's when counting began. Who has it now and began later is another process; who began
 * before then never gave it back. To tell that its writer need not read its own start. */
static bool is_as_old(uint64_t start_ticks, const struct usage_header *header)
{
	uint64_t a_second = (uint64_t)sysconf(_SC_CLK_TCK);

	return start_ticks / a_second * 1000000000u + start_ticks % a_second * (1000000000u / a_second) <=
	       header->started_boot_ns;
}

/* A forked child that went round libc keeps its parent's mapping until it connects: what the lock says is
 * not enough while the pid can be looked up. */
static bool is_running(int fd, const struct usage_header *header)
{
	char path[40], text[1024];
	int locked = is_locked(fd);

	if (locked == 0 || header->ended_ns)
		return false;
	if (!header->started_boot_ns || !header->pid_namespace ||
	    header->pid_namespace != usage_namespace("/proc/self/ns/pid"))
		return locked == 1;
	snprintf(path, sizeof(path), "/proc/%u/stat", header->pid);
	long got = kernel_read_file(path, text, sizeof(text));
	if (got == -ENOENT || got == -ESRCH)
		return false;
	return got <= 0 || is_as_old(usage_start_ticks(text), header);
}

/* When did a process end that left no word of it? Nobody knows: whoever first finds it ended sets the time of
 * the file's last change (segment/sweep.c). Until then that is when it was made. */
static uint64_t end_found_ns(int fd, const struct stat *st, const struct usage_header *header)
{
	struct timespec now = { 0 };
	int64_t made_s = (int64_t)(header->started_realtime_ns / 1000000000u);

	clock_read(CLOCK_REALTIME, &now);
	int64_t age_s = now.tv_sec - st->st_mtim.tv_sec;
	if (st->st_mtim.tv_sec - made_s < USAGE_YOUNG_S) {
		if (now.tv_sec - made_s >= USAGE_YOUNG_S)
			kernel_syscall(SYS_utimensat, fd, 0, 0, 0, 0, 0);
		age_s = 0;
	}
	uint64_t now_ns = clock_ns(), age_ns = age_s > 0 ? (uint64_t)age_s * 1000000000u : 0;
	return age_ns < now_ns ? now_ns - age_ns : 0;
}

/* What was open is closed by the kernel: TIME_WAITs from then on. That the peer had closed some of them
 * before, or that others hold them, is not to be known any more. */
static void end_entries(struct usage *usage, uint64_t ended_ns)
{
	for (unsigned i = 0; i < usage->entry_count; i++) {
		struct usage_entry *entry = &usage->entries[i];
		uint32_t open = entry->open;
		if (!open)
			continue;
		usage_age(entry, (uint32_t)(ended_ns >> 32));
		uint16_t *bucket = &entry->time_wait[entry->tick % USAGE_TIME_WAIT_BUCKETS];
		uint32_t sum = *bucket + (open < UINT16_MAX ? open : UINT16_MAX);
		*bucket = (uint16_t)(sum < UINT16_MAX ? sum : UINT16_MAX);
		entry->closed_unseen += open;
		entry->open = entry->reuse_parked = 0;
	}
}

static void settle_end(int fd, const struct stat *st, struct usage *usage)
{
	const struct usage_header *header = &usage->header;

	if (header->ended_ns && header->counts_end)
		return;
	end_entries(usage, header->ended_ns ? header->ended_ns : end_found_ns(fd, st, header));
}

static long read_open_file(struct arena *arena, int fd, unsigned owner, struct usage *out, char *reason)
{
	struct stat st;

	if (kernel.fstat(fd, &st) || !S_ISREG(st.st_mode))
		return refuse(reason, "is no regular file");
	if (st.st_uid != owner || st.st_mode & (S_IRWXG | S_IRWXO))
		return refuse(reason, "belongs to another user, or others may use it");
	struct reading *reading = arena_alloc(arena, sizeof(*reading));
	if (!reading)
		return refuse(reason, "is too large for the memory there is");
	long rc = read_segment(fd, reading, st.st_size > 0 ? (size_t)st.st_size : 0);
	if (rc < 0)
		rc = refuse(reason, "cannot be read");
	else if (reading->segment.header.magic == 0 && is_locked(fd) == 1)
		rc = -EAGAIN;
	else
		rc = usage_read_buffer(arena, &reading->segment, (size_t)rc, out, reason) ? 0 : -EINVAL;
	arena_free(arena, reading, sizeof(*reading));
	if (rc)
		return rc;
	out->running = is_running(fd, &out->header);
	if (!out->running)
		settle_end(fd, &st, out);
	return 0;
}

static long open_segment(int directory, const char *name)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	return kernel_private_fd(kernel.openat(directory, name, flags, 0));
}

int usage_read_file(struct arena *arena, int directory, const char *name, unsigned owner, struct usage *out,
		    char *reason)
{
	long fd = open_segment(directory, name);

	if (fd == -ENOENT)
		return -ENOENT;
	if (fd < 0) {
		snprintf(reason, REASON_MAX, "%s",
			 fd == -ELOOP ? "is a symbolic link" : error_text((int)-fd));
		return -EINVAL;
	}
	long rc = read_open_file(arena, (int)fd, owner, out, reason);
	kernel.close((int)fd);
	return (int)rc;
}
