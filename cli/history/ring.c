// SPDX-License-Identifier: Apache-2.0
/* ring - a file of bounded size that keeps the newest records: the oldest make room. */
#include "cli/history/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGN = 8, FIRST = 64 };

static const char file_magic[32] = "headroom history, version 1\n";
/* No text has these bytes; the number of a machine of the other byte order is another one. */
static const uint64_t RECORD_MAGIC = UINT64_C(0xd1e5f00dfe9a17c3);

struct file_head {
	char magic[32];
	uint64_t size;
	uint8_t reserved[24];
};
_Static_assert(sizeof(struct file_head) == FIRST, "records begin here");

struct record_head {
	uint64_t magic, sequence;
	uint32_t length; /* of the data behind it, bytes */
	uint32_t sum;    /* of sequence, length and data */
};
_Static_assert(sizeof(struct record_head) % ALIGN == 0, "data is aligned");

struct found {
	uint64_t sequence, at;
	uint32_t length;
};

struct records {
	uint8_t *bytes;
	uint64_t size;
	struct found *items;
	size_t count, room;
};

/* CRC-32 of IEEE 802.3, the one of gzip (RFC 1952, section 8). */
static uint32_t add_to_sum(uint32_t sum, const void *data, size_t size)
{
	static uint32_t table[256];
	const uint8_t *bytes = data;

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		uint32_t value = i;
		for (int k = 0; k < 8; k++)
			value = value & 1 ? 0xedb88320u ^ value >> 1 : value >> 1;
		table[i] = value;
	}
	sum = ~sum;
	for (size_t i = 0; i < size; i++)
		sum = table[(sum ^ bytes[i]) & 0xff] ^ sum >> 8;
	return ~sum;
}

static uint32_t sum_of(const struct record_head *head, const void *data)
{
	uint32_t sum = add_to_sum(0, &head->sequence, sizeof(head->sequence));

	sum = add_to_sum(sum, &head->length, sizeof(head->length));
	return add_to_sum(sum, data, head->length);
}

static uint64_t aligned(uint64_t size)
{
	return (size + ALIGN - 1) / ALIGN * ALIGN;
}

static int read_whole(int fd, struct records *records)
{
	struct file_head head;
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	ssize_t got = S_ISREG(st.st_mode) ? pread(fd, &head, sizeof(head), 0) : 0;
	if (got < 0)
		return -errno;
	if (got != sizeof(head) || memcmp(head.magic, file_magic, sizeof(file_magic)) ||
	    head.size < RING_LEAST || head.size > RING_MOST)
		return -EINVAL;
	records->size = head.size;
	records->bytes = calloc(1, head.size);
	if (!records->bytes)
		return -ENOMEM;
	for (uint64_t at = 0; at < head.size; at += (uint64_t)got) {
		got = pread(fd, records->bytes + at, head.size - at, (off_t)at);
		if (got < 0)
			return -errno;
		if (!got) /* cut off: what is missing is zero */
			break;
	}
	return 0;
}

static bool add(struct records *records, const struct record_head *head, uint64_t at)
{
	if (records->count == records->room) {
		size_t room = records->room ? 2 * records->room : 1024;
		struct found *grown = reallocarray(records->items, room, sizeof(*grown));
		if (!grown)
			return false;
		records->items = grown;
		records->room = room;
	}
	records->items[records->count++] =
		(struct found){ .sequence = head->sequence, .at = at, .length = head->length };
	return true;
}

static int oldest_first(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static int find(struct records *records)
{
	uint64_t at = FIRST;

	while (at + sizeof(struct record_head) <= records->size) {
		struct record_head head;
		memcpy(&head, records->bytes + at, sizeof(head));
		const uint8_t *data = records->bytes + at + sizeof(head);
		if (head.magic != RECORD_MAGIC || head.length > RING_RECORD_MAX ||
		    head.length > records->size - at - sizeof(head) || sum_of(&head, data) != head.sum) {
			at += ALIGN;
			continue;
		}
		if (!add(records, &head, at))
			return -ENOMEM;
		at += aligned(sizeof(head) + head.length);
	}
	if (records->count)
		qsort(records->items, records->count, sizeof(*records->items), oldest_first);
	return 0;
}

static int load(int fd, struct records *records)
{
	int rc = read_whole(fd, records);
	return rc ? rc : find(records);
}

static void give_back(struct records *records)
{
	free(records->bytes);
	free(records->items);
}

static int write_all(int fd, const void *data, size_t size, uint64_t at)
{
	const uint8_t *bytes = data;

	while (size) {
		ssize_t put = pwrite(fd, bytes, size, (off_t)at);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		bytes += put;
		size -= (size_t)put;
		at += (uint64_t)put;
	}
	return 0;
}

/* All blocks are taken now: a disk that is full says so here, and not during the incident. */
static int begin(struct ring *ring, uint64_t size)
{
	struct file_head head = { .size = size };
	int rc = -posix_fallocate(ring->fd, 0, (off_t)size);

	if (rc && rc != -EOPNOTSUPP && rc != -EINVAL)
		return rc;
	memcpy(head.magic, file_magic, sizeof(file_magic));
	ring->size = size;
	ring->at = FIRST;
	ring->sequence = 1;
	return write_all(ring->fd, &head, sizeof(head), 0);
}

static int go_on(struct ring *ring)
{
	struct records records = { 0 };
	int rc = load(ring->fd, &records);

	if (!rc) {
		const struct found *last = records.count ? &records.items[records.count - 1] : NULL;
		ring->size = records.size;
		ring->at = last ? last->at + aligned(sizeof(struct record_head) + last->length) : FIRST;
		ring->sequence = last ? last->sequence + 1 : 1;
	}
	give_back(&records);
	return rc;
}

int ring_open(struct ring *ring, const char *path, uint64_t size)
{
	struct stat st;
	int rc;

	*ring = (struct ring){ .fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
					  0640) };
	if (ring->fd < 0)
		return -errno;
	if (flock(ring->fd, LOCK_EX | LOCK_NB) || fstat(ring->fd, &st))
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EINVAL;
	else
		rc = st.st_size ? go_on(ring) : begin(ring, size);
	if (rc)
		ring_close(ring);
	return rc;
}

int ring_append(struct ring *ring, const void *data, size_t size)
{
	struct record_head head = { .magic = RECORD_MAGIC, .sequence = ring->sequence };
	uint64_t whole = aligned(sizeof(head) + size);

	if (whole > RING_RECORD_MAX)
		return -EMSGSIZE;
	uint8_t *bytes = calloc(1, whole);
	if (!bytes)
		return -ENOMEM;
	if (ring->at + whole > ring->size)
		ring->at = FIRST;
	head.length = (uint32_t)size;
	head.sum = sum_of(&head, data);
	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), data, size);
	int rc = write_all(ring->fd, bytes, whole, ring->at);
	free(bytes);
	if (rc)
		return rc;
	ring->at += whole;
	ring->sequence++;
	return 0;
}

void ring_close(struct ring *ring)
{
	if (ring->fd >= 0)
		close(ring->fd);
	ring->fd = -1;
}

int ring_read(const char *path, ring_visitor *visit, void *context)
{
	struct records records = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	int rc = load(fd, &records);
	close(fd);
	for (size_t i = 0; !rc && i < records.count; i++)
		visit(records.bytes + records.items[i].at + sizeof(struct record_head),
		      records.items[i].length, context);
	give_back(&records);
	return rc;
}
