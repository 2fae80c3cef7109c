// SPDX-License-Identifier: Apache-2.0
/* test_ending - the end of a connection in the ledger. */
#include "pool/connect/ending.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <netinet/tcp.h>

#define TO     "10.0.0.9:80"
#define SOURCE "10.0.0.1"

static struct program_socket s;
static struct tuple_space *space;

static void start(void)
{
	program_start("");
	s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	space = program_space(SOURCE, TO);
}

TestSuite(ending, .init = start, .fini = fake_stop);

static void check_counts(unsigned open, unsigned time_wait, unsigned by_peer, unsigned by_reset,
			 unsigned failed)
{
	check_number(space->open, open);
	check_number(space_time_wait(space, fake.now_ns), time_wait);
	check_number(space->use->closed_by_us, time_wait);
	check_number(space->use->closed_by_peer, by_peer);
	check_number(space->use->closed_by_reset, by_reset);
	check_number(space->use->failed, failed);
}

Test(ending, closed_by_us)
{
	program_close(&s);
	check_counts(0, 1, 0, 0, 0);
	check(shim.sockets.spare == s.held.tracked);
}

Test(ending, given_up_by_shutdown_it_is_as_new)
{
	program_start("[headroom]\nsources = 10.0.0.2\n");
	fake.connect_result = -EINPROGRESS;
	s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), -EINPROGRESS);
	space = program_space("10.0.0.2", TO);
	check_number(space->open, 1);
	fake_fd(s.fd)->local.port = 0;
	ending_given_up(&shim.spreading, &s.held, s.fd);
	check_counts(0, 0, 0, 0, 1);
	check_number(s.held.tracked->state, SOCKET_FRESH);
	check(!(s.held.tracked->flags & SOURCE_BY_US));
	check(address_is_unset(&fake_fd(s.fd)->local.ip));
	check_number(fake_fd(s.fd)->no_port, 0);
}

Test(ending, closed_by_the_peer)
{
	fake_fd(s.fd)->to_recv = 0;
	program_close(&s);
	check_counts(0, 0, 1, 0, 0);
}

Test(ending, reset_for_unread_data)
{
	fake_fd(s.fd)->to_recv = 1;
	program_close(&s);
	check_counts(0, 0, 0, 1, 0);
}

Test(ending, reset_by_linger)
{
	s.held.tracked->flags |= ABORTS_ON_CLOSE;
	program_close(&s);
	check_counts(0, 0, 0, 1, 0);
}

Test(ending, an_open_connection_that_timed_out_is_no_failed_connect)
{
	fake_fd(s.fd)->to_recv = -ETIMEDOUT;
	program_close(&s);
	check_counts(0, 0, 0, 1, 0);
}

Test(ending, given_up_while_connecting)
{
	fake.connect_result = -EINPROGRESS;
	struct program_socket t = program_socket(AF_INET);
	check_number(program_connect(&t, TO), -EINPROGRESS);
	program_close(&t);
	check_counts(1, 0, 0, 0, 1);
	check_number(space->use->failures[0].error, 0);
}

Test(ending, an_asynchronous_failure)
{
	fake.connect_result = -EINPROGRESS;
	struct program_socket t = program_socket(AF_INET);
	check_number(program_connect(&t, TO), -EINPROGRESS);
	fake_fd(t.fd)->to_recv = -ECONNREFUSED;
	program_close(&t);
	check_counts(1, 0, 0, 0, 1);
	check_number(space->use->failures[0].error, ECONNREFUSED);
}

Test(ending, an_asynchronous_success)
{
	fake.connect_result = -EINPROGRESS;
	struct program_socket t = program_socket(AF_INET);
	check_number(program_connect(&t, TO), -EINPROGRESS);
	fake_fd(t.fd)->tcp_state = TCP_ESTABLISHED;
	program_close(&t);
	check_counts(1, 1, 0, 0, 0);
}

Test(ending, closed_where_no_hook_sees_it)
{
	struct ending_facts facts = { .stranger = true };
	ending_enter(&shim.spreading, &s.held, &facts, true);
	check_counts(0, 0, 0, 0, 0);
	check_number(space->use->closed_unseen, 1);
}

Test(ending, unseen_is_entered_once_and_not_during_an_attempt)
{
	s.held.tracked->flags |= IN_CALL;
	ending_unseen(s.held.tracked, fake.now_ns);
	check_number(space->open, 1);
	s.held.tracked->flags &= ~(uint32_t)IN_CALL;
	ending_unseen(s.held.tracked, fake.now_ns);
	ending_unseen(s.held.tracked, fake.now_ns);
	check_number(space->open, 0);
	check_number(space->use->closed_unseen, 1);
}

Test(ending, without_giving_the_reference_back_the_socket_is_fresh_again)
{
	struct ending_facts facts = { .how = ENDED_BY_RESET };
	ending_enter(&shim.spreading, &s.held, &facts, false);
	check_counts(0, 0, 0, 1, 0);
	check_number(s.held.tracked->state, SOCKET_FRESH);
	check_number(s.held.tracked->references, 1);
	fake_fd(s.fd)->connected = false;
	fake_fd(s.fd)->local.port = 0;
	check_number(program_connect(&s, TO), 0);
	check_number(space->open, 1);
}

Test(ending, after_a_fork_the_child_enters_nothing)
{
	struct ending_facts facts = { .how = ENDED_TIME_WAIT };
	shim_restart(&shim);
	ending_enter(&shim.spreading, &s.held, &facts, true);
	check_number(shim.ledger.count, 0);
	check(!shim.sockets.spare);
}

Test(ending, the_last_of_many_brings_the_recovery)
{
	ledger_refresh_range(&shim.ledger, fake.now_ns);
	struct program_socket sockets[60];
	for (unsigned i = 0; i < 60; i++) {
		sockets[i] = program_socket(AF_INET);
		check_number(program_connect(&sockets[i], TO), 0);
	}
	check_contains(fake.output, "event=threshold");
	for (unsigned i = 0; i < 60; i++) {
		fake_fd(sockets[i].fd)->to_recv = 0;
		program_close(&sockets[i]);
	}
	check_contains(fake.output, "event=recovered");
	check_counts(1, 0, 60, 0, 0);
}

/* The coarse clock may show the tick before the one in which the connection was opened. */
Test(ending, closes_around_a_tick_of_the_ledger_are_all_in_time_wait)
{
	program_close(&s);
	for (unsigned i = 0; i < 40; i++) {
		fake.now_ns = (((uint64_t)(fake.now_ns >> 32) + 1) << 32) + 1000000;
		fake.coarse_lag_ns = 4000000;
		struct program_socket t = program_socket(AF_INET);
		check_number(program_connect(&t, TO), 0);
		program_close(&t);
	}
	/* 4.3 s each: 14 at least are younger than 60 s. */
	check(space_time_wait(space, fake.now_ns) >= 13);
}
