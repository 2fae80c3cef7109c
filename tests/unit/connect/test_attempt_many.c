// SPDX-License-Identifier: Apache-2.0
/* test_attempt_many - a program that goes to one destination after the other, most of which refuse it. */
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <stdio.h>

#define NEW "10.1.0.1:80"

TestSuite(attempt_many, .fini = fake_stop);

/* As many that accept as make it a program with many. */
static void visit_many(void)
{
	char to[32];

	for (unsigned i = 0; i < LEDGER_MANY; i++) {
		snprintf(to, sizeof(to), "10.0.1.%u:80", i + 1);
		check_number(program_connects(AF_INET, to), 0);
	}
	check_number(shim.ledger.count, LEDGER_MANY);
}

static void is_refused(const char *to)
{
	fake.connect_result = -ECONNREFUSED;
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, to), -ECONNREFUSED);
	check(!s.held.tracked->space);
	check_number(s.held.tracked->references, 1);
	program_close(&s);
	fake.connect_result = 0;
}

Test(attempt_many, a_first_connect_that_fails_makes_no_entry_and_no_call)
{
	program_start("");
	visit_many();
	fake.connect_result = -ECONNREFUSED;
	struct program_socket s = program_socket(AF_INET);
	unsigned calls = fake_total_calls();
	check_number(program_connect(&s, NEW), -ECONNREFUSED);
	check_number(fake_total_calls() - calls, 0); /* but for its own connect() */
	check_number(shim.ledger.count, LEDGER_MANY);
	check_number(shim.ledger.folding.count, 1);
}

Test(attempt_many, the_second_that_fails_makes_the_entry_with_both)
{
	program_start("");
	visit_many();
	is_refused(NEW);
	is_refused(NEW);
	check_number(shim.ledger.count, LEDGER_MANY + 1);
	check_number(shim.ledger.folding.count, 0);
	check_number(program_space(NULL, NEW)->use->failed, 2);
	check_number(program_space(NULL, NEW)->open, 0);
}

Test(attempt_many, a_first_connect_that_is_granted_makes_the_entry)
{
	program_start("");
	visit_many();
	check_number(program_connects(AF_INET, NEW), 0);
	check_number(shim.ledger.count, LEDGER_MANY + 1);
	check_number(program_space("10.0.0.1", NEW)->open, 1);
	check_number(program_space("10.0.0.1", NEW)->use->opened, 1);
	check_number(program_destination(NEW)->users, 0);
}

Test(attempt_many, a_first_connect_without_a_port_is_exhaustion)
{
	program_start("");
	visit_many();
	fake_limit("10.0.0.1", NEW, 0);
	check_number(program_connects(AF_INET, NEW), -EADDRNOTAVAIL);
	check_number(program_destination(NEW)->exhausted, 1);
	check_number(program_destination(NEW)->users, 0);
	check_number(shim.ledger.folding.count, 0);
}

Test(attempt_many, with_few_destinations_each_has_its_entry_and_its_source)
{
	program_start("");
	is_refused(NEW);
	check_number(shim.ledger.count, 1);
	check_number(program_space("10.0.0.1", NEW)->use->failed, 1);
}

Test(attempt_many, with_sources_each_has_its_entry)
{
	program_start("[headroom]\nsources = 10.0.0.2,10.0.0.3\n");
	visit_many();
	is_refused(NEW);
	check_number(shim.ledger.count, LEDGER_MANY + 1);
}
