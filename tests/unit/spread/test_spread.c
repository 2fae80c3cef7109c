// SPDX-License-Identifier: Apache-2.0
/* test_spread - which source the next connection leaves from. */
#include "pool/spread/spread.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <stdio.h>

#define SECOND 1000000000ull
#define TO     "10.0.0.9:80"

static uint64_t now_ns;
static struct destination *destination;

static void prepare(const char *to)
{
	now_ns = fake.now_ns;
	fake_range(40000, 40099, "", 0);
	ledger_refresh_range(&shim.ledger, now_ns);
	destination = program_destination(to);
	destination->rule = settings_rule_for(&shim.settings, &destination->to, shim.process);
	check(spread_prepare(&shim.spreading, destination, &destination->rule->sources));
}

static void start_in(const char *section, const char *sources, const char *spread, const char *to)
{
	char rules[256];
	snprintf(rules, sizeof(rules), "[%s]\nsources = %s\nspread = %s\n", section, sources, spread);
	program_start(rules);
	prepare(to);
}

static void start(const char *sources, const char *spread)
{
	start_in("headroom", sources, spread, TO);
}

static void stop(void)
{
	fake_stop();
}

TestSuite(spread, .fini = stop);

static enum verdict choose(struct choice *choice)
{
	return spread_choose(&shim.spreading, destination, NULL, now_ns, now_ns, choice);
}

/* Chooses and takes a port. Return: index of the source, -1 for the natural one, -2 for none. */
static int take(void)
{
	struct choice choice;
	enum verdict verdict = choose(&choice);

	if (verdict == NONE_LEFT)
		return -2;
	if (choice.space)
		space_taken(choice.space, &shim.ledger.range, now_ns);
	if (verdict == CHOSEN_NATURAL)
		return -1;
	for (unsigned i = 0; i < destination->by_source.count; i++)
		if (slots_get(&destination->by_source, i) == choice.space)
			return (int)i;
	abort(); /* chosen, but not of the list */
}

static struct tuple_space *space_of(unsigned i)
{
	struct address *source = &shim.settings.otherwise.sources.items[i];
	if (!slots_get(&destination->by_source, i))
		check(slots_put(&destination->by_source, &shim.arena, i,
				ledger_space(&shim.ledger, destination, source)));
	return slots_get(&destination->by_source, i);
}

static void set_open(unsigned i, uint32_t open)
{
	space_of(i)->open = open;
	destination->load_valid = false;
}

Test(spread, even_takes_each_source_as_often)
{
	unsigned taken[8] = { 0 };
	start("10.0.0.1-10.0.0.8", "even");
	for (unsigned i = 0; i < 80; i++)
		taken[take()]++;
	for (unsigned i = 0; i < 8; i++)
		check_number(taken[i], 10);
}

Test(spread, even_takes_the_source_with_the_most_headroom)
{
	start("10.0.0.1-10.0.0.4", "even");
	set_open(0, 50);
	set_open(1, 20);
	set_open(2, 49);
	set_open(3, 21);
	check_number(take(), 1);
	set_open(1, 30);
	for (unsigned i = 0; i < 9; i++)
		check_number(take(), 3);
	set_open(2, 0);
	check_number(take(), 2);
}

/* The numbers that lie side by side, against the spaces they stand for. */
Test(spread, what_is_remembered_of_a_source_is_what_it_has_in_use)
{
	unsigned remembered = 0;
	start("10.0.0.1-10.0.0.8", "even");
	for (unsigned i = 0; i < 5000; i++) {
		unsigned which = spreading_random(&shim.spreading) % 8;
		struct tuple_space *space = space_of(which);
		now_ns += spreading_random(&shim.spreading) % 20000000;
		if (space->open && spreading_random(&shim.spreading) % 2)
			space_ended(space,
				    spreading_random(&shim.spreading) % 3 ? ENDED_BY_PEER : ENDED_TIME_WAIT,
				    now_ns);
		else if (space->open && spreading_random(&shim.spreading) % 4 == 0)
			space_released(space);
		else
			check(take() >= 0);
		if (!destination->load_valid || destination->load_tick != ledger_tick(now_ns))
			continue;
		for (unsigned n = 0; n < 8; n++) {
			space = slots_get(&destination->by_source, n);
			if (space && space->load)
				check_number(destination->load[n],
					     space_in_use(space, &shim.ledger.range, now_ns));
		}
		remembered++;
	}
	check(remembered > 1000);
}

