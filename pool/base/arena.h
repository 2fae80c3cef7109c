// SPDX-License-Identifier: Apache-2.0
/* arena - memory of our own: the shim allocates nothing from the program's heap.
 *
 * Theory of operation
 *
 * Chunks of 64 KiB by raw mmap(), cut into blocks of 32 bytes to 32 KiB, four sizes to each doubling;
 * larger blocks are mappings of their own. The list of chunks is whole at any moment: it is all that a
 * forked child needs of its parent's state. uthash takes its memory here, by its macros. inih calls
 * malloc(): the build renames that in a copy of libinih.a (objcopy --redefine-sym, pool/CMakeLists.txt) to
 * functions of rules/file.c that hand out one static buffer. inih also cuts section names at `]`, so
 * take_section() reads those lines. */
#ifndef HEADROOM_POOL_BASE_ARENA_H
#define HEADROOM_POOL_BASE_ARENA_H

#include <stddef.h>

enum { ARENA_CLASSES = 39 }; /* blocks of 32 bytes to 32 KiB: see arena.c */

/* Not thread-safe by itself: its owner's lock guards it. All zero is an empty arena. */
struct arena {
	struct arena_chunk *chunks;
	void *free_blocks[ARENA_CLASSES];
	size_t mapped; /* bytes taken from the kernel */
	void *room;    /* see arena_lend() */
	size_t room_size;
	size_t room_used; /* so much of it is no longer zero */
};

/**
 * arena_lend() - memory to begin with, before any is taken from the kernel; the arena is empty
 * @room:	all zero, 16-byte aligned
 */
void arena_lend(struct arena *arena, void *room, size_t size);

/**
 * arena_alloc() - zeroed memory, 16-byte aligned
 * Return: NULL when the kernel has none
 */
void *arena_alloc(struct arena *arena, size_t size);

/**
 * arena_free() - give a block back to the arena
 * @size:	what it was allocated with
 */
void arena_free(struct arena *arena, void *block, size_t size);

/**
 * arena_release() - give everything back to the kernel; the arena is empty and usable afterwards
 *
 * Also in a forked child, while another thread of the parent was in one of the calls above.
 */
void arena_release(struct arena *arena);

#endif
