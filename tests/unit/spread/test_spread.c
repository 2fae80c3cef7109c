// SPDX-License-Identifier: Apache-2.0
/* test_spread - which source the next connection leaves from. */
#include "pool/spread/spread.h"
#include "tests/unit/check.h"
#include "tests/unit/choosing.h"

#include <stdio.h>

#define SECOND 1000000000ull
#define TO     CHOOSING_TO

TestSuite(spread, .fini = fake_stop);

Test(spread, even_takes_each_source_as_often)
{
	unsigned taken[8] = { 0 };
	choosing_start("10.0.0.1-10.0.0.8", "even");
	for (unsigned i = 0; i < 80; i++)
		taken[choosing_take()]++;
	for (unsigned i = 0; i < 8; i++)
		check_number(taken[i], 10);
}

Test(spread, even_takes_the_source_with_the_most_headroom)
{
	choosing_start("10.0.0.1-10.0.0.4", "even");
	choosing_set_open(0, 50);
	choosing_set_open(1, 20);
	choosing_set_open(2, 49);
	choosing_set_open(3, 21);
	check_number(choosing_take(), 1);
	choosing_set_open(1, 30);
	for (unsigned i = 0; i < 9; i++)
		check_number(choosing_take(), 3);
	choosing_set_open(2, 0);
	check_number(choosing_take(), 2);
}

/* The numbers that lie side by side, against the spaces they stand for. */
Test(spread, what_is_remembered_of_a_source_is_what_it_has_in_use)
{
	unsigned remembered = 0;
	choosing_start("10.0.0.1-10.0.0.8", "even");
	for (unsigned i = 0; i < 5000; i++) {
		unsigned which = spreading_random(&shim.spreading) % 8;
		struct tuple_space *space = choosing_space(which);
		choosing.now_ns += spreading_random(&shim.spreading) % 20000000;
		if (space->open && spreading_random(&shim.spreading) % 2)
			space_ended(space,
				    spreading_random(&shim.spreading) % 3 ? ENDED_BY_PEER : ENDED_TIME_WAIT,
				    choosing.now_ns);
		else if (space->open && spreading_random(&shim.spreading) % 4 == 0)
			space_released(space);
		else
			check(choosing_take() >= 0);
		if (!choosing.destination->load_valid ||
		    choosing.destination->load_tick != ledger_tick(choosing.now_ns))
			continue;
		for (unsigned n = 0; n < 8; n++) {
			space = slots_get(&choosing.destination->by_source, n);
			if (space && space->load)
				check_number(choosing.destination->load[n],
					     space_in_use(space, &shim.ledger.range, choosing.now_ns));
		}
		remembered++;
	}
	check(remembered > 1000);
}

Test(spread, time_waits_count_against_a_source)
{
	choosing_start("10.0.0.1,10.0.0.2", "even");
	choosing_set_open(0, 10);
	for (unsigned i = 0; i < 10; i++)
		space_ended(choosing_space(0), ENDED_TIME_WAIT, choosing.now_ns);
	choosing_set_open(1, 5);
	check_number(choosing_take(), 1);
	choosing.now_ns += 100 * SECOND;
	check_number(choosing_take(), 0);
}

Test(spread, processes_start_at_different_sources)
{
	unsigned first[8] = { 0 }, used = 0;
	for (unsigned process = 0; process < 64; process++) {
		choosing_start("10.0.0.1-10.0.0.8", "even");
		/* Processes started together differ in the clock's low digits. */
		fake.now_ns += process * 1000;
		shim_restart(&shim);
		choosing_prepare(TO);
		first[choosing_take()]++;
	}
	for (unsigned i = 0; i < 8; i++)
		used += first[i] != 0;
	check(used >= 6);
}

Test(spread, of_a_long_list_every_source_is_used_and_none_twice_as_much)
{
	choosing_start("10.1.0.0/24", "even");
	for (unsigned i = 0; i < 256 * 10; i++)
		check(choosing_take() >= 0);
	for (unsigned i = 0; i < 256; i++)
		check(choosing_space(i)->open >= 5 && choosing_space(i)->open <= 20);
}

Test(spread, of_a_long_list_the_one_source_that_is_not_full_is_found)
{
	choosing_start("10.1.0.0/24", "even");
	for (unsigned i = 0; i < 256; i++)
		if (i != 77)
			spread_full(choosing_space(i), 1000000, 1, choosing.now_ns);
	for (unsigned i = 0; i < 20; i++)
		check_number(choosing_take(), 77);
}

