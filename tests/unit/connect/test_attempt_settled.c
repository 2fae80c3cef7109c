// SPDX-License-Identifier: Apache-2.0
/* test_attempt_settled - what is left of an attempt: undo after failure, routes, sources that are none, and
 * what happens while the lock is not held. */
#include "pool/connect/attempt.h"
#include "pool/connect/pending.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/single_threaded.h>
#include <unistd.h>

#define TO      "10.0.0.9:80"
#define SOURCES "[headroom]\nsources = 10.0.0.2,10.0.0.3\n"

TestSuite(attempt_settled, .fini = fake_stop);

static void check_untouched(const struct program_socket *s)
{
	struct fake_fd *kernel_s = fake_fd(s->fd);
	check(address_is_unset(&kernel_s->local.ip));
	check_number(kernel_s->local.port, 0);
	check_number(kernel_s->no_port, 0);
	check_number(s->held.tracked->state, SOCKET_FRESH);
	check(!(s->held.tracked->flags & (SOURCE_BY_US | NO_PORT_BY_US | IN_CALL)));
	check(!s->held.tracked->space);
	check_number(s->held.tracked->references, 1);
	check_number(program_destination(TO)->users, 0);
}

static uint32_t open_everywhere(void)
{
	uint32_t open = 0;
	for (struct tuple_space *s = program_destination(TO)->spaces; s; s = s->next)
		open += s->open;
	return open;
}

/* What fails soon, and not by a refusal, is tried once more from the kernel's own choice. */
struct failure_case {
	int error;
	unsigned more;
};

ParameterizedTestParameters(attempt_settled, a_failure_is_the_program_s_and_leaves_the_socket_as_it_was)
{
	static struct failure_case cases[] = {
		{ ECONNREFUSED, 0 }, { ETIMEDOUT, 1 }, { EHOSTUNREACH, 1 }, { ENETUNREACH, 1 },
		{ EACCES, 1 },       { EPERM, 1 },     { EAFNOSUPPORT, 0 }, { ENOMEM, 0 },
		{ EBADF, 0 },        { EINVAL, 0 },    { EISCONN, 0 },      { EALREADY, 0 },
		{ EOPNOTSUPP, 0 },
	};
	return cr_make_param_array(struct failure_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct failure_case *c, attempt_settled,
		  a_failure_is_the_program_s_and_leaves_the_socket_as_it_was)
{
	program_start(SOURCES);
	fake.connect_result = -c->error;
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), -c->error);
	check_number(fake.program_connects, 1 + c->more);
	check_untouched(&s);
	check_number(open_everywhere(), 0);
	uint64_t failed = 0;
	for (struct tuple_space *space = program_destination(TO)->spaces; space; space = space->next)
		failed += space->use->failed;
	/* The last three say that the socket was not fresh: nothing was tried. */
	bool tried = c->error != EISCONN && c->error != EALREADY && c->error != EOPNOTSUPP;
	check_number(failed, tried + c->more);
	/* The same socket, once more. */
	fake.connect_result = 0;
	check_number(program_connect(&s, TO), 0);
	check_number(open_everywhere(), 1);
}

Test(attempt_settled, exhaustion_leaves_the_socket_as_it_was)
{
	program_start(SOURCES);
	fake_limit("10.0.0.1", TO, 0);
	fake_limit("10.0.0.2", TO, 0);
	fake_limit("10.0.0.3", TO, 0);
	for (unsigned i = 0; i < 3; i++) {
		struct program_socket s = program_socket(AF_INET);
		check_number(program_connect(&s, TO), -EADDRNOTAVAIL);
		check_untouched(&s);
	}
	check_number(open_everywhere(), 0);
}

Test(attempt_settled, exhaustion_without_spreading_leaves_the_socket_as_it_was)
{
	program_start("");
	fake_limit("10.0.0.1", TO, 0);
	for (unsigned i = 0; i < 3; i++) {
		struct program_socket s = program_socket(AF_INET);
		check_number(program_connect(&s, TO), -EADDRNOTAVAIL);
		check_untouched(&s);
	}
}

Test(attempt_settled, a_mapped_socket_is_put_back_to_the_ipv6_wildcard)
{
	program_start(SOURCES);
	fake.connect_result = -ECONNREFUSED;
	struct program_socket s = program_socket(AF_INET6);
	check_number(program_connect(&s, TO), -ECONNREFUSED);
	check_untouched(&s);
}

