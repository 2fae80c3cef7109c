// SPDX-License-Identifier: Apache-2.0
/* test_candidates - what has to be known before a source can be chosen, and for how long it counts. */
#include "pool/spread/candidates.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <stdio.h>

#define TO     "10.0.0.9:80"
#define SECOND 1000000000ull
#define SPILL  "[headroom]\nsources = 10.0.0.2\nspread = spill\n"
#define AUTO   "[headroom]\nsources = auto\nspread = even\n"

TestSuite(candidates, .fini = fake_stop);

static void has(const char *address)
{
	fake.addresses[fake.address_count++] =
		(struct fake_interface_address){ .address = ip(address), .interface = 2 };
}

static struct destination *connected(const char *to)
{
	check_number(program_connects(AF_INET, to), 0);
	return program_destination(to);
}

static bool age(const struct destination *d, bool spreads, struct candidates_age *age)
{
	return candidates_age(&shim.spreading, d, spreads, fake.now_ns, age);
}

Test(candidates, without_spreading_nothing_is_looked_up)
{
	struct candidates_age a;
	program_start("");
	check(!age(program_destination(TO), false, &a));
	check_number(program_connects(AF_INET, TO), 0);
	check_number(fake.calls[CALL_OPENAT], 0);
	check_number(shim.ledger.range.high, 0);
}

Test(candidates, the_range_is_looked_up_when_a_destination_gets_busy)
{
	program_start("");
	for (unsigned i = 0; i < 40; i++)
		check_number(program_connects(AF_INET, TO), 0);
	check_number(shim.ledger.range.low, 40000);
	check_number(fake.calls[CALL_OPENAT], 5);
	fake.now_ns += 31 * SECOND;
	check_number(program_connects(AF_INET, TO), 0);
	check_number(fake.calls[CALL_OPENAT], 10);
}

Test(candidates, windows_need_the_range)
{
	program_start("");
	shim.spreading.knee.way = KNEE_WINDOW;
	check_number(program_connects(AF_INET, TO), 0);
	check_number(shim.ledger.range.low, 40000);
}

Test(candidates, spill_asks_for_the_natural_source_every_5_s)
{
	struct candidates_age a;
	program_start(SPILL);
	struct destination *d = connected(TO);
	check_address(&d->natural->source, "10.0.0.1");
	check(!age(d, true, &a));
	fake.now_ns += 5 * SECOND + 1;
	check(age(d, true, &a));
	check(a.natural && !a.list && !a.range);
	fake.natural_v4 = ip("10.0.0.7");
	connected(TO);
	check_address(&d->natural->source, "10.0.0.7");
	check_number(d->natural->open, 1);
}

Test(candidates, auto_is_looked_up_every_30_s)
{
	program_start(AUTO);
	has("10.0.0.1");
	has("10.0.0.2");
	struct destination *d = connected(TO);
	check_number(d->by_source.count, 2);
	has("10.0.0.3");
	fake.now_ns += 29 * SECOND;
	connected(TO);
	check_number(d->by_source.count, 2);
	fake.now_ns += 2 * SECOND;
	connected(TO);
	check_number(d->by_source.count, 3);
	/* The counts of a source stay with it. */
	check_number(program_space("10.0.0.1", TO)->open + program_space("10.0.0.2", TO)->open +
			     (program_space("10.0.0.3", TO) ? program_space("10.0.0.3", TO)->open : 0),
		     3);
}

Test(candidates, one_list_is_kept_for_all_destinations_it_is_for)
{
	program_start(AUTO);
	has("10.0.0.1");
	has("10.0.0.2");
	struct destination *d = connected(TO), *e = connected("10.0.0.8:80");
	check(d->sources == e->sources);
	check_number(shim.spreading.auto_count, 1);
}

Test(candidates, more_lists_than_there_is_room_for_leave_the_choice_to_the_kernel)
{
	program_start(AUTO);
	has("10.0.0.1");
	for (unsigned i = 2; i < 40; i++) {
		char text[24];
		snprintf(text, sizeof(text), "10.0.0.%u", i);
		has(text);
		snprintf(text, sizeof(text), "10.0.1.%u:80", i);
		connected(text);
	}
	check_number(shim.spreading.auto_count, AUTO_LISTS_MAX);
	check(program_destination("10.0.1.2:80")->by_source.count);
	check(!program_destination("10.0.1.39:80")->by_source.count);
}

Test(candidates, an_auto_that_fails_keeps_what_was_known)
{
	program_start(AUTO);
	has("10.0.0.1");
	has("10.0.0.2");
	struct destination *d = connected(TO);
	fake.now_ns += 31 * SECOND;
	fake_fail(CALL_SOCKET, EMFILE);
	connected(TO);
	check_number(d->by_source.count, 2);
	check_contains(fake.output, "event=auto_failed");
	/* It is not tried at every connect(). */
	unsigned calls = fake.calls[CALL_SOCKET];
	connected(TO);
	check_number(fake.calls[CALL_SOCKET], calls);
}

Test(candidates, a_destination_without_a_route_is_no_failure_of_auto)
{
	program_start(AUTO);
	has("10.0.0.1");
	fake.unroutable[fake.unroutable_count++] = fake.natural_v4;
	check_number(program_connects(AF_INET, TO), -ENETUNREACH);
	check(fake.routes_asked);
	check(!strstr(fake.output, "event=auto_failed"));
}

Test(candidates, after_a_fork_meanwhile_nothing_is_entered)
{
	program_start(AUTO);
	has("10.0.0.1");
	struct destination *d = program_destination(TO);
	struct held held = { .generation = shim.lock.generation + 1 };
	struct candidates_age all = { .range = true, .list = true, .natural = true };
	struct events events = { 0 };
	candidates_refresh(&shim.spreading, &held, -1, d, &all, &events, fake.now_ns);
	check(!d->by_source.count && !d->natural);
	check_number(shim.spreading.auto_count, 0);
	check_number(fake_open_fds(), 0);
}
