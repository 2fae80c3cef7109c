// SPDX-License-Identifier: Apache-2.0
/* test_events - what is worth a log line, and how often. */
#include "pool/spread/events.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>

#define TO     "10.0.0.9:80"
#define SECOND 1000000000ull

static struct events events;
static struct tuple_space *space;

static void start_with(const char *rules)
{
	struct address source = ip("10.0.0.1");
	program_start(rules);
	ledger_refresh_range(&shim.ledger, fake.now_ns);
	space = ledger_space(&shim.ledger, program_destination(TO), &source);
}

static void start(void)
{
	start_with("");
}

TestSuite(events, .init = start, .fini = fake_stop);

static void use(uint32_t open)
{
	space->open = open;
	events_use_changed(&shim.spreading.journal, &events, space, fake.now_ns);
	events_write(&shim.spreading.journal, &events);
}

static unsigned lines(const char *part)
{
	unsigned count = 0;
	for (const char *at_part = fake.output; (at_part = strstr(at_part, part)); at_part++)
		count++;
	return count;
}

Test(events, each_step_gets_one_line)
{
	for (uint32_t open = 1; open <= 100; open++)
		use(open);
	check_number(lines("event=threshold"), 3);
	check_number(lines("percent=50 in_use=50 capacity=100 open=50 time_wait=0"), 1);
	check_number(lines("percent=80 in_use=80 "), 1);
	check_number(lines("percent=95 in_use=95 "), 1);
	check_number(lines("level=warn"), 3);
	check_number(lines("destination=10.0.0.9:80 source=10.0.0.1"), 3);
	check_number(lines("msg=\"50% of the ports from this source to this destination are in use\""), 1);
}

Test(events, going_up_and_down_around_a_step_is_one_line)
{
	for (unsigned i = 0; i < 100; i++) {
		use(49);
		use(50);
	}
	check_number(lines("event="), 1);
}

Test(events, what_siblings_have_counts)
{
	space->others = 75;
	use(4);
	check_number(lines("event=threshold"), 1);
	check_number(lines("percent=50 in_use=79 capacity=100 open=4 "), 1);
	use(5);
	check_number(lines("percent=80 in_use=80 capacity=100 open=5 "), 1);
	space->others = 10;
	use(6);
	check_number(lines("event=recovered"), 1);
	/* From here on our own count is enough to tell that nothing is to be said. */
	check_number(space->quiet_below, 0);
	use(6);
	check_number(space->quiet_below, 40);
	space->others = 60;
	space->quiet_below = 0;
	use(7);
	check_number(lines("percent=50 in_use=67 "), 1);
}

Test(events, a_jump_names_the_highest_step)
{
	use(97);
	check_number(lines("event="), 1);
	check_number(lines("percent=95"), 1);
}

Test(events, recovery_is_said_once_and_starts_anew)
{
	use(96);
	use(41);
	check_number(lines("event=recovered"), 0);
	use(39);
	use(38);
	check_number(lines("event=recovered"), 1);
	check_number(lines("in_use=39"), 1);
	use(50);
	check_number(lines("percent=50"), 1);
}

Test(events, time_waits_count)
{
	space->open = 50;
	for (unsigned i = 0; i < 30; i++)
		space_ended(space, ENDED_TIME_WAIT, fake.now_ns);
	events_use_changed(&shim.spreading.journal, &events, space, fake.now_ns);
	events_write(&shim.spreading.journal, &events);
	check_number(lines("in_use=50 capacity=100 open=20 time_wait=30"), 1);
}

struct steps_case {
	char rules[40];
	unsigned lines_up, recovered;
};