Test(spread, time_waits_count_against_a_source)
{
	start("10.0.0.1,10.0.0.2", "even");
	set_open(0, 10);
	for (unsigned i = 0; i < 10; i++)
		space_ended(space_of(0), ENDED_TIME_WAIT, now_ns);
	set_open(1, 5);
	check_number(take(), 1);
	now_ns += 100 * SECOND;
	check_number(take(), 0);
}

Test(spread, processes_start_at_different_sources)
{
	unsigned first[8] = { 0 }, used = 0;
	for (unsigned process = 0; process < 64; process++) {
		start("10.0.0.1-10.0.0.8", "even");
		/* Processes started together differ in the clock's low digits. */
		fake.now_ns += process * 1000;
		shim_restart(&shim);
		prepare(TO);
		first[take()]++;
	}
	for (unsigned i = 0; i < 8; i++)
		used += first[i] != 0;
	check(used >= 6);
}

Test(spread, of_a_long_list_every_source_is_used_and_none_twice_as_much)
{
	start("10.1.0.0/24", "even");
	for (unsigned i = 0; i < 256 * 10; i++)
		check(take() >= 0);
	for (unsigned i = 0; i < 256; i++)
		check(space_of(i)->open >= 5 && space_of(i)->open <= 20);
}

Test(spread, of_a_long_list_the_one_source_that_is_not_full_is_found)
{
	start("10.1.0.0/24", "even");
	for (unsigned i = 0; i < 256; i++)
		if (i != 77)
			spread_full(space_of(i), 1000000, 1, now_ns);
	for (unsigned i = 0; i < 20; i++)
		check_number(take(), 77);
}

Test(spread, a_list_is_prepared_once)
{
	start("10.0.0.1-10.0.0.4", "even");
	set_open(0, 3);
	struct tuple_space *space = slots_get(&destination->by_source, 0);
	check(spread_prepare(&shim.spreading, destination, &shim.settings.otherwise.sources));
	check(slots_get(&destination->by_source, 0) == space);
	/* Another list, such as `auto` found later. */
	struct source_list other = { .items = shim.settings.otherwise.sources.items, .count = 2 };
	check(spread_prepare(&shim.spreading, destination, &other));
	check_number(destination->by_source.count, 2);
	check(slots_get(&destination->by_source, 0) == space && !slots_get(&destination->by_source, 1));
	check_number(take(), 1);
	check(space_of(0) == space);
	check(spread_prepare(&shim.spreading, destination, NULL));
	check_number(destination->by_source.count, 0);
	check_number(take(), -1);
}

Test(spread, a_full_source_is_left_out_until_its_pause_is_over)
{
	struct choice choice;
	start("10.0.0.1,10.0.0.2", "even");
	set_open(1, 90);
	spread_full(space_of(0), 1000000, 2, now_ns);
	now_ns++;
	for (unsigned i = 0; i < 5; i++)
		check_number(take(), 1);
	check_number(choose(&choice), CHOSEN_SOURCE);
	check_number(choice.candidates, 2);
	now_ns = space_of(0)->full_until_ns;
	check_number(take(), 0);
}

Test(spread, a_full_source_is_used_again_when_a_connection_ends)
{
	start("10.0.0.1,10.0.0.2", "even");
	set_open(0, 10);
	set_open(1, 90);
	spread_full(space_of(0), 1000000, 2, now_ns);
	check_number(take(), 1);
	space_ended(space_of(0), ENDED_TIME_WAIT, now_ns);
	check_number(take(), 1);
	space_ended(space_of(0), ENDED_BY_PEER, now_ns);
	check_number(take(), 0);
}

