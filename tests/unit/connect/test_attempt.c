// SPDX-License-Identifier: Apache-2.0
/* test_attempt - one outgoing connect(): source, knee, failover, exhaustion, and what is left alone. */
#include "pool/spread/slowness.h"
#include "pool/spread/spread.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <stdio.h>

#define TO "10.0.0.9:80"

TestSuite(attempt, .fini = fake_stop);

static unsigned asked(void)
{
	return fake.calls[CALL_SETSOCKOPT] + fake.calls[CALL_BIND];
}

Test(attempt, without_configuration_the_source_is_the_kernel_s)
{
	program_start("");
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.1");
	check_number(fake.calls[CALL_BIND], 0);
	check_number(fake_fd(s.fd)->no_port, 0);
	check_number(fake_fd(s.fd)->range, 0);
	check_number(s.held.tracked->state, SOCKET_OPEN);
	struct tuple_space *space = program_space("10.0.0.1", TO);
	check(space && s.held.tracked->space == space);
	check_number(space->open, 1);
	check_number(space->use->opened, 1);
	check_number(program_destination(TO)->users, 0);
	check_number(s.held.tracked->references, 1);
}

Test(attempt, time_in_connect_is_counted)
{
	program_start("");
	fake.connect_ns = 1234;
	check_number(program_connects(AF_INET, TO), 0);
	check_number(program_connects(AF_INET, TO), 0);
	struct tuple_space *space = program_space("10.0.0.1", TO);
	check_number(space->use->connect_ns, 2468);
}

Test(attempt, where_a_rule_says_off_it_costs_nothing)
{
	program_start("[to 10.0.0.9]\nshim = off\n[headroom]\nsources = 10.0.0.2\n");
	struct program_socket s = program_socket(AF_INET);
	unsigned before = fake_total_calls();
	check_number(program_connect(&s, TO), 0);
	check_number(fake_total_calls(), before);
	check_number(shim.ledger.count, 0);
	check_number(s.held.tracked->references, 1);
	check(shim_enter(&shim));
}