ParameterizedTestParameters(events, the_steps_are_the_user_s)
{
	static struct steps_case cases[] = {
		{ "[headroom]\nwarn_at = 70\n", 1, 1 },
		{ "[headroom]\nwarn_at = 20, 30\n", 2, 1 },
		{ "[headroom]\nwarn_at = 10, 50\n", 2, 1 },
		{ "[headroom]\nwarn_at = 1\n", 1, 1 },
		{ "[headroom]\nwarn_at = 100\n", 1, 1 },
		{ "[headroom]\nwarn_at =\n", 0, 0 },
		{ "[headroom]\nwarn_at = 1,2,3,4,5,6,7,8\n", 8, 1 },
	};
	return cr_make_param_array(struct steps_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct steps_case *c, events, the_steps_are_the_user_s)
{
	start_with(c->rules);
	for (uint32_t open = 0; open <= 100; open++)
		use(open);
	check_number(lines("event=threshold"), c->lines_up);
	use(0);
	check_number(lines("event=recovered"), c->recovered);
}

Test(events, without_a_known_range_there_are_no_steps)
{
	shim.ledger.range = (struct port_range){ 0 };
	use(10000);
	check_text(fake.output, "");
}

Test(events, a_failover_a_second_has_a_line_and_the_others_are_counted)
{
	for (unsigned i = 0; i < 10; i++) {
		events_failover(&shim.spreading.journal, &events, space, fake.now_ns);
		events_write(&shim.spreading.journal, &events);
	}
	check_number(lines("event=failover"), 1);
	check_number(lines("repeats="), 0);
	fake.now_ns += SECOND;
	events_failover(&shim.spreading.journal, &events, space, fake.now_ns);
	events_write(&shim.spreading.journal, &events);
	check_number(lines("event=failover"), 2);
	check_number(lines("repeats=9"), 1);
	/* Another destination has lines of its own. */
	struct address source = ip("10.0.0.1");
	struct tuple_space *other = ledger_space(&shim.ledger, program_destination("10.0.0.8:80"), &source);
	events_failover(&shim.spreading.journal, &events, other, fake.now_ns);
	events_write(&shim.spreading.journal, &events);
	check_number(lines("event=failover"), 3);
}

static void exhaust(unsigned sources)
{
	space->destination->exhausted++;
	events_exhausted(&shim.spreading.journal, &events, space->destination, sources, fake.now_ns);
	events_write(&shim.spreading.journal, &events);
}

Test(events, exhaustion_has_a_line_in_5_s_and_the_others_are_counted)
{
	space->open = 100;
	space->full_at_ns = fake.now_ns;
	for (unsigned i = 0; i < 1000; i++)
		exhaust(1);
	check_number(lines("event=exhausted"), 1);
	check_number(lines("level=error"), 1);
	check_number(lines("destination=10.0.0.9:80 source=10.0.0.1 sources=1 in_use=100 capacity=100"), 1);
	check_number(lines("other programs"), 0);
	fake.now_ns += 5 * SECOND;
	exhaust(1);
	check_number(lines("event=exhausted"), 2);
	check_number(lines("repeats="), 1);
	check_number(lines("repeats=999"), 1);
}

Test(events, exhaustion_of_several_sources_is_summed)
{
	struct address second = ip("10.0.0.2");
	struct tuple_space *other = ledger_space(&shim.ledger, space->destination, &second);
	space->open = 100;
	other->open = 60;
	space->full_at_ns = other->full_at_ns = fake.now_ns;
	exhaust(2);
	check_contains(fake.output, "destination=10.0.0.9:80 sources=2 in_use=160 capacity=200 open=160");
	check_contains(fake.output, "other programs hold or block the rest");
	check_number(lines("source=10"), 0);
}

Test(events, a_source_set_aside_has_a_reason)
{
	struct address source = ip("10.0.0.5");
	events_aside(&shim.spreading.journal, &events, &source, NULL, EADDRNOTAVAIL, fake.now_ns);
	events_write(&shim.spreading.journal, &events);
	check_contains(fake.output, "event=source_aside source=10.0.0.5 msg=\"source cannot be used "
				    "(Cannot assign requested address); set aside for 30 s\"");
	check_number(lines("destination="), 0);
}

Test(events, a_destination_none_of_the_sources_fits_is_told_at_info_once)
{
	start_with("[headroom]\nsources = 10.0.0.2\nlog_level = info\n");
	for (unsigned i = 0; i < 3; i++)
		check_number(program_connects(AF_INET6, "[fd00::9]:80"), 0);
	check_number(lines("level=info"), 1);
	check_number(lines("event=no_source destination=[fd00::9]:80"), 1);
	start_with("[headroom]\nsources = 10.0.0.2\n");
	check_number(program_connects(AF_INET6, "[fd00::9]:80"), 0);
	check_text(fake.output, "");
}

Test(events, an_auto_that_fails_has_a_reason)
{
	start_with("[headroom]\nsources = auto\n");
	fake_fail(CALL_SENDTO, EPERM);
	for (unsigned i = 0; i < 3; i++)
		check_number(program_connects(AF_INET, TO), 0);
	check_number(lines("event=auto_failed destination=10.0.0.9:80"), 1);
	check_contains(fake.output, "(Operation not permitted)");
}

Test(events, more_than_there_is_room_for_in_one_attempt_are_dropped)
{
	struct address source = ip("10.0.0.5");
	for (unsigned i = 0; i < 2 * EVENTS_HELD; i++)
		events_aside(&shim.spreading.journal, &events, &source, NULL, EADDRNOTAVAIL, fake.now_ns);
	check_number(events.count, EVENTS_HELD);
	events_write(&shim.spreading.journal, &events);
	check_number(lines("event="), EVENTS_HELD);
	check_number(events.count, 0);
}

Test(events, lines_of_any_kind_are_limited_and_the_rest_is_counted)
{
	struct address source = ip("10.0.0.5");
	for (unsigned i = 0; i < 100; i++) {
		events_aside(&shim.spreading.journal, &events, &source, NULL, EADDRNOTAVAIL, fake.now_ns);
		events_write(&shim.spreading.journal, &events);
	}
	check_number(lines("event="), LOG_BURST);
	fake.now_ns += SECOND;
	events_aside(&shim.spreading.journal, &events, &source, NULL, EADDRNOTAVAIL, fake.now_ns);
	events_write(&shim.spreading.journal, &events);
	check_contains(fake.output, "suppressed=80");
}

Test(events, lines_that_are_not_wanted_use_up_no_room_for_those_that_are)
{
	struct address source = ip("10.0.0.5");
	start_with("[headroom]\nlog_level = error\n");
	for (unsigned i = 0; i < 100; i++) {
		events_aside(&shim.spreading.journal, &events, &source, NULL, EADDRNOTAVAIL, fake.now_ns);
		events_write(&shim.spreading.journal, &events);
	}
	check_text(fake.output, "");
	exhaust(1);
	check_number(lines("event=exhausted"), 1);
}

Test(events, with_the_log_off_nothing_is_held)
{
	start_with("[headroom]\nlog = off\n");
	use(96);
	events_failover(&shim.spreading.journal, &events, space, fake.now_ns);
	exhaust(1);
	check_number(events.count, 0);
	check_number(fake.calls[CALL_WRITE], 0);
}

Test(events, a_program_that_runs_full_sees_the_whole_story)
{
	program_start("[headroom]\nsources = 10.0.0.2,10.0.0.3\nstrict = yes\n");
	fake.connect_ns = 1000000;
	check_number(program_fills(AF_INET, TO), 200);
	check_number(lines("event=threshold"), 6);
	check_number(lines("event=failover"), 1);
	check_number(lines("event=exhausted"), 1);
	check_contains(fake.output, "sources=2 in_use=200 capacity=200 open=200 time_wait=0");
}
