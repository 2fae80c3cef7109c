// SPDX-License-Identifier: Apache-2.0
/* test_slowness - which tuple spaces are past the knee, as the time that connect() takes there shows. */
#include "pool/spread/slowness.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <stdio.h>

#define TO   "10.0.0.9:80"
#define FOUR "[headroom]\nsources = 10.0.0.1-10.0.0.4\n"

enum { CAPACITY = 20000, FAST = 20000, SLOW = 500000 };

/* Takes SLOW there. */
static const char *slow_source;
static bool waits;

static void start(const char *rules)
{
	program_start(rules);
	fake_range(40000, 40000 + CAPACITY - 1, "", 0);
	ledger_refresh_range(&shim.ledger, fake.now_ns);
	fake.connect_ns = FAST;
	slow_source = NULL;
	waits = false;
}

TestSuite(slowness, .fini = fake_stop);

static int connecting;

static void take_time(void *argument)
{
	struct fake_fd *s = fake_fd(connecting);
	const char *from = slow_source;
	(void)argument;
	struct address source = from ? ip(from) : (struct address){ 0 };
	bool here = from && (address_equal(&s->local.ip, &source) ||
			     (address_is_unset(&s->local.ip) && address_equal(&fake.natural_v4, &source)));
	/* The walk is what the option spares. */
	fake.connect_ns = here && (waits || !s->range) ? SLOW : FAST;
	fake.connect_waits = waits;
}

/* Makes connections. Return: how many of them got the option. */
static unsigned helped(unsigned count)
{
	unsigned with_option = 0;

	fake.meanwhile = take_time;
	for (unsigned i = 0; i < count; i++) {
		struct program_socket s = program_socket(AF_INET);
		connecting = s.fd;
		check_number(program_connect(&s, TO), 0);
		with_option += fake_fd(s.fd)->range == 0xffff0001;
		program_close(&s);
	}
	return with_option;
}

static struct tuple_space *natural(void)
{
	return program_destination(TO)->natural;
}

Test(slowness, a_slow_one_is_a_suspicion_and_the_next_is_measured)
{
	start("");
	helped(1);
	slow_source = "10.0.0.7";
	fake.natural_v4 = ip(slow_source);
	helped(1);
	check_number(natural()->knee, KNEE_SUSPECT);
	check_number(helped(1), 0);
	check_number(natural()->knee, KNEE_PAST);
	check_number(helped(10), 10);
}

Test(slowness, a_network_that_is_slow_is_no_sign)
{
	start("");
	slow_source = "10.0.0.7";
	fake.natural_v4 = ip(slow_source);
	waits = true;
	check_number(helped(100), 0);
}

/* The processor was lost: it is no walk. */
Test(slowness, a_slow_one_and_a_fast_one_are_no_sign)
{
	start("");
	fake.natural_v4 = ip("10.0.0.7");
	for (unsigned i = 0; i < 20; i++) {
		slow_source = "10.0.0.7";
		check_number(helped(1), 0);
		slow_source = NULL;
		check_number(helped(1), 0);
	}
}

Test(slowness, after_its_time_one_is_made_to_find_out)
{
	start("");
	slow_source = "10.0.0.7";
	fake.natural_v4 = ip(slow_source);
	helped(3);
	check_number(helped(5), 5);
	fake.now_ns += KNEE_HELPED_FOR * (uint64_t)SLOW;
	check_number(helped(1), 0);
	check_number(helped(5), 5);
	slow_source = NULL;
	fake.now_ns += KNEE_HELPED_FOR * (uint64_t)SLOW;
	check_number(helped(5), 0);
	check_number(natural()->knee, 0);
	check(!program_destination(TO)->knee_past);
}

/* However many sources are past it, the time spent to find out is the same. */
Test(slowness, one_at_a_time_finds_out)
{
	start(FOUR);
	helped(4);
	for (unsigned i = 1; i <= 4; i++) {
		char source[16];
		snprintf(source, sizeof(source), "10.0.0.%u", i);
		struct tuple_space *s = program_space(source, TO);
		s->knee = KNEE_PAST;
	}
	program_destination(TO)->knee_past = true;
	slow_source = "10.0.0.7";
	fake.now_ns += 1;
	unsigned unhelped = 40 - helped(40);
	check(unhelped >= 1);
	/* Fast ones clear the mark, each in its turn. */
	check_number(helped(10), 0);
}