Test(spread, a_list_is_prepared_once)
{
	choosing_start("10.0.0.1-10.0.0.4", "even");
	choosing_set_open(0, 3);
	struct tuple_space *space = slots_get(&choosing.destination->by_source, 0);
	check(spread_prepare(&shim.spreading, choosing.destination, &shim.settings.otherwise.sources));
	check(slots_get(&choosing.destination->by_source, 0) == space);
	/* Another list, such as `auto` found later. */
	struct source_list other = { .items = shim.settings.otherwise.sources.items, .count = 2 };
	check(spread_prepare(&shim.spreading, choosing.destination, &other));
	check_number(choosing.destination->by_source.count, 2);
	check(slots_get(&choosing.destination->by_source, 0) == space &&
	      !slots_get(&choosing.destination->by_source, 1));
	check_number(choosing_take(), 1);
	check(choosing_space(0) == space);
	check(spread_prepare(&shim.spreading, choosing.destination, NULL));
	check_number(choosing.destination->by_source.count, 0);
	check_number(choosing_take(), -1);
}

Test(spread, a_full_source_is_left_out_until_its_pause_is_over)
{
	struct choice choice;
	choosing_start("10.0.0.1,10.0.0.2", "even");
	choosing_set_open(1, 90);
	spread_full(choosing_space(0), 1000000, 2, choosing.now_ns);
	choosing.now_ns++;
	for (unsigned i = 0; i < 5; i++)
		check_number(choosing_take(), 1);
	check_number(choosing_choose(&choice), CHOSEN_SOURCE);
	check_number(choice.candidates, 2);
	choosing.now_ns = choosing_space(0)->full_until_ns;
	check_number(choosing_take(), 0);
}

Test(spread, a_full_source_is_used_again_when_a_connection_ends)
{
	choosing_start("10.0.0.1,10.0.0.2", "even");
	choosing_set_open(0, 10);
	choosing_set_open(1, 90);
	spread_full(choosing_space(0), 1000000, 2, choosing.now_ns);
	check_number(choosing_take(), 1);
	space_ended(choosing_space(0), ENDED_TIME_WAIT, choosing.now_ns);
	check_number(choosing_take(), 1);
	space_ended(choosing_space(0), ENDED_BY_PEER, choosing.now_ns);
	check_number(choosing_take(), 0);
}

Test(spread, what_this_attempt_found_full_is_not_chosen_again_in_it)
{
	struct choice choice;
	choosing_start("10.0.0.1,10.0.0.2", "even\nstrict = yes");
	uint64_t began_ns = choosing.now_ns, later_ns = choosing.now_ns + 100 * SECOND;
	spread_full(choosing_space(0), 1, 2, began_ns + 1);
	spread_full(choosing_space(1), 1, 2, began_ns + 2);
	check_number(spread_choose(&shim.spreading, choosing.destination, NULL, began_ns, later_ns, &choice),
		     NONE_LEFT);
	/* The next attempt may. */
	check_number(spread_choose(&shim.spreading, choosing.destination, NULL, later_ns, later_ns, &choice),
		     CHOSEN_SOURCE);
}

Test(spread, none_is_left_when_all_are_full)
{
	struct choice choice;
	choosing_start("10.0.0.1-10.0.0.3", "even\nstrict = yes");
	for (unsigned i = 0; i < 3; i++)
		for (unsigned n = 0; n < SPREAD_FULL_SURE + 4; n++)
			spread_full(choosing_space(i), 1000000, 3, choosing.now_ns - 1);
	check_number(choosing_choose(&choice), NONE_LEFT);
	check_number(choice.candidates, 3);
}

/* A service address with several backends: as many are open as one has ports, and another has some left. */
Test(spread, where_a_refusal_did_not_last_as_many_as_there_are_ports_say_nothing)
{
	choosing_start("10.0.0.1", "even\nstrict = yes");
	struct tuple_space *space = choosing_space(0);
	uint32_t capacity = port_range_capacity(&shim.ledger.range);
	choosing_set_open(0, capacity);
	check(spread_full_surely(space, &shim.ledger.range, choosing.now_ns));
	spread_full(space, 1, 1, choosing.now_ns);
	spread_not_full(space);
	check(!spread_full_surely(space, &shim.ledger.range, choosing.now_ns));
	/* So many in a row do. */
	for (unsigned n = 0; n < SPREAD_FULL_SURE; n++) {
		check(!spread_full_surely(space, &shim.ledger.range, choosing.now_ns));
		spread_full(space, 1, 1, choosing.now_ns);
	}
	check(spread_full_surely(space, &shim.ledger.range, choosing.now_ns));
	check(!space->several);
}

