// SPDX-License-Identifier: Apache-2.0
/* test_summary - the usage table printed when a program ends. */
#include "pool/summary.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <stdio.h>

#define TO "10.0.0.9:80"

TestSuite(summary, .fini = fake_stop);

static unsigned lines(void)
{
	unsigned count = 0;
	for (const char *c = fake.output; *c; c++)
		count += *c == '\n';
	return count;
}

Test(summary, a_program_without_connections_gets_none)
{
	program_start("");
	summary_print(&shim);
	check_text(fake.output, "");
}

Test(summary, one_row_for_each_source_the_most_used_first)
{
	program_start("[headroom]\nlog = off\n[to 10.0.0.8]\nsources = 10.0.0.2\n");
	fake.connect_ns = 50000;
	struct program_socket closed = program_socket(AF_INET);
	check_number(program_connect(&closed, "10.0.0.8:80"), 0);
	program_close(&closed);
	for (unsigned i = 0; i < 3; i++)
		check_number(program_connects(AF_INET, TO), 0);
	fake.connect_result = -ECONNREFUSED;
	check_number(program_connects(AF_INET, TO), -ECONNREFUSED);
	shim.ledger.started_ns -= 1000000000; /* by the kernel's own clock */
	*fake.output = '\0';
	summary_print(&shim);
	check_text(fake.output, "headroom: ports used by unit in 1.0 s, of 100 per source and destination\n"
				"destination  source        opened     open time-wait     peak   failed "
				"failovers connect us\n"
				"10.0.0.9:80  10.0.0.1           3        3         0        4        1      "
				"   0         50\n"
				"10.0.0.8:80  10.0.0.2           1        0         1        1        0      "
				"   0         50\n");
}

Test(summary, the_rows_with_the_highest_peaks_are_shown_and_the_rest_counted)
{
	program_start("[headroom]\nlog = off\n");
	for (unsigned i = 1; i <= 30; i++) {
		char to[24];
		snprintf(to, sizeof(to), "10.0.0.9:%u", i * 7 % 31);
		for (unsigned n = 0; n < i * 7 % 31; n++)
			check_number(program_connects(AF_INET, to), 0);
	}
	*fake.output = '\0';
	summary_print(&shim);
	check_number(lines(), 2 + SUMMARY_ROWS + 1);
	const char *row = strchr(strchr(fake.output, '\n') + 1, '\n') + 1;
	for (unsigned i = 30; i > 30 - SUMMARY_ROWS; i--) {
		char start[24];
		snprintf(start, sizeof(start), "10.0.0.9:%u ", i);
		check(!strncmp(row, start, strlen(start)));
		row = strchr(row, '\n') + 1;
	}
	check_text(row, "rows with lower peaks not shown: 10\n");
}

Test(summary, folded_destinations_have_their_rows)
{
	enum { ALL = LEDGER_UNFOLDED_MAX + 40 };
	char note[64];
	program_start("[headroom]\nlog = off\n");
	for (unsigned i = 1; i <= ALL; i++) {
		char to[24];
		snprintf(to, sizeof(to), "10.0.0.9:%u", i);
		struct program_socket many[3] = { program_socket(AF_INET), program_socket(AF_INET),
						  program_socket(AF_INET) };
		for (unsigned n = 0; n < (i == 7 ? 3 : 1); n++)
			check_number(program_connect(&many[n], to), 0);
		for (unsigned n = 0; n < 3; n++)
			program_close(&many[n]);
	}
	check(shim.ledger.folding.count);
	*fake.output = '\0';
	summary_print(&shim);
	check_contains(fake.output, "\n10.0.0.9:7");
	snprintf(note, sizeof(note), "\nrows with lower peaks not shown: %d\n", ALL - SUMMARY_ROWS);
	check_contains(fake.output, note);
}

Test(summary, exhaustion_and_deferral_are_told)
{
	program_start("[headroom]\nlog = off\n");
	fake_limit("10.0.0.1", TO, 1);
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "0.0.0.0:0"), 0);
	check_number(program_connect(&s, TO), 0);
	check_number(program_connects(AF_INET, TO), -EADDRNOTAVAIL);
	*fake.output = '\0';
	summary_print(&shim);
	check_contains(fake.output, "\nconnect() calls that found every source full (EADDRNOTAVAIL): 1\n");
	check_contains(fake.output, "\nbind() calls with port 0 deferred: 1\n");
}

Test(summary, without_proc_the_capacity_is_not_known)
{
	program_start("");
	fake_fail(CALL_OPENAT, ENOENT);
	check_number(program_connects(AF_INET, TO), 0);
	summary_print(&shim);
	check_contains(fake.output, ", of ? per source");
}