Test(attempt_settled, a_source_that_cannot_be_bound_is_set_aside_and_the_rest_goes_on)
{
	program_start(SOURCES);
	fake.not_local[fake.not_local_count++] = ip("10.0.0.2");
	for (unsigned i = 0; i < 10; i++)
		check_number(program_connects(AF_INET, TO), 0);
	check_number(program_space("10.0.0.3", TO)->open, 10);
	check_number(shim.spreading.aside_count, 1);
	check_address(&shim.spreading.aside[0].source, "10.0.0.2");
	check_contains(fake.output, "event=source_aside source=10.0.0.2");
	check(!strstr(strstr(fake.output, "source_aside") + 1, "source_aside"));
	/* 30 s later it is tried again. */
	fake.not_local_count = 0;
	fake.now_ns += 30 * 1000000000ull;
	check_number(program_connects(AF_INET, TO), 0);
	check_number(program_space("10.0.0.2", TO)->open, 1);
}

struct bind_refusal {
	int error;
	bool aside;
};

ParameterizedTestParameters(attempt_settled, bind_may_refuse_for_another_reason_than_the_source)
{
	static struct bind_refusal cases[] = {
		{ EADDRNOTAVAIL, true }, { EACCES, true },  { EPERM, true },   { ENODEV, true },
		{ EBADF, false },        { EINVAL, false }, { ENOMEM, false }, { ENOTSOCK, false },
	};
	return cr_make_param_array(struct bind_refusal, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct bind_refusal *c, attempt_settled, bind_may_refuse_for_another_reason_than_the_source)
{
	program_start(SOURCES);
	fake_fail_some(CALL_BIND, c->error, 0, 1);
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	check_number(shim.spreading.aside_count, c->aside);
	check_number(open_everywhere(), 1);
}

Test(attempt_settled, with_no_source_that_can_be_bound_the_kernel_chooses)
{
	program_start(SOURCES);
	fake.not_local[fake.not_local_count++] = ip("10.0.0.2");
	fake.not_local[fake.not_local_count++] = ip("10.0.0.3");
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.1");
	/* What is left on is known to be ours: getsockopt() is corrected by it. */
	check_number((s.held.tracked->flags & NO_PORT_BY_US) != 0, fake_fd(s.fd)->no_port);
	check_number(open_everywhere(), 1);
}

Test(attempt_settled, a_source_without_a_route_is_set_aside_for_the_destination)
{
	program_start(SOURCES);
	fake.unroutable[fake.unroutable_count++] = ip("10.0.0.2");
	for (unsigned i = 0; i < 10; i++)
		check_number(program_connects(AF_INET, TO), 0);
	check_number(program_space("10.0.0.3", TO)->open, 10);
	check_number(program_space("10.0.0.2", TO)->open, 0);
	check_number(program_space("10.0.0.2", TO)->use->failed, 0);
	check_number(fake.program_connects, 11);
	check_number(shim.spreading.aside_count, 0);
	check_contains(fake.output, "event=source_aside destination=10.0.0.9:80 source=10.0.0.2");
}

Test(attempt_settled, where_routes_cannot_be_asked_the_kernels_own_choice_is_tried)
{
	program_start(SOURCES);
	fake_fail(CALL_SOCKET, EPERM);
	fake.unroutable[fake.unroutable_count++] = ip("10.0.0.2");
	fake.unroutable[fake.unroutable_count++] = ip("10.0.0.3");
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.1");
}

Test(attempt_settled, a_destination_without_a_route_is_not_blamed_on_the_source)
{
	program_start(SOURCES);
	fake.no_route = ENETUNREACH;
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), -ENETUNREACH);
	check_number(fake.program_connects, 1);
	check_untouched(&s);
	check_text(fake.output, "");
}

struct rules_case {
	char rules[64];
};