Test(slowness, each_source_is_past_it_by_itself)
{
	start(FOUR);
	slow_source = "10.0.0.3";
	helped(16);
	for (unsigned i = 1; i <= 4; i++) {
		char source[16];
		snprintf(source, sizeof(source), "10.0.0.%u", i);
		check_number(program_space(source, TO)->knee & KNEE_PAST, i == 3 ? KNEE_PAST : 0);
	}
}

Test(slowness, even_turns_away_and_comes_back)
{
	start(FOUR);
	slow_source = "10.0.0.3";
	helped(16);
	uint64_t opened = program_space("10.0.0.3", TO)->use->opened;
	helped(100);
	check_number(program_space("10.0.0.3", TO)->use->opened, opened);
	slow_source = NULL;
	/* Past its time, and into the next tick, in which the loads are worked out anew. */
	fake.now_ns += 1ull << 33;
	helped(8);
	check(program_space("10.0.0.3", TO)->use->opened > opened);
	helped(100);
	check(program_space("10.0.0.3", TO)->use->opened > opened + 10);
}

Test(slowness, spill_goes_on_to_the_next)
{
	start("[headroom]\nsources = 10.0.0.1-10.0.0.4\nspread = spill\n");
	slow_source = "10.0.0.7";
	fake.natural_v4 = ip(slow_source);
	helped(2);
	uint64_t opened = natural()->use->opened;
	helped(50);
	check_number(natural()->use->opened, opened);
	check_number(program_space("10.0.0.1", TO)->use->opened, 50);
}

/* Its walk is that of its own range. */
Test(slowness, a_socket_with_a_range_of_its_own_says_nothing)
{
	start("");
	helped(2);
	fake.connect_ns = SLOW;
	fake.meanwhile = NULL;
	for (unsigned i = 0; i < 8; i++) {
		struct program_socket s = program_socket(AF_INET);
		s.held.tracked->flags |= OWN_RANGE;
		check_number(program_connect(&s, TO), 0);
	}
	check_number(helped(10), 0);
}

Test(slowness, where_the_source_is_not_known_it_is_most_likely_the_last_one)
{
	start("");
	slow_source = "10.0.0.7";
	fake.natural_v4 = ip(slow_source);
	helped(3);
	program_destination(TO)->natural_until_ns = 0;
	check_number(helped(1), 1);
}

/* Whatever took so long, it was no walk over 50 ports. */
Test(slowness, in_a_small_range_nothing_is_a_sign)
{
	start("");
	fake_range(40000, 40099, "", 0);
	ledger_refresh_range(&shim.ledger, fake.now_ns);
	slow_source = "10.0.0.7";
	fake.natural_v4 = ip(slow_source);
	check_number(helped(20), 0);
}

/* A walk over 1,000 ports takes no longer than the machine may take from a thread at any time. */
Test(slowness, in_a_range_of_some_thousand_one_is_no_sign_and_two_are)
{
	start("");
	fake_range(40000, 41999, "", 0);
	ledger_refresh_range(&shim.ledger, fake.now_ns);
	fake.natural_v4 = ip("10.0.0.7");
	helped(1);
	for (unsigned i = 0; i < 20; i++) {
		slow_source = "10.0.0.7";
		check_number(helped(2), 0);
		slow_source = NULL;
		check_number(helped(1), 0);
	}
	slow_source = "10.0.0.7";
	check_number(helped(3), 0);
	check_number(helped(5), 5);
}

/* Without sources the range is looked up when it matters. */
Test(slowness, what_was_a_sign_before_a_small_range_was_known_is_none)
{
	program_start("");
	fake_range(40000, 40399, "", 0);
	slow_source = "10.0.0.7";
	fake.natural_v4 = ip(slow_source);
	waits = false;
	check_number(helped(2), 0);
	check_number(shim.ledger.range.high, 0);
	check(natural()->knee & KNEE_PAST);
	check_number(helped(20), 0);
	check_number(shim.ledger.range.high, 40399);
	check(!program_destination(TO)->knee_past);
}