Test(spread, a_port_of_ours_that_came_free_is_no_sign_of_several)
{
	choosing_start("10.0.0.1", "even\nstrict = yes");
	struct tuple_space *space = choosing_space(0);
	choosing_set_open(0, port_range_capacity(&shim.ledger.range));
	spread_full(space, 1, 1, choosing.now_ns);
	space->full_until_ns = 0; /* space_ended() */
	spread_not_full(space);
	check(spread_full_surely(space, &shim.ledger.range, choosing.now_ns));
}

struct pause_case {
	uint64_t cost_ns;
	unsigned candidates;
	uint64_t pause_ns;
};

ParameterizedTestParameters(spread, the_pause_follows_what_asking_costs)
{
	static struct pause_case cases[] = {
		{ 0, 1, 100000 },          { 1000, 1, 100000 },        { 2500000, 1, 40000000 },
		{ 2500000, 8, 320000000 }, { 2500000, 64, 500000000 }, { 3600 * SECOND, 4096, 500000000 },
	};
	return cr_make_param_array(struct pause_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct pause_case *c, spread, the_pause_follows_what_asking_costs)
{
	struct destination to = { 0 };
	struct tuple_space space = { .destination = &to };
	spread_full(&space, c->cost_ns, c->candidates, 5000);
	check_number(space.full_at_ns, 5000);
	check_number(space.full_until_ns, 5000 + c->pause_ns);
}

Test(spread, a_source_set_aside_is_not_used_for_30_s)
{
	struct choice choice;
	choosing_start("10.0.0.1,10.0.0.2", "even");
	choosing_set_open(1, 50);
	spread_aside(&shim.spreading, &shim.settings.otherwise.sources.items[0], choosing.now_ns);
	uint64_t began_ns = choosing.now_ns;
	for (unsigned second = 0; second < 30; second++) {
		choosing.now_ns = began_ns + second * SECOND;
		check_number(choosing_take(), 1);
	}
	check_number(choosing_choose(&choice), CHOSEN_SOURCE);
	check_number(choice.candidates, 1);
	choosing.now_ns = began_ns + 30 * SECOND;
	check_number(choosing_take(), 0);
}

Test(spread, a_source_without_a_route_is_set_aside_for_its_destination_only)
{
	choosing_start("10.0.0.1,10.0.0.2", "even");
	choosing_set_open(1, 50);
	choosing_space(0)->aside_until_ns = choosing.now_ns + 30 * SECOND;
	check_number(choosing_take(), 1);
	choosing_prepare("10.0.0.8:80");
	choosing_set_open(1, 50);
	check_number(choosing_take(), 0);
}

Test(spread, with_all_sources_aside_the_kernel_chooses)
{
	choosing_start("10.0.0.1,10.0.0.2", "even");
	for (unsigned i = 0; i < 2; i++)
		spread_aside(&shim.spreading, &shim.settings.otherwise.sources.items[i], choosing.now_ns);
	check_number(choosing_take(), -1);
}

Test(spread, more_sources_aside_than_there_is_room_for_do_no_harm)
{
	unsigned aside = 0;
	choosing_start("10.1.0.0/24", "even");
	for (unsigned i = 0; i < 200; i++)
		spread_aside(&shim.spreading, &shim.settings.otherwise.sources.items[i], choosing.now_ns);
	check_number(shim.spreading.aside_count, ASIDE_MAX);
	for (unsigned i = 0; i < 1000; i++)
		check(choosing_take() >= 0);
	for (unsigned i = 0; i < 256; i++)
		aside += choosing_space(i)->open == 0;
	check_number(aside, ASIDE_MAX);
	/* The places are used again. */
	choosing.now_ns += 31 * SECOND;
	spread_aside(&shim.spreading, &shim.settings.otherwise.sources.items[0], choosing.now_ns);
	check_number(shim.spreading.aside_count, ASIDE_MAX);
	check_number(shim.spreading.aside[0].until_ns, choosing.now_ns + 30 * SECOND);
}

struct fit_case {
	char sources[64], to[24];
	int index;
	char section[24]; /* of the rule file; empty: for all destinations */
};

ParameterizedTestParameters(spread, sources_of_the_other_family_or_the_loopback_are_none)
{
	static struct fit_case cases[] = {
		{ "fd00::1,10.0.0.1", "10.0.0.9:80", 1, "" },
		{ "10.0.0.1,fd00::1", "[fd00::9]:80", 1, "" },
		{ "10.0.0.1,fd00::1", "[::ffff:10.0.0.9]:80", 0, "" },
		{ "127.0.0.1,10.0.0.1", "10.0.0.9:80", 1, "" },
		{ "127.0.0.1", "127.0.0.2:80", 0, "" },
		{ "10.0.0.1", "127.0.0.2:80", -1, "" },
		{ "10.0.0.1", "127.0.0.2:80", -1, "to *:80" },
		{ "10.0.0.1", "127.0.0.2:80", -1, "to 0.0.0.0/0" },
		{ "10.0.0.1", "127.0.0.2:80", 0, "to 127.0.0.0/8" },
		{ "10.0.0.1,127.0.0.1", "127.0.0.2:80", 1, "" },
		{ "::1,fd00::1", "[fd00::9]:80", 1, "" },
		{ "::1", "[::1]:80", 0, "" },
		{ "fd00::1", "[::1]:80", -1, "" },
		{ "fd00::1", "[::1]:80", 0, "to [::1]:80" },
		{ "fd00::1", "10.0.0.9:80", -1, "" },
		{ "127.0.0.1", "10.0.0.9:80", -1, "" },
	};
	return cr_make_param_array(struct fit_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct fit_case *c, spread, sources_of_the_other_family_or_the_loopback_are_none)
{
	const char *section = *c->section ? c->section : "headroom";

	choosing_start_in(section, c->sources, "even", c->to);
	for (unsigned i = 0; i < 4; i++)
		check_number(choosing_take(), c->index);
	choosing_start_in(section, c->sources, "spill", c->to);
	for (unsigned i = 0; i < 4; i++)
		check_number(choosing_take(), c->index);
}

Test(spread, a_rule_for_the_loopback_that_inherits_its_sources_names_none_for_it)
{
	program_start("[headroom]\nsources = 10.0.0.1\n[to 127.0.0.0/8]\nspread = even\n");
	choosing_prepare("127.0.0.2:80");
	check_number(choosing_take(), -1);
}

Test(spread, without_spreading_a_full_natural_source_is_known)
{
	struct choice choice;
	choosing_start("10.0.0.2", "off");
	choosing_know_natural("10.0.0.1");
	check_number(choosing_choose(&choice), CHOSEN_NATURAL);
	check(choice.space == choosing.destination->natural);
	check_number(choice.candidates, 1);
}

Test(spread, many_destinations_with_a_long_list_take_memory_for_what_they_use)
{
	choosing_start("10.4.0.0/20", "even");
	size_t before = shim.arena.mapped;
	for (unsigned n = 0; n < 1000; n++) {
		char to[32];
		snprintf(to, sizeof(to), "10.9.%u.%u:80", n >> 8, n & 255);
		choosing_prepare(to);
		check(choosing_take() >= 0);
	}
	/* A place in the ledger, one tuple space and its counts, but nothing for each of the 4,096 sources.
	 */
	check(shim.arena.mapped - before < 1000 * 2048);
}

/* A service address with two backends, of which one is full: half of the calls that reach the kernel fail. */
Test(spread, where_half_would_succeed_few_are_refused_unasked)
{
	unsigned unasked = 0, calls = 100000;
	choosing_start("10.0.0.1", "off");
	choosing_know_natural("10.0.0.1");
	for (unsigned i = 0; i < calls; i++) {
		struct choice choice;
		uint64_t began_ns = choosing.now_ns += 1000;
		if (spread_choose(&shim.spreading, choosing.destination, NULL, began_ns, choosing.now_ns,
				  &choice) == NONE_LEFT)
			unasked++;
		else if (spreading_random(&shim.spreading) % 2)
			spread_full(choice.space, 2500000, 1, choosing.now_ns += 500);
		else
			spread_not_full(choice.space);
	}
	cr_assert(unasked < calls / 40, "%u of %u", unasked, calls);
}

Test(spread, where_none_succeeds_few_are_asked)
{
	unsigned asked = 0;
	choosing_start("10.0.0.1", "off");
	choosing_know_natural("10.0.0.1");
	for (unsigned i = 0; i < 100000; i++) {
		struct choice choice;
		uint64_t began_ns = choosing.now_ns += 1000;
		if (spread_choose(&shim.spreading, choosing.destination, NULL, began_ns, choosing.now_ns,
				  &choice) == NONE_LEFT)
			continue;
		spread_full(choice.space, 2500000, 1, choosing.now_ns += 500);
		asked++;
	}
	cr_assert(asked < 1000, "%u", asked);
}