ParameterizedTestParameters(attempt_settled, without_any_route_the_program_sees_what_the_kernel_says)
{
	static struct rules_case cases[] = { { "" },
					     { SOURCES },
					     { "[headroom]\nsources = 10.0.0.2\nspread = spill\n" },
					     { "[headroom]\nsources = auto\n" },
					     { "[headroom]\nsources = auto\nspread = spill\n" } };
	return cr_make_param_array(struct rules_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct rules_case *c, attempt_settled,
		  without_any_route_the_program_sees_what_the_kernel_says)
{
	program_start(c->rules);
	fake.no_route = ENETUNREACH;
	check_number(program_connects(AF_INET, TO), -ENETUNREACH);
	fake.no_route = 0;
	check_number(program_connects(AF_INET, TO), 0);
}

/* A connect() may take minutes, and what was set aside when it began may be used again when it ends. */
Test(attempt_settled, a_long_connect_ends)
{
	program_start(SOURCES);
	fake.not_local[fake.not_local_count++] = ip("10.0.0.2");
	fake.unroutable[fake.unroutable_count++] = ip("10.0.0.3");
	fake.connect_ns = 40 * 1000000000ull;
	check_number(program_connects(AF_INET, TO), 0);
	check(fake.calls[CALL_BIND] < 20);
}

/* bind() says EINVAL when the socket has a port already (ip(7)): that is no fault of the source. */
Test(attempt_settled, a_socket_that_got_its_port_unseen_sets_no_source_aside)
{
	program_start(SOURCES);
	struct program_socket s = program_socket(AF_INET);
	fake_fd(s.fd)->local = at("10.0.0.7:5000");
	check_number(program_connect(&s, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
	check_number(shim.spreading.aside_count, 0);
	check_text(fake.output, "");
}

/* IPV6_ADDRFORM makes an IPv4 socket of one that has a connection to a mapped address (ipv6(7)). */
Test(attempt_settled, a_socket_that_changed_its_family_sets_no_source_aside)
{
	program_start(SOURCES);
	struct program_socket s = program_socket(AF_INET6);
	fake_fail(CALL_BIND, EAFNOSUPPORT);
	check_number(program_connect(&s, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.1");
	check_number(shim.spreading.aside_count, 0);
	check_text(fake.output, "");
}

struct no_port_case {
	int error;
};

/* The kernel lacks it; MPTCP of Linux 6.1 does; a sandbox forbids it. */
ParameterizedTestParameters(attempt_settled, without_no_port_the_kernel_chooses)
{
	static struct no_port_case cases[] = { { ENOPROTOOPT }, { EOPNOTSUPP }, { EPERM } };
	return cr_make_param_array(struct no_port_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct no_port_case *c, attempt_settled, without_no_port_the_kernel_chooses)
{
	program_start(SOURCES);
	fake_fail_option(CALL_SETSOCKOPT, IP_BIND_ADDRESS_NO_PORT, c->error);
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.1");
	check_number(fake.calls[CALL_BIND], 0);
	check_number(shim.spreading.aside_count, 0);
	check_text(fake.output, "");
}

Test(attempt_settled, an_ipv6_destination_without_an_ipv6_source_is_no_exhaustion)
{
	program_start("");
	fake.connect_result = -EADDRNOTAVAIL;
	fake.natural_v6 = (struct address){ 0 };
	struct program_socket s = program_socket(AF_INET6);
	check_number(program_connect(&s, "[fd00::9]:80"), -EADDRNOTAVAIL);
	check_number(program_destination("[fd00::9]:80")->exhausted, 0);
	/* Without and with the option, as a port of an odd range may be left. */
	check_number(fake.program_connects, 2);
	check_number(program_connect(&s, "[fd00::9]:80"), -EADDRNOTAVAIL);
	check_number(fake.program_connects, 3);
}

Test(attempt_settled, an_interrupted_connect_goes_on_in_the_kernel)
{
	program_start(SOURCES);
	fake.connect_result = -EINTR;
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), -EINTR);
	check_number(s.held.tracked->state, SOCKET_CONNECTING);
	check_number(open_everywhere(), 1);
	check_number(program_connect(&s, TO), -EALREADY);
	check_number(s.held.tracked->state, SOCKET_CONNECTING);
	fake_fd(s.fd)->connected = true;
	check_number(program_connect(&s, TO), -EISCONN);
	check_number(s.held.tracked->state, SOCKET_OPEN);
	check_number(open_everywhere(), 1);
}

Test(attempt_settled, an_asynchronous_failure_seen_by_a_second_connect_frees_the_port)
{
	program_start(SOURCES);
	fake.connect_result = -EINPROGRESS;
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), -EINPROGRESS);
	fake_fd(s.fd)->spreading = false;
	fake_fd(s.fd)->local.port = 0;
	fake.connect_result = -ECONNREFUSED;
	check_number(program_connect(&s, TO), -ECONNREFUSED);
	check_number(open_everywhere(), 0);
	check_untouched(&s);
}

Test(attempt_settled, an_asynchronous_failure_read_from_so_error_frees_the_port_once)
{
	program_start(SOURCES);
	fake.connect_result = -EINPROGRESS;
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), -EINPROGRESS);
	pending_error_read(&shim.spreading, &s.held, ECONNREFUSED);
	check_number(s.held.tracked->state, SOCKET_BROKEN);
	check_number(open_everywhere(), 0);
	pending_error_read(&shim.spreading, &s.held, ECONNREFUSED);
	check_number(open_everywhere(), 0);
	program_close(&s);
	check_number(open_everywhere(), 0);
}

Test(attempt_settled, an_error_read_from_an_open_connection_is_not_the_attempt_s)
{
	program_start("");
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	pending_error_read(&shim.spreading, &s.held, ECONNRESET);
	check_number(s.held.tracked->state, SOCKET_OPEN);
	check_number(open_everywhere(), 1);
}

