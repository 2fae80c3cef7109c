// SPDX-License-Identifier: Apache-2.0
/* arena - memory of our own: the shim allocates nothing from the program's heap. */
#include "pool/base/arena.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/restraint.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { SMALLEST = 32, EVEN_STEPS = 64, LARGEST = 32 * 1024, CHUNK = 64 * 1024 };

/* Head of every mapping; the blocks follow it. */
struct arena_chunk {
	struct arena_chunk *next, *previous;
	size_t size, used; /* bytes, this head included */
};
_Static_assert(sizeof(struct arena_chunk) % 16 == 0, "blocks stay 16-byte aligned");

/* 32, 48 and 64 bytes, then four sizes to each doubling: 80, 96, 112, 128, 160... Return: the number of the
 * first that is enough, and its size. */
HOT_WHOLE static unsigned class_of(size_t size, size_t *block_size)
{
	if (size <= EVEN_STEPS) {
		unsigned class = size <= SMALLEST ? 0 : (unsigned)(size - SMALLEST + 15) / 16;
		*block_size = SMALLEST + class * 16;
		return class;
	}
	unsigned doubled = 63u - (unsigned)__builtin_clzll((size - 1) / EVEN_STEPS);
	size_t base = (size_t)EVEN_STEPS << doubled, step = base / 4;
	unsigned steps = (unsigned)((size - base + step - 1) / step);
	*block_size = base + steps * step;
	return 2 + 4 * doubled + steps;
}

/* Other threads go on while a process is forked, and the child gets the list as it is at that moment: walked
 * forward it has to be whole at any. */
static void link_chunk(struct arena_chunk **from, struct arena_chunk *chunk)
{
	__atomic_store_n(from, chunk, __ATOMIC_RELEASE);
}

/* By raw system call: mmap() of libc may be hooked by a neighbour. But ThreadSanitizer has to see it, or it
 * takes memory that one thread gave back and another got for shared. */
#if defined(__SANITIZE_THREAD__)
static long map(size_t size)
{
	return (long)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void unmap(void *at, size_t size)
{
	munmap(at, size);
}
#else
static long map(size_t size)
{
	return kernel_syscall(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
}

static void unmap(void *at, size_t size)
{
	if (!restraint_shut_in())
		kernel_syscall(SYS_munmap, (long)at, (long)size, 0, 0, 0, 0);
}
#endif

/* Blocks are cut from the first chunk: one without room goes @behind it. */
static struct arena_chunk *map_chunk(struct arena *arena, size_t size, bool behind)
{
	long at = restraint_shut_in() ? -EPERM : map(size);
	if (at < 0 && at > -4096)
		return NULL;
	struct arena_chunk *chunk = (struct arena_chunk *)at;
	struct arena_chunk *previous = behind ? arena->chunks : NULL;
	struct arena_chunk **from = previous ? &previous->next : &arena->chunks;
	*chunk = (struct arena_chunk){
		.next = *from, .previous = previous, .size = size, .used = sizeof(*chunk)
	};
	if (chunk->next)
		chunk->next->previous = chunk;
	link_chunk(from, chunk);
	arena->mapped += size;
	return chunk;
}

static void unmap_chunk(struct arena *arena, struct arena_chunk *chunk)
{
	arena->mapped -= chunk->size;
	link_chunk(chunk->previous ? &chunk->previous->next : &arena->chunks, chunk->next);
	if (chunk->next)
		chunk->next->previous = chunk->previous;
	unmap(chunk, chunk->size);
}

void arena_lend(struct arena *arena, void *room, size_t size)
{
	arena->room = room;
	arena->room_size = size;
}

/* What was lent is the first chunk. Return: NULL if a block is too large for it */
ONCE static struct arena_chunk *open_room(struct arena *arena, size_t block_size)
{
	struct arena_chunk *chunk = arena->room;

	if (!chunk || block_size > arena->room_size - sizeof(*chunk))
		return NULL;
	memset(chunk, 0, arena->room_used);
	*chunk = (struct arena_chunk){ .size = arena->room_size, .used = sizeof(*chunk) };
	link_chunk(&arena->chunks, chunk);
	return chunk;
}

static void *alloc_large(struct arena *arena, size_t size)
{
	size_t whole = (size + sizeof(struct arena_chunk) + 4095) & ~(size_t)4095;
	struct arena_chunk *chunk = whole < size ? NULL : map_chunk(arena, whole, true);
	if (!chunk)
		return NULL;
	chunk->used = chunk->size;
	return chunk + 1;
}

ONCE void *arena_alloc(struct arena *arena, size_t size)
{
	size_t block_size;

	if (size > LARGEST)
		return alloc_large(arena, size);
	unsigned class = class_of(size, &block_size);
	void *block = arena->free_blocks[class];
	if (block) {
		memcpy(&arena->free_blocks[class], block, sizeof(void *));
		return memset(block, 0, block_size);
	}
	struct arena_chunk *chunk = arena->chunks;
	if (!chunk)
		chunk = open_room(arena, block_size);
	if (!chunk || chunk->size - chunk->used < block_size)
		chunk = map_chunk(arena, CHUNK, false);
	if (!chunk)
		return NULL;
	block = (char *)chunk + chunk->used;
	chunk->used += block_size;
	return block;
}

void arena_free(struct arena *arena, void *block, size_t size)
{
	size_t block_size;

	if (!block)
		return;
	if (size > LARGEST) {
		unmap_chunk(arena, (struct arena_chunk *)block - 1);
		return;
	}
	unsigned class = class_of(size, &block_size);
	memcpy(block, &arena->free_blocks[class], sizeof(void *));
	arena->free_blocks[class] = block;
}

ONCE void arena_release(struct arena *arena)
{
	struct arena_chunk *next;
	size_t used = arena->room_used;

	for (struct arena_chunk *chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		if (chunk == arena->room)
			used = chunk->used;
		else
			unmap(chunk, chunk->size);
	}
	*arena = (struct arena){ .room = arena->room, .room_size = arena->room_size, .room_used = used };
}
