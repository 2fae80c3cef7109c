// SPDX-License-Identifier: Apache-2.0
/* test_spread_spill - `spill`: the kernel's own choice up to the knee, then each source in the order of the
 * list. */
#include "pool/spread/spread.h"
#include "tests/unit/check.h"
#include "tests/unit/choosing.h"

TestSuite(spread_spill, .fini = fake_stop);

Test(spread_spill, takes_the_natural_source_up_to_the_knee_then_the_next)
{
	choosing_start("10.0.0.2,10.0.0.3", "spill");
	choosing_know_natural("10.0.0.1");
	for (unsigned i = 0; i < 50; i++)
		check_number(choosing_take(), -1);
	for (unsigned i = 0; i < 50; i++)
		check_number(choosing_take(), 0);
	for (unsigned i = 0; i < 50; i++)
		check_number(choosing_take(), 1);
	/* All at the knee: from now on the one with the most headroom. */
	for (unsigned i = 0; i < 150; i++)
		check(choosing_take() >= -1);
	check_number(choosing.destination->natural->open, 100);
	check_number(choosing_space(0)->open, 100);
	check_number(choosing_space(1)->open, 100);
}

Test(spread_spill, goes_back_to_the_natural_source)
{
	choosing_start("10.0.0.2", "spill");
	choosing_know_natural("10.0.0.1");
	choosing.destination->natural->open = 50;
	check_number(choosing_take(), 0);
	space_ended(choosing.destination->natural, ENDED_BY_PEER, choosing.now_ns);
	check_number(choosing_take(), -1);
}

Test(spread_spill, takes_the_natural_source_of_the_list_once)
{
	choosing_start("10.0.0.1,10.0.0.2", "spill");
	choosing_know_natural("10.0.0.1");
	for (unsigned i = 0; i < 50; i++)
		check_number(choosing_take(), -1);
	check_number(choosing_take(), 1);
}

Test(spread_spill, leaves_a_full_natural_source)
{
	struct choice choice;
	choosing_start("10.0.0.2", "spill");
	choosing_know_natural("10.0.0.1");
	spread_full(choosing.destination->natural, 1000000, 2, choosing.now_ns);
	check_number(choosing_take(), 0);
	spread_full(choosing_space(0), 1000000, 2, choosing.now_ns);
	check_number(choosing_choose(&choice), NONE_LEFT);
	check_number(choice.candidates, 2);
}

/* A refusal before this attempt says little: of a service address with several servers it was one of them. */
Test(spread_spill, asks_the_natural_source_again_until_it_is_sure)
{
	static const char *const ways[] = { "spill", "spill\nstrict = yes" };

	for (unsigned i = 0; i < 2; i++) {
		struct choice choice;
		choosing_start("10.0.0.1", ways[i]);
		choosing_know_natural("10.0.0.1");
		for (unsigned n = 0; n < SPREAD_FULL_SURE; n++) {
			check_number(choosing_choose(&choice), CHOSEN_NATURAL);
			check(choice.space == choosing.destination->natural);
			spread_full(choosing.destination->natural, 1000000, 1, choosing.now_ns - 1);
		}
		check_number(choosing_choose(&choice), NONE_LEFT);
		check_number(choosing_choose(&choice), CHOSEN_NATURAL);
	}
}

Test(spread_spill, without_a_known_range_has_half_of_the_default_for_a_knee)
{
	choosing_start("10.0.0.2", "spill");
	choosing_know_natural("10.0.0.1");
	shim.ledger.range = (struct port_range){ 0 };
	choosing.destination->natural->open = 14115;
	check_number(choosing_take(), -1);
	check_number(choosing_take(), 0);
}

Test(spread_spill, without_a_natural_source_takes_the_list)
{
	choosing_start("10.0.0.2", "spill");
	check_number(choosing_take(), 0);
}
