// SPDX-License-Identifier: Apache-2.0
/* test_spread_sticky - `sticky`: one source for one remote address. */
#include "pool/spread/spread.h"
#include "tests/unit/check.h"
#include "tests/unit/choosing.h"

#include <stdio.h>

TestSuite(spread_sticky, .fini = fake_stop);

static struct address picked(const char *to)
{
	struct choice choice;
	choosing_prepare(to);
	check_number(choosing_choose(&choice), CHOSEN_SOURCE);
	return choice.space->source;
}

Test(spread_sticky, is_the_same_for_each_port_and_in_each_process)
{
	unsigned used[16] = { 0 }, distinct = 0;
	for (unsigned i = 0; i < 200; i++) {
		char to[32];
		choosing_start("10.0.0.1-10.0.0.16", "sticky");
		shim.spreading.random = i;
		snprintf(to, sizeof(to), "10.7.0.%u:80", i + 1);
		struct address source = picked(to);
		snprintf(to, sizeof(to), "10.7.0.%u:443", i + 1);
		struct address again = picked(to);
		check(address_equal(&source, &again));
		used[source.v6.s6_addr[15] - 1]++;
	}
	for (unsigned i = 0; i < 16; i++)
		distinct += used[i] > 2 && used[i] < 40;
	check_number(distinct, 16);
}

Test(spread_sticky, moves_only_what_a_source_that_goes_had)
{
	unsigned moved = 0, had = 0;
	struct address gone = ip("10.0.0.16");
	for (unsigned i = 0; i < 200; i++) {
		char to[32];
		snprintf(to, sizeof(to), "10.7.0.%u:80", i + 1);
		choosing_start("10.0.0.1-10.0.0.16", "sticky");
		struct address before = picked(to);
		choosing_start("10.0.0.1-10.0.0.15", "sticky");
		struct address after = picked(to);
		had += address_equal(&before, &gone);
		moved += !address_equal(&before, &after);
	}
	check_number(moved, had);
}

Test(spread_sticky, fails_over_and_comes_back)
{
	struct choice choice;
	choosing_start("10.0.0.1-10.0.0.4", "sticky");
	for (unsigned i = 0; i < 10; i++)
		check(choosing_take() >= 0);
	check_number(choosing_choose(&choice), CHOSEN_SOURCE);
	struct tuple_space *first = choice.space;
	check_number(first->open, 10);
	spread_full(first, 1000000, 4, choosing.now_ns);
	choosing.now_ns++;
	check_number(choosing_choose(&choice), CHOSEN_SOURCE);
	struct tuple_space *second = choice.space;
	check(second != first);
	check_number(choosing_choose(&choice), CHOSEN_SOURCE);
	check(choice.space == second);
	choosing.now_ns = first->full_until_ns;
	check_number(choosing_choose(&choice), CHOSEN_SOURCE);
	check(choice.space == first);
}