/* While the lock is not held. */

static void close_it(void *argument)
{
	program_close(argument);
}

Test(attempt_settled, a_socket_closed_during_its_connect_is_not_counted_for_ever)
{
	program_start(SOURCES);
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connects(AF_INET, TO), 0);
	fake.meanwhile = close_it;
	fake.meanwhile_argument = &s;
	/* The kernel keeps the socket until its connect() is done. */
	check_number(program_connect(&s, TO), 0);
	check_number(open_everywhere(), 1);
	check_number(program_destination(TO)->users, 0);
	check(shim.sockets.spare == s.held.tracked);
}

static void fork_it(void *argument)
{
	(void)argument;
	shim_restart(&shim);
}

/* What was left to the kernel went with the socket, before it was connected. */
Test(attempt_settled, a_socket_closed_during_a_connect_that_does_not_wait_gave_up)
{
	program_start("");
	struct program_socket s = program_socket(AF_INET);
	fake.meanwhile = close_it;
	fake.meanwhile_argument = &s;
	fake.connect_result = -EINPROGRESS;
	program_connect(&s, TO);
	struct tuple_space *space = program_destination(TO)->spaces;
	check_number(space->open, 0);
	check_number(space_time_wait(space, fake.now_ns), 0);
	check_number(space->use->failed, 1);
}

Test(attempt_settled, a_fork_by_a_handler_during_connect_leaves_the_child_s_ledger_alone)
{
	program_start(SOURCES);
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connects(AF_INET, TO), 0);
	fake.meanwhile = fork_it;
	check_number(program_connect(&s, TO), 0);
	check_number(shim.ledger.count, 0);
	fake.meanwhile = NULL;
	check_number(program_connects(AF_INET, TO), 0);
	check_number(open_everywhere(), 1);
}

static void handler_connects(void *argument)
{
	struct program_socket *s = argument;
	fake.meanwhile = NULL;
	fake.connect_result = 0;
	check_number(program_connect(s, TO), 0);
}

Test(attempt_settled, a_connect_from_a_handler_during_connect_is_one_of_its_own)
{
	program_start(SOURCES);
	struct program_socket s = program_socket(AF_INET), in_handler = program_socket(AF_INET);
	fake.meanwhile = handler_connects;
	fake.meanwhile_argument = &in_handler;
	check_number(program_connect(&s, TO), 0);
	check_number(open_everywhere(), 2);
}

static sem_t called;

static long endless(void *argument)
{
	(void)argument;
	sem_post(&called);
	while (pause())
		;
	return 0;
}

struct connect_in_thread {
	struct program_socket *s;
	real_call *call;
};

static void *connecting_thread(void *argument)
{
	const struct connect_in_thread *c = argument;
	struct endpoint to = at(TO);
	if (shim_enter(&shim))
		attempt_run(&shim.spreading, c->s->held.tracked, c->s->fd, &to,
			    settings_rule_for(&shim.settings, &to, shim.process), c->call, c->s);
	return NULL;
}

/* Cancelled before the kernel was asked. */
Test(attempt_settled, a_thread_cancelled_in_connect_leaves_its_socket_as_it_was)
{
	pthread_t thread;
	program_start(SOURCES);
	sem_init(&called, 0, 0);
	check_number(program_connects(AF_INET, TO), 0);
	struct program_socket s = program_socket(AF_INET);
	struct connect_in_thread connecting = { &s, endless };
	__libc_single_threaded = 0;
	check(!pthread_create(&thread, NULL, connecting_thread, &connecting));
	sem_wait(&called);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	check_untouched(&s);
	check_number(open_everywhere(), 1);
}

static long endless_syn(void *argument)
{
	const struct program_socket *s = argument;
	fake_fd(s->fd)->tcp_state = TCP_SYN_SENT;
	return endless(NULL);
}

/* Cancelled while it waited: the connection is still to come. */
Test(attempt_settled, a_thread_cancelled_while_connect_waits_leaves_no_user_and_no_reference)
{
	pthread_t thread;
	program_start(SOURCES);
	sem_init(&called, 0, 0);
	check_number(program_connects(AF_INET, TO), 0);
	struct program_socket s = program_socket(AF_INET);
	struct connect_in_thread connecting = { &s, endless_syn };
	__libc_single_threaded = 0;
	check(!pthread_create(&thread, NULL, connecting_thread, &connecting));
	sem_wait(&called);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	check_number(program_destination(TO)->users, 0);
	check(!(s.held.tracked->flags & IN_CALL));
	check_number(s.held.tracked->state, SOCKET_CONNECTING);
	check(s.held.tracked->space);
	check_number(s.held.tracked->references, 1);
}