Test(spread, what_this_attempt_found_full_is_not_chosen_again_in_it)
{
	struct choice choice;
	start("10.0.0.1,10.0.0.2", "even\nstrict = yes");
	uint64_t began_ns = now_ns, later_ns = now_ns + 100 * SECOND;
	spread_full(space_of(0), 1, 2, began_ns + 1);
	spread_full(space_of(1), 1, 2, began_ns + 2);
	check_number(spread_choose(&shim.spreading, destination, NULL, began_ns, later_ns, &choice),
		     NONE_LEFT);
	/* The next attempt may. */
	check_number(spread_choose(&shim.spreading, destination, NULL, later_ns, later_ns, &choice),
		     CHOSEN_SOURCE);
}

Test(spread, none_is_left_when_all_are_full)
{
	struct choice choice;
	start("10.0.0.1-10.0.0.3", "even\nstrict = yes");
	for (unsigned i = 0; i < 3; i++)
		for (unsigned n = 0; n < SPREAD_FULL_SURE + 4; n++)
			spread_full(space_of(i), 1000000, 3, now_ns - 1);
	check_number(choose(&choice), NONE_LEFT);
	check_number(choice.candidates, 3);
}

/* A service address with several backends: as many are open as one has ports, and another has some left. */
Test(spread, where_a_refusal_did_not_last_as_many_as_there_are_ports_say_nothing)
{
	start("10.0.0.1", "even\nstrict = yes");
	struct tuple_space *space = space_of(0);
	uint32_t capacity = port_range_capacity(&shim.ledger.range);
	set_open(0, capacity);
	check(spread_full_surely(space, &shim.ledger.range, now_ns));
	spread_full(space, 1, 1, now_ns);
	spread_not_full(space);
	check(!spread_full_surely(space, &shim.ledger.range, now_ns));
	/* So many in a row do. */
	for (unsigned n = 0; n < SPREAD_FULL_SURE; n++) {
		check(!spread_full_surely(space, &shim.ledger.range, now_ns));
		spread_full(space, 1, 1, now_ns);
	}
	check(spread_full_surely(space, &shim.ledger.range, now_ns));
	check(!space->several);
}

Test(spread, a_port_of_ours_that_came_free_is_no_sign_of_several)
{
	start("10.0.0.1", "even\nstrict = yes");
	struct tuple_space *space = space_of(0);
	set_open(0, port_range_capacity(&shim.ledger.range));
	spread_full(space, 1, 1, now_ns);
	space->full_until_ns = 0; /* space_ended() */
	spread_not_full(space);
	check(spread_full_surely(space, &shim.ledger.range, now_ns));
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
	start("10.0.0.1,10.0.0.2", "even");
	set_open(1, 50);
	spread_aside(&shim.spreading, &shim.settings.otherwise.sources.items[0], now_ns);
	uint64_t began_ns = now_ns;
	for (unsigned second = 0; second < 30; second++) {
		now_ns = began_ns + second * SECOND;
		check_number(take(), 1);
	}
	check_number(choose(&choice), CHOSEN_SOURCE);
	check_number(choice.candidates, 1);
	now_ns = began_ns + 30 * SECOND;
	check_number(take(), 0);
}

Test(spread, a_source_without_a_route_is_set_aside_for_its_destination_only)
{
	start("10.0.0.1,10.0.0.2", "even");
	set_open(1, 50);
	space_of(0)->aside_until_ns = now_ns + 30 * SECOND;
	check_number(take(), 1);
	prepare("10.0.0.8:80");
	set_open(1, 50);
	check_number(take(), 0);
}

Test(spread, with_all_sources_aside_the_kernel_chooses)
{
	start("10.0.0.1,10.0.0.2", "even");
	for (unsigned i = 0; i < 2; i++)
		spread_aside(&shim.spreading, &shim.settings.otherwise.sources.items[i], now_ns);
	check_number(take(), -1);
}

