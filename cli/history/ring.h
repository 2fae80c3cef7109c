// SPDX-License-Identifier: Apache-2.0
/* ring - a file of bounded size that keeps the newest records: the oldest make room.
 *
 * Records follow each other, each on a multiple of 8 bytes, with a checksum. One that was being written when
 * the machine stopped, or that a newer one has overwritten in part, is passed over; all others are found
 * again by their first 8 bytes. Nobody has to finish anything. */
#ifndef HEADROOM_CLI_HISTORY_RING_H
#define HEADROOM_CLI_HISTORY_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RING_RECORD_MAX = 65536, RING_LEAST = 2 * RING_RECORD_MAX, RING_MOST = 1 << 30 };

struct ring {
	int fd;
	uint64_t size;     /* of the file, bytes */
	uint64_t at;       /* where the next record goes */
	uint64_t sequence; /* of the next record */
};

/**
 * ring_open() - to write; made if it is not there, else written to behind its newest record
 * @size:	bytes, RING_LEAST to RING_MOST, of a new one; one that is there keeps its own
 * Return: 0; -EWOULDBLOCK if another process has it open to write; -EINVAL if the file is something else;
 * another negative errno
 */
int ring_open(struct ring *ring, const char *path, uint64_t size);

/**
 * ring_append() - write one record
 * @size:	at most RING_RECORD_MAX bytes with what the ring adds (40)
 * Return: 0 or a negative errno
 */
int ring_append(struct ring *ring, const void *data, size_t size);

/**
 * ring_close() - after ring_open()
 */
void ring_close(struct ring *ring);

typedef void ring_visitor(const void *data, size_t size, void *context);

/**
 * ring_read() - visit the records that are whole, the oldest first; somebody may write meanwhile
 * @visit:	data is aligned to 8 bytes
 * Return: 0; -EINVAL if the file is something else; another negative errno
 */
int ring_read(const char *path, ring_visitor *visit, void *context);

#endif
