// SPDX-License-Identifier: Apache-2.0
/* test_named - TIME_WAITs at ports that the program has named itself, and connects again. */
#include "pool/connect/ending.h"
#include "pool/ledger/named.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#define TO      "10.0.0.9:80"
#define OTHER   "10.0.0.8:80"
#define SOURCE  "10.0.0.1"
#define TICK_NS (1ull << 32)

TestSuite(named, .fini = fake_stop);

/* A connection from a named port, and its end: a TIME_WAIT. */
static void comes_and_goes(const char *local, const char *to)
{
	struct program_socket s = program_socket(AF_INET);

	check_number(program_bind(&s, local), 0);
	check_number(program_connect(&s, to), 0);
	program_close(&s);
}

static uint32_t waits(const char *to)
{
	return space_time_wait(program_space(SOURCE, to), fake.now_ns);
}

Test(named, a_time_wait_that_is_taken_over_is_counted_once)
{
	program_start("");
	for (unsigned i = 0; i < 3; i++) {
		comes_and_goes(SOURCE ":5010", TO);
		check_number(waits(TO), 1);
		check_number(shim.ledger.waits.sum, 1);
		fake.now_ns += 3 * TICK_NS;
	}
	check_number(program_space(SOURCE, TO)->use->closed_by_us, 3);
	comes_and_goes(SOURCE ":5011", TO);
	check_number(waits(TO), 2);
	/* The same port to another destination is another one. */
	comes_and_goes(SOURCE ":5010", OTHER);
	check_number(waits(TO), 2);
	check_number(waits(OTHER), 1);
}

Test(named, while_it_is_open_there_is_one_port_in_use)
{
	program_start("");
	comes_and_goes(SOURCE ":5010", TO);
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, SOURCE ":5010"), 0);
	check_number(program_connect(&s, TO), 0);
	struct tuple_space *space = program_space(SOURCE, TO);
	check_number(space_in_use(space, &shim.ledger.range, fake.now_ns), 1);
}

Test(named, after_60_s_there_is_nothing_to_take_over)
{
	program_start("");
	comes_and_goes(SOURCE ":5010", TO);
	fake.now_ns += 20 * TICK_NS;
	comes_and_goes(SOURCE ":5011", TO);
	comes_and_goes(SOURCE ":5010", TO);
	check_number(waits(TO), 2);
}

Test(named, a_port_of_the_kernel_s_choice_is_none)
{
	program_start("");
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	program_close(&s);
	check(!named_is_any(&shim.ledger));
}

/* There are more than are remembered: those that were not are counted for their 60 s. */
Test(named, of_very_many_the_latest_are_known)
{
	program_start("");
	comes_and_goes(SOURCE ":20000", TO);
	struct tuple_space *space = program_space(SOURCE, TO);
	for (unsigned port = 1; port < 5000; port++)
		named_waits(&shim.ledger, space, (uint16_t)port);
	space_taken(space, &shim.ledger.range, fake.now_ns);
	check(space_ended(space, ENDED_TIME_WAIT, fake.now_ns));
	named_taken(&shim.ledger, space, 4999, fake.now_ns);
	check_number(waits(TO), 1);
	named_taken(&shim.ledger, space, 4999, fake.now_ns);
	check_number(waits(TO), 1);
}