Test(spread, more_sources_aside_than_there_is_room_for_do_no_harm)
{
	unsigned aside = 0;
	start("10.1.0.0/24", "even");
	for (unsigned i = 0; i < 200; i++)
		spread_aside(&shim.spreading, &shim.settings.otherwise.sources.items[i], now_ns);
	check_number(shim.spreading.aside_count, ASIDE_MAX);
	for (unsigned i = 0; i < 1000; i++)
		check(take() >= 0);
	for (unsigned i = 0; i < 256; i++)
		aside += space_of(i)->open == 0;
	check_number(aside, ASIDE_MAX);
	/* The places are used again. */
	now_ns += 31 * SECOND;
	spread_aside(&shim.spreading, &shim.settings.otherwise.sources.items[0], now_ns);
	check_number(shim.spreading.aside_count, ASIDE_MAX);
	check_number(shim.spreading.aside[0].until_ns, now_ns + 30 * SECOND);
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

	start_in(section, c->sources, "even", c->to);
	for (unsigned i = 0; i < 4; i++)
		check_number(take(), c->index);
	start_in(section, c->sources, "spill", c->to);
	for (unsigned i = 0; i < 4; i++)
		check_number(take(), c->index);
}

Test(spread, a_rule_for_the_loopback_that_inherits_its_sources_names_none_for_it)
{
	program_start("[headroom]\nsources = 10.0.0.1\n[to 127.0.0.0/8]\nspread = even\n");
	prepare("127.0.0.2:80");
	check_number(take(), -1);
}

static void know_natural(const char *source)
{
	struct address natural = ip(source);
	destination->natural = ledger_space(&shim.ledger, destination, &natural);
	destination->natural_until_ns = now_ns + 1000 * SECOND;
}

Test(spread, spill_takes_the_natural_source_up_to_the_knee_then_the_next)
{
	start("10.0.0.2,10.0.0.3", "spill");
	know_natural("10.0.0.1");
	for (unsigned i = 0; i < 50; i++)
		check_number(take(), -1);
	for (unsigned i = 0; i < 50; i++)
		check_number(take(), 0);
	for (unsigned i = 0; i < 50; i++)
		check_number(take(), 1);
	/* All at the knee: from now on the one with the most headroom. */
	for (unsigned i = 0; i < 150; i++)
		check(take() >= -1);
	check_number(destination->natural->open, 100);
	check_number(space_of(0)->open, 100);
	check_number(space_of(1)->open, 100);
}

Test(spread, spill_goes_back_to_the_natural_source)
{
	start("10.0.0.2", "spill");
	know_natural("10.0.0.1");
	destination->natural->open = 50;
	check_number(take(), 0);
	space_ended(destination->natural, ENDED_BY_PEER, now_ns);
	check_number(take(), -1);
}

Test(spread, spill_takes_the_natural_source_of_the_list_once)
{
	start("10.0.0.1,10.0.0.2", "spill");
	know_natural("10.0.0.1");
	for (unsigned i = 0; i < 50; i++)
		check_number(take(), -1);
	check_number(take(), 1);
}

Test(spread, spill_leaves_a_full_natural_source)
{
	struct choice choice;
	start("10.0.0.2", "spill");
	know_natural("10.0.0.1");
	spread_full(destination->natural, 1000000, 2, now_ns);
	check_number(take(), 0);
	spread_full(space_of(0), 1000000, 2, now_ns);
	check_number(choose(&choice), NONE_LEFT);
	check_number(choice.candidates, 2);
}

/* A refusal before this attempt says little: of a service address with several servers it was one of them. */
Test(spread, spill_asks_the_natural_source_again_until_it_is_sure)
{
	static const char *const ways[] = { "spill", "spill\nstrict = yes" };

	for (unsigned i = 0; i < 2; i++) {
		struct choice choice;
		start("10.0.0.1", ways[i]);
		know_natural("10.0.0.1");
		for (unsigned n = 0; n < SPREAD_FULL_SURE; n++) {
			check_number(choose(&choice), CHOSEN_NATURAL);
			check(choice.space == destination->natural);
			spread_full(destination->natural, 1000000, 1, now_ns - 1);
		}
		check_number(choose(&choice), NONE_LEFT);
		check_number(choose(&choice), CHOSEN_NATURAL);
	}
}

Test(spread, spill_without_a_known_range_has_half_of_the_default_for_a_knee)
{
	start("10.0.0.2", "spill");
	know_natural("10.0.0.1");
	shim.ledger.range = (struct port_range){ 0 };
	destination->natural->open = 14115;
	check_number(take(), -1);
	check_number(take(), 0);
}

Test(spread, spill_without_a_natural_source_takes_the_list)
{
	start("10.0.0.2", "spill");
	check_number(take(), 0);
}

