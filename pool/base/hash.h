// SPDX-License-Identifier: Apache-2.0
/* hash - FNV-1a, byte by byte: short keys, and numbers that are the same in every process. */
#ifndef HEADROOM_POOL_BASE_HASH_H
#define HEADROOM_POOL_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The offset basis: the hash of nothing. */
#define HASH_START UINT64_C(0xcbf29ce484222325)

/**
 * hash_more() - the hash of what @hash is of, and @size bytes after it
 */
static inline uint64_t hash_more(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *bytes = (const unsigned char *)data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

#endif