Test(attempt, a_rule_is_for_its_destination)
{
	program_start("[to 10.0.0.8]\nsources = 10.0.0.2\n");
	struct program_socket s = program_socket(AF_INET), t = program_socket(AF_INET);
	check_number(program_connect(&s, "10.0.0.8:80"), 0);
	check_number(program_connect(&t, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.2");
	check_address(&fake_fd(t.fd)->local.ip, "10.0.0.1");
}

struct family_case {
	int family;
	char to[24], sources[48], first[24];
};

ParameterizedTestParameters(attempt, k_sources_reach_k_times_the_capacity)
{
	static struct family_case cases[] = {
		{ AF_INET, "10.0.0.9:80", "10.0.0.2-10.0.0.5", "10.0.0.2" },
		{ AF_INET6, "[fd00::9]:80", "fd00::2-fd00::5", "fd00::2" },
		{ AF_INET6, "10.0.0.9:80", "10.0.0.2-10.0.0.5", "10.0.0.2" },
		{ AF_INET, "127.0.0.1:80", "127.0.0.2-127.0.0.5", "127.0.0.2" },
	};
	return cr_make_param_array(struct family_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct family_case *c, attempt, k_sources_reach_k_times_the_capacity)
{
	char rules[96];
	snprintf(rules, sizeof(rules), "[headroom]\nsources = %s\nstrict = yes\n", c->sources);
	program_start(rules);
	check_number(program_fills(c->family, c->to), 400);
	struct address source = ip(c->first);
	for (unsigned i = 0; i < 4; i++, source = address_next(&source)) {
		char text[ADDRESS_TEXT_MAX];
		check_number(program_space(address_format(&source, text), c->to)->open, 100);
	}
}

Test(attempt, at_the_end_of_the_list_the_kernel_s_choice_is_used)
{
	program_start("[headroom]\nsources = 10.0.0.2,10.0.0.3\n");
	check_number(program_fills(AF_INET, TO), 300);
	check_number(program_space("10.0.0.1", TO)->open, 100);
	check_number(program_space("10.0.0.2", TO)->open, 100);
	check_number(program_destination(TO)->exhausted, 1);
}

Test(attempt, at_the_end_of_the_list_the_kernel_s_choice_is_used_once)
{
	program_start("[headroom]\nsources = 10.0.0.1,10.0.0.2\n");
	check_number(program_fills(AF_INET, TO), 200);
}

Test(attempt, where_the_rule_is_strict_the_list_is_all_there_is)
{
	program_start("[headroom]\nsources = 10.0.0.2,10.0.0.3\nstrict = yes\n");
	check_number(program_fills(AF_INET, TO), 200);
	check(!program_space("10.0.0.1", TO));
	/* What the list does not serve is not its matter. */
	check_number(program_connects(AF_INET6, "[fd00::9]:80"), 0);
}

Test(attempt, strict_holds_where_no_source_can_be_bound)
{
	program_start("[headroom]\nsources = 10.0.0.2,10.0.0.3\nstrict = yes\n");
	fake.not_local[fake.not_local_count++] = ip("10.0.0.2");
	fake.not_local[fake.not_local_count++] = ip("10.0.0.3");
	check_number(program_connects(AF_INET, TO), -EADDRNOTAVAIL);
	/* It is not for want of a port. */
	check_contains(fake.output, "event=exhausted destination=10.0.0.9:80 sources=0");
	check_contains(fake.output, "all sources are set aside");
	check(!strstr(fake.output, "no port left"));
}

Test(attempt, spill_reaches_the_natural_source_and_the_list)
{
	program_start("[headroom]\nsources = 10.0.0.2-10.0.0.4\nspread = spill\n");
	check_number(program_fills(AF_INET, TO), 400);
}

Test(attempt, auto_reaches_all_addresses_of_the_interface)
{
	program_start("[headroom]\nsources = auto\n");
	for (unsigned i = 0; i < 4; i++) {
		static const char *const texts[] = { "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.1.0.1" };
		fake.addresses[fake.address_count++] =
			(struct fake_interface_address){ .address = ip(texts[i]),
							 .interface = i < 3 ? 2 : 3 };
	}
	check_number(program_fills(AF_INET, TO), 300);
	check_number(program_fills(AF_INET, "10.0.0.8:80"), 300);
	check_number(shim.spreading.auto_count, 1);
}

Test(attempt, windows_reach_the_whole_capacity)
{
	program_start("");
	fake_range(40000, 40399, "", 0);
	shim.spreading.knee.way = KNEE_WINDOW;
	check_number(program_fills(AF_INET, TO), 400);
}

Test(attempt, failover_is_invisible)
{
	program_start("[headroom]\nsources = 10.0.0.2,10.0.0.3\nstrict = yes\n");
	fake_limit("10.0.0.2", TO, 3);
	check_number(program_fills(AF_INET, TO), 103);
	struct tuple_space *full = program_space("10.0.0.2", TO);
	check_number(full->open, 3);
	check(full->use->failovers >= 1);
	check_number(full->use->failed, 0);
	check_number(program_space("10.0.0.3", TO)->open, 100);
}

Test(attempt, failover_works_for_a_nonblocking_connect)
{
	program_start("[headroom]\nsources = 10.0.0.2,10.0.0.3\n");
	fake.connect_result = -EINPROGRESS;
	fake_limit("10.0.0.2", TO, 0);
	for (unsigned i = 0; i < 10; i++) {
		struct program_socket s = program_socket(AF_INET);
		check_number(program_connect(&s, TO), -EINPROGRESS);
		check_number(s.held.tracked->state, SOCKET_CONNECTING);
		check_address(&fake_fd(s.fd)->local.ip, "10.0.0.3");
	}
	check_number(program_space("10.0.0.3", TO)->open, 10);
}

Test(attempt, a_full_source_is_not_asked_again_while_its_pause_lasts)
{
	program_start("[headroom]\nsources = 10.0.0.2,10.0.0.3\n");
	fake_limit("10.0.0.2", TO, 0);
	fake.connect_ns = 2000000;
	while (!program_space("10.0.0.2", TO))
		check_number(program_connects(AF_INET, TO), 0);
	unsigned before = fake.program_connects;
	for (unsigned i = 0; i < 10; i++)
		check_number(program_connects(AF_INET, TO), 0);
	check_number(fake.program_connects - before, 10);
	fake.now_ns += 1000000000;
	check_number(program_connects(AF_INET, TO), 0);
	check_number(fake.program_connects - before, 12);
}

Test(attempt, when_all_are_full_the_kernel_is_not_asked)
{
	program_start("[headroom]\nsources = 10.0.0.2,10.0.0.3\nstrict = yes\n");
	fake.connect_ns = 2000000;
	fake_limit("10.0.0.2", TO, 1);
	fake_limit("10.0.0.3", TO, 1);
	check_number(program_fills(AF_INET, TO), 2);
	/* Others hold the ports: that is believed when it was seen often enough. */
	for (unsigned i = 0; i < 2 * (SPREAD_FULL_SURE - 1); i++) {
		unsigned asked_before = fake.program_connects;
		fake.now_ns++;
		check_number(program_connects(AF_INET, TO), -EADDRNOTAVAIL);
		check_number(fake.program_connects, asked_before + 1);
	}
	unsigned before = fake.program_connects, calls = asked();
	for (unsigned i = 0; i < 1; i++) {
		struct program_socket s = program_socket(AF_INET);
		check_number(program_connect(&s, TO), -EADDRNOTAVAIL);
		check_number(s.held.tracked->state, SOCKET_FRESH);
		check_number(s.held.tracked->references, 1);
		fake_close_socket(s.fd, false);
	}
	check_number(fake.program_connects, before);
	check_number(asked(), calls);
	check_number(program_destination(TO)->exhausted, 2 + 2 * (SPREAD_FULL_SURE - 1));
	check_number(program_destination(TO)->users, 0);
}

Test(attempt, without_spreading_exhaustion_is_answered_without_the_kernel_too)
{
	program_start("");
	fake.connect_ns = 2000000;
	check_number(program_fills(AF_INET, TO), 100);
	unsigned before = fake.program_connects;
	check_number(program_connects(AF_INET, TO), -EADDRNOTAVAIL);
	check_number(program_connects(AF_INET, TO), -EADDRNOTAVAIL);
	check_number(fake.program_connects, before);
	/* Another destination is another tuple space. */
	check_number(program_connects(AF_INET, "10.0.0.9:81"), 0);
}

Test(attempt, after_the_pause_the_kernel_is_asked_again)
{
	program_start("");
	fake.connect_ns = 2000000;
	check_number(program_fills(AF_INET, TO), 100);
	fake_close_socket(FAKE_FIRST_FD, false); /* where no hook sees it */
	fake.now_ns += 500000000;
	check_number(program_connects(AF_INET, TO), 0);
}

Test(attempt, after_the_end_of_a_connection_the_kernel_is_asked_at_once)
{
	program_start("[headroom]\nsources = 10.0.0.2,10.0.0.3\nstrict = yes\n");
	fake.connect_ns = 2000000;
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	check_number(program_fills(AF_INET, TO), 199);
	fake_fd(s.fd)->to_recv = 0; /* the peer closed first */
	program_close(&s);
	check_number(program_connects(AF_INET, TO), 0);
	check_number(program_connects(AF_INET, TO), -EADDRNOTAVAIL);
}

/* What is bound or set by the program. */

Test(attempt, an_explicit_port_is_left_alone)
{
	program_start("[headroom]\nsources = 10.0.0.2\n");
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "0.0.0.0:5000"), 0);
	check_number(program_connect(&s, TO), 0);
	check_number(asked(), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.1");
	check_number(fake_fd(s.fd)->local.port, 5000);
	/* The same four values again: the program sees what the kernel says. */
	struct program_socket t = program_socket(AF_INET);
	check_number(program_bind(&t, "0.0.0.0:5000"), 0);
	check_number(program_connect(&t, TO), -EADDRNOTAVAIL);
	check_number(asked(), 0);
	check_number(program_destination(TO)->exhausted, 0);
	check_number(program_connects(AF_INET, TO), 0);
}

Test(attempt, an_explicit_port_of_a_full_source_is_for_the_kernel_to_judge)
{
	program_start("");
	fake.connect_ns = 2000000;
	fake_limit("10.0.0.7", TO, 0);
	struct program_socket full = program_socket(AF_INET), s = program_socket(AF_INET);
	check_number(program_bind(&full, "10.0.0.7:0"), 0);
	fake_fail(CALL_BIND, EADDRINUSE);
	check_number(program_connect(&full, TO), -EADDRNOTAVAIL);
	fake_recover();
	check_number(program_bind(&s, "10.0.0.7:5000"), 0);
	s.held.tracked->flags |= HAS_SOURCE;
	s.held.tracked->bound = ip("10.0.0.7");
	check_number(program_connect(&s, TO), 0);
}

Test(attempt, an_explicit_source_is_kept)
{
	program_start("[headroom]\nsources = 10.0.0.2\n");
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	fake.calls[CALL_BIND] = 0;
	check_number(program_connect(&s, TO), 0);
	check_number(fake.calls[CALL_BIND], 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
	check_number(fake_fd(s.fd)->range, 0);
	check_number(program_space("10.0.0.7", TO)->open, 1);
}

Test(attempt, an_explicit_source_is_spread_if_its_rule_says_so)
{
	program_start("[to 10.0.0.9]\nsources = 10.0.0.2\nexplicit_source = spread\n");
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	check_number(program_connect(&s, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.2");
}

static long bound_connects(const char *source)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, source), 0);
	return program_connect(&s, TO);
}

Test(attempt, with_spill_an_explicit_source_stays_up_to_the_knee_and_is_counted)
{
	program_start("[to 10.0.0.9]\nsources = 10.0.0.2\nspread = spill\nexplicit_source = spread\n");
	for (unsigned i = 0; i < 50; i++)
		check_number(bound_connects("10.0.0.7:0"), 0);
	check_number(program_space("10.0.0.7", TO)->open, 50);
	check_number(program_space("10.0.0.1", TO)->open, 0);
	check_number(bound_connects("10.0.0.7:0"), 0);
	check_number(program_space("10.0.0.2", TO)->open, 1);
	check_number(shim.sockets.deferred_count, 0);
	/* Another of the program's own has a knee of its own. */
	check_number(bound_connects("10.0.0.8:0"), 0);
	check_number(program_space("10.0.0.8", TO)->open, 1);
}

Test(attempt, at_the_end_of_the_list_an_explicit_source_is_used)
{
	program_start("[to 10.0.0.9]\nsources = 10.0.0.2\nexplicit_source = spread\n");
	for (unsigned i = 0; i < 200; i++)
		check_number(bound_connects("10.0.0.7:0"), 0);
	check_number(program_space("10.0.0.2", TO)->open, 100);
	check_number(program_space("10.0.0.7", TO)->open, 100);
	check(!program_space("10.0.0.1", TO));
}

Test(attempt, strict_holds_for_an_explicit_source)
{
	program_start("[to 10.0.0.9]\nsources = 10.0.0.2\nexplicit_source = spread\nstrict = yes\n");
	for (unsigned i = 0; i < 100; i++)
		check_number(bound_connects("10.0.0.7:0"), 0);
	check_number(bound_connects("10.0.0.7:0"), -EADDRNOTAVAIL);
}

Test(attempt, an_explicit_source_is_bound_again_after_a_failure)
{
	program_start("[to 10.0.0.9]\nsources = 10.0.0.2\nexplicit_source = spread\n");
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	fake.connect_result = -ECONNREFUSED;
	check_number(program_connect(&s, TO), -ECONNREFUSED);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
	check(!(s.held.tracked->flags & DEFERRED));
	check_number(fake_fd(s.fd)->no_port, 0);
}

struct own_case {
	uint32_t flag;
	bool spreads, knee;
};

ParameterizedTestParameters(attempt, what_the_program_set_is_not_set_again)
{
	static struct own_case cases[] = {
		{ 0, true, true },       { OWN_RANGE, true, false },  { OWN_NO_PORT, true, true },
		{ PINNED, false, true }, { REUSES_PORT, true, true }, { HAS_PORT, false, false },
	};
	return cr_make_param_array(struct own_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct own_case *c, attempt, what_the_program_set_is_not_set_again)
{
	program_start("[headroom]\nsources = 10.0.0.2\n");
	fake_range(40000, 49999, "", 0);
	struct program_socket s = program_socket(AF_INET);
	s.held.tracked->flags |= c->flag;
	fake_fd(s.fd)->range = c->flag & OWN_RANGE ? 40010 | 40019u << 16 : 0;
	fake_fd(s.fd)->no_port = c->flag & OWN_NO_PORT;
	/* Near the knee. */
	const char *source = c->spreads ? "10.0.0.2" : "10.0.0.1";
	struct address from = ip(source);
	struct destination *d = program_destination(TO);
	d->natural = ledger_space(&shim.ledger, d, &from);
	d->natural->knee = KNEE_PAST;
	d->knee_retest_ns = UINT64_MAX;
	d->knee_past = true;
	check_number(program_connect(&s, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, source);
	check_number(fake_fd(s.fd)->range, c->knee               ? 0xffff0001
					   : c->flag & OWN_RANGE ? 40010 | 40019u << 16
								 : 0);
	int set = c->knee + (c->spreads && !(c->flag & OWN_NO_PORT));
	check_number(fake.calls[CALL_SETSOCKOPT], set);
}

Test(attempt, an_option_of_the_program_s_outlives_a_failure)
{
	program_start("[headroom]\nsources = 10.0.0.2\n");
	struct program_socket s = program_socket(AF_INET);
	s.held.tracked->flags |= OWN_NO_PORT;
	fake_fd(s.fd)->no_port = 1;
	fake.connect_result = -ECONNREFUSED;
	check_number(program_connect(&s, TO), -ECONNREFUSED);
	check_number(fake_fd(s.fd)->no_port, 1);
	check(address_is_unset(&fake_fd(s.fd)->local.ip));
}

Test(attempt, a_socket_with_a_range_of_its_own_does_not_make_the_source_full_for_others)
{
	program_start("");
	for (unsigned i = 0; i < 10; i++) {
		struct program_socket s = program_socket(AF_INET);
		s.held.tracked->flags |= OWN_RANGE;
		fake_fd(s.fd)->range = 40010 | 40019u << 16;
		check_number(program_connect(&s, TO), 0);
	}
	struct program_socket last = program_socket(AF_INET);
	last.held.tracked->flags |= OWN_RANGE;
	fake_fd(last.fd)->range = 40010 | 40019u << 16;
	check_number(program_connect(&last, TO), -EADDRNOTAVAIL);
	check_number(program_connects(AF_INET, TO), 0);
}

Test(attempt, a_socket_with_a_range_of_its_own_fails_over_too)
{
	program_start("[headroom]\nsources = 10.0.0.2,10.0.0.3\n");
	fake_limit("10.0.0.2", TO, 0);
	for (unsigned i = 0; i < 10; i++) {
		struct program_socket s = program_socket(AF_INET);
		s.held.tracked->flags |= OWN_RANGE;
		fake_fd(s.fd)->range = 40010 | 40019u << 16;
		check_number(program_connect(&s, TO), 0);
	}
}

Test(attempt, a_socket_of_a_device_does_not_make_the_natural_source_full)
{
	program_start("");
	check_number(program_connects(AF_INET, TO), 0);
	struct program_socket s = program_socket(AF_INET);
	s.held.tracked->flags |= PINNED;
	/* Its device has another source, and that one is full. */
	fake_fd(s.fd)->local.ip = ip("10.7.0.1");
	fake_limit("10.7.0.1", TO, 0);
	check_number(program_connect(&s, TO), -EADDRNOTAVAIL);
	check_number(program_connects(AF_INET, TO), 0);
}