Test(spread, without_spreading_a_full_natural_source_is_known)
{
	struct choice choice;
	start("10.0.0.2", "off");
	know_natural("10.0.0.1");
	check_number(choose(&choice), CHOSEN_NATURAL);
	check(choice.space == destination->natural);
	check_number(choice.candidates, 1);
}

Test(spread, many_destinations_with_a_long_list_take_memory_for_what_they_use)
{
	start("10.4.0.0/20", "even");
	size_t before = shim.arena.mapped;
	for (unsigned n = 0; n < 1000; n++) {
		char to[32];
		snprintf(to, sizeof(to), "10.9.%u.%u:80", n >> 8, n & 255);
		prepare(to);
		check(take() >= 0);
	}
	/* A place in the ledger, one tuple space and its counts, but nothing for each of the 4,096 sources.
	 */
	check(shim.arena.mapped - before < 1000 * 2048);
}

/* A service address with two backends, of which one is full: half of the calls that reach the kernel fail. */
Test(spread, where_half_would_succeed_few_are_refused_unasked)
{
	unsigned unasked = 0, calls = 100000;
	start("10.0.0.1", "off");
	know_natural("10.0.0.1");
	for (unsigned i = 0; i < calls; i++) {
		struct choice choice;
		uint64_t began_ns = now_ns += 1000;
		if (spread_choose(&shim.spreading, destination, NULL, began_ns, now_ns, &choice) == NONE_LEFT)
			unasked++;
		else if (spreading_random(&shim.spreading) % 2)
			spread_full(choice.space, 2500000, 1, now_ns += 500);
		else
			spread_not_full(choice.space);
	}
	cr_assert(unasked < calls / 40, "%u of %u", unasked, calls);
}

Test(spread, where_none_succeeds_few_are_asked)
{
	unsigned asked = 0;
	start("10.0.0.1", "off");
	know_natural("10.0.0.1");
	for (unsigned i = 0; i < 100000; i++) {
		struct choice choice;
		uint64_t began_ns = now_ns += 1000;
		if (spread_choose(&shim.spreading, destination, NULL, began_ns, now_ns, &choice) == NONE_LEFT)
			continue;
		spread_full(choice.space, 2500000, 1, now_ns += 500);
		asked++;
	}
	cr_assert(asked < 1000, "%u", asked);
}

static struct address picked(const char *to)
{
	struct choice choice;
	prepare(to);
	check_number(choose(&choice), CHOSEN_SOURCE);
	return choice.space->source;
}

Test(spread, sticky_is_the_same_for_each_port_and_in_each_process)
{
	unsigned used[16] = { 0 }, distinct = 0;
	for (unsigned i = 0; i < 200; i++) {
		char to[32];
		start("10.0.0.1-10.0.0.16", "sticky");
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

Test(spread, sticky_moves_only_what_a_source_that_goes_had)
{
	unsigned moved = 0, had = 0;
	struct address gone = ip("10.0.0.16");
	for (unsigned i = 0; i < 200; i++) {
		char to[32];
		snprintf(to, sizeof(to), "10.7.0.%u:80", i + 1);
		start("10.0.0.1-10.0.0.16", "sticky");
		struct address before = picked(to);
		start("10.0.0.1-10.0.0.15", "sticky");
		struct address after = picked(to);
		had += address_equal(&before, &gone);
		moved += !address_equal(&before, &after);
	}
	check_number(moved, had);
}

Test(spread, sticky_fails_over_and_comes_back)
{
	struct choice choice;
	start("10.0.0.1-10.0.0.4", "sticky");
	for (unsigned i = 0; i < 10; i++)
		check(take() >= 0);
	check_number(choose(&choice), CHOSEN_SOURCE);
	struct tuple_space *first = choice.space;
	check_number(first->open, 10);
	spread_full(first, 1000000, 4, now_ns);
	now_ns++;
	check_number(choose(&choice), CHOSEN_SOURCE);
	struct tuple_space *second = choice.space;
	check(second != first);
	check_number(choose(&choice), CHOSEN_SOURCE);
	check(choice.space == second);
	now_ns = first->full_until_ns;
	check_number(choose(&choice), CHOSEN_SOURCE);
	check(choice.space == first);
}
