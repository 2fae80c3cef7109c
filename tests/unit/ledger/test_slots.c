// SPDX-License-Identifier: Apache-2.0
/* test_slots - a destination's tuple spaces by the source's index, in memory for those that are used. */
#include "pool/ledger/ledger.h"
#include "tests/unit/check.h"

static struct arena arena;
static struct slots slots;
static struct tuple_space spaces[5000];

static void start(unsigned count)
{
	check(slots_start(&slots, &arena, count));
	check_number(slots.count, count);
}

static void stop(void)
{
	slots_free(&slots, &arena);
	check(!slots.places && !slots.count);
	arena_release(&arena);
}

TestSuite(slots, .fini = stop);

Test(slots, each_index_has_the_space_that_was_put_there)
{
	for (unsigned count = 1; count <= 200; count++) {
		start(count);
		/* In an order that meets the same places again and again. */
		for (unsigned n = 0; n < count; n++) {
			unsigned i = (n * 97 + 13) % count;
			if (count % 97 == 0)
				i = n;
			check(!slots_get(&slots, i));
			check(slots_put(&slots, &arena, i, &spaces[i]));
			check(slots_get(&slots, i) == &spaces[i]);
		}
		for (unsigned i = 0; i < count; i++)
			check(slots_get(&slots, i) == &spaces[i]);
		slots_free(&slots, &arena);
	}
}

Test(slots, one_that_was_not_put_is_not_found_and_the_search_ends)
{
	start(5000);
	for (unsigned i = 0; i < 5000; i += 16)
		check(slots_put(&slots, &arena, i, &spaces[i]));
	for (unsigned i = 0; i < 5000; i++)
		check(slots_get(&slots, i) == (i % 16 ? NULL : &spaces[i]));
}

Test(slots, a_long_list_takes_memory_for_what_is_used_of_it)
{
	start(4000);
	check_number(slots.size, SLOTS_FIRST);
	check(slots_put(&slots, &arena, 3999, &spaces[3999]));
	check_number(slots.size, SLOTS_FIRST);
	for (unsigned i = 0; i < 100; i++)
		check(slots_put(&slots, &arena, i * 31, &spaces[i]));
	check_number(slots.size, 256);
}
