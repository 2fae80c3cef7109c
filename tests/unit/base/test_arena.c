// SPDX-License-Identifier: Apache-2.0
/* test_arena - memory of our own. */
#include "pool/base/arena.h"
#include "tests/unit/check.h"

#include <sys/resource.h>

static struct arena arena;

static bool all_zero(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

Test(arena, blocks_are_zero_aligned_and_apart)
{
	enum { COUNT = 3000 };
	static unsigned char *blocks[COUNT];
	static size_t sizes[COUNT];
	for (unsigned i = 0; i < COUNT; i++) {
		sizes[i] = i % 97 ? (i * 37) % 3000 + 1 : i * 100 + 1;
		blocks[i] = arena_alloc(&arena, sizes[i]);
		check(blocks[i]);
		check_number((uintptr_t)blocks[i] % 16, 0);
		check(all_zero(blocks[i], sizes[i]));
		memset(blocks[i], (int)(i % 255) + 1, sizes[i]);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		check_number(blocks[i][0], i % 255 + 1);
		check_number(blocks[i][sizes[i] - 1], i % 255 + 1);
	}
}

struct one_size {
	size_t size;
};

ParameterizedTestParameters(arena, a_freed_block_comes_back_zeroed)
{
	static struct one_size cases[] = { { 1 },     { 8 },     { 32 },    { 33 },    { 4096 },
					   { 32767 }, { 32768 }, { 32769 }, { 65536 }, { 1 << 20 } };
	return cr_make_param_array(struct one_size, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct one_size *c, arena, a_freed_block_comes_back_zeroed)
{
	unsigned char *block = arena_alloc(&arena, c->size);
	check(block);
	size_t mapped = arena.mapped;
	for (int i = 0; i < 100; i++) {
		memset(block, 0xff, c->size);
		arena_free(&arena, block, c->size);
		block = arena_alloc(&arena, c->size);
		check(block && all_zero(block, c->size));
	}
	check_number(arena.mapped, mapped);
}

Test(arena, a_large_block_goes_back_to_the_kernel)
{
	void *small = arena_alloc(&arena, 100);
	size_t before = arena.mapped;
	void *first = arena_alloc(&arena, 1 << 20), *second = arena_alloc(&arena, 1 << 20),
	     *third = arena_alloc(&arena, 1 << 20);
	check(small && first && second && third);
	check(arena.mapped >= before + 3 * (1 << 20));
	arena_free(&arena, second, 1 << 20);
	arena_free(&arena, first, 1 << 20);
	arena_free(&arena, third, 1 << 20);
	check_number(arena.mapped, before);
}

Test(arena, small_blocks_go_on_in_their_chunk_beside_large_ones)
{
	check(arena_alloc(&arena, 100));
	void *large = arena_alloc(&arena, 1 << 20);
	size_t mapped = arena.mapped;
	for (int i = 0; i < 100; i++)
		check(arena_alloc(&arena, 100));
	check_number(arena.mapped, mapped);
	memset(large, 1, 1 << 20);
}

Test(arena, a_large_block_first_leaves_room_for_small_ones)
{
	unsigned char *large = arena_alloc(&arena, 100000);
	memset(large, 1, 100000);
	unsigned char *small = arena_alloc(&arena, 100);
	check(small && all_zero(small, 100));
	memset(small, 2, 100);
	check_number(large[99999], 1);
	arena_free(&arena, large, 100000);
	check_number(small[99], 2);
}

Test(arena, release_gives_all_back_and_leaves_a_usable_arena)
{
	for (int i = 0; i < 100; i++)
		check(arena_alloc(&arena, 5000) && arena_alloc(&arena, 50000));
	arena_release(&arena);
	check_number(arena.mapped, 0);
	check(!arena.chunks);
	check(arena_alloc(&arena, 100));
	arena_release(&arena);
	arena_release(&arena);
}

Test(arena, what_is_lent_is_used_first_and_again)
{
	static unsigned char room[1024] __attribute__((aligned(16)));
	arena_lend(&arena, room, sizeof(room));
	for (int i = 0; i < 3; i++) {
		unsigned char *first = arena_alloc(&arena, 600);
		check(first > room && first + 600 <= room + sizeof(room));
		check(all_zero(first, 600));
		memset(first, 1, 600);
		unsigned char *second = arena_alloc(&arena, 600);
		check(second + 600 <= room || second >= room + sizeof(room));
		check(all_zero(second, 600));
		memset(second, 1, 600);
		check_number(first[599], 1);
		check(arena.mapped);
		arena_release(&arena);
		check_number(arena.mapped, 0);
	}
	/* What is too large for it is none of it. */
	unsigned char *large = arena_alloc(&arena, 2000);
	check(large + 2000 <= room || large >= room + sizeof(room));
	check(all_zero(large, 2000));
}

Test(arena, freeing_nothing_is_allowed)
{
	arena_free(&arena, NULL, 100);
	arena_free(&arena, NULL, 1 << 20);
	check_number(arena.mapped, 0);
}

Test(arena, no_memory_is_said_so)
{
	struct rlimit before, none;
	check(!arena_alloc(&arena, SIZE_MAX));
	check(!arena_alloc(&arena, SIZE_MAX - 4096));
	check(!arena_alloc(&arena, SIZE_MAX / 2));
	check_number(arena.mapped, 0);
	/* mmap(2) fails beyond RLIMIT_AS, whatever is mapped already. */
	getrlimit(RLIMIT_AS, &before);
	none = before;
	none.rlim_cur = 4096;
	setrlimit(RLIMIT_AS, &none);
	void *small = arena_alloc(&arena, 100), *large = arena_alloc(&arena, 100000);
	setrlimit(RLIMIT_AS, &before);
	check(!small && !large);
	check(arena_alloc(&arena, 100));
}
