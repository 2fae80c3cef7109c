// SPDX-License-Identifier: Apache-2.0
/* test_deferral - bind(ip, 0) without a port, and the port made real before anybody looks. */
#include "pool/socket/deferral.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>

#define TO "10.0.0.9:80"

static void start(void)
{
	program_start("");
}

TestSuite(deferral, .init = start, .fini = fake_stop);

static void start_spreading(void)
{
	program_start("[headroom]\nsources = 10.0.0.2\n");
}

Test(deferral, bind_to_port_0_takes_no_port)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	check_number(fake_fd(s.fd)->local.port, 0);
	check_number(fake_fd(s.fd)->no_port, 1);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
	check_number(s.held.tracked->flags, DEFERRED | NO_PORT_BY_US | HAS_SOURCE);
	check_address(&s.held.tracked->bound, "10.0.0.7");
	check_number(s.held.tracked->cookie, fake_fd(s.fd)->cookie);
	check_number(shim.sockets.deferred_count, 1);
}

Test(deferral, connect_gives_the_port)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	check_number(program_connect(&s, TO), 0);
	check(fake_fd(s.fd)->local.port >= 40000);
	check_number(shim.sockets.deferred_count, 0);
	check_number(shim.sockets.deferrals, 1);
	check_number(program_space("10.0.0.7", TO)->use->deferred, 1);
	check(!(s.held.tracked->flags & DEFERRED));
	check_number(deferral_make_real(&shim.sockets, &s.held, s.fd), 0);
	check(fake_fd(s.fd)->local.port >= 40000 && fake_fd(s.fd)->connected);
}

/* As it ends a port of bind(): another bind() may follow. */
Test(deferral, a_refused_connect_ends_it)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	fake.connect_result = -ECONNREFUSED;
	check_number(program_connect(&s, TO), -ECONNREFUSED);
	check_number(shim.sockets.deferred_count, 0);
	check_number(deferral_make_real(&shim.sockets, &s.held, s.fd), 0);
	check_number(fake_fd(s.fd)->local.port, 0);
	check_number(fake_fd(s.fd)->no_port, 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
}

Test(deferral, a_connect_without_a_route_leaves_it_deferred)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	fake.connect_result = -ENETUNREACH;
	check_number(program_connect(&s, TO), -ENETUNREACH);
	check_number(shim.sockets.deferred_count, 1);
	check_number(deferral_make_real(&shim.sockets, &s.held, s.fd), 0);
	check(fake_fd(s.fd)->local.port);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
}

Test(deferral, a_full_source_leaves_it_deferred)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	fake_limit("10.0.0.7", TO, 0);
	fake_fail_some(CALL_BIND, EADDRINUSE, 0, 1);
	check_number(program_connect(&s, TO), -EADDRNOTAVAIL);
	check_number(shim.sockets.deferred_count, 1);
	check_number(fake_fd(s.fd)->no_port, 1);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
	check(!(s.held.tracked->flags & HAS_PORT));
	check_number(program_destination(TO)->exhausted, 1);
}

/* Another program holds the range by ports that are bound on another address. */
Test(deferral, before_it_fails_it_is_taken_back)
{
	for (unsigned i = 0; i < 3; i++) {
		struct program_socket s = program_socket(AF_INET);
		check_number(program_bind(&s, "10.0.0.7:0"), 0);
		fake_limit("10.0.0.7", TO, 0);
		check_number(program_connect(&s, TO), 0);
		check(s.held.tracked->flags & HAS_PORT);
		check_number(fake_fd(s.fd)->no_port, 0);
		check_number(program_space("10.0.0.7", TO)->open, i + 1);
	}
	check_number(shim.sockets.deferred_count, 0);
	check_number(shim.sockets.deferrals, 0);
	check_number(program_destination(TO)->exhausted, 0);
}

Test(deferral, taken_back_in_vain_it_is_an_exhaustion)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	fake.connect_result = -EADDRNOTAVAIL;
	check_number(program_connect(&s, TO), -EADDRNOTAVAIL);
	/* Without and with the option, as a port of an odd range may be left; and with the port. */
	check_number(fake.program_connects, 3);
	check_number(program_destination(TO)->exhausted, 1);
	check_number(program_destination(TO)->users, 0);
	check_number(program_space("10.0.0.7", TO)->open, 0);
	check_number(s.held.tracked->state, SOCKET_FRESH);
}

Test(deferral, it_is_taken_back_where_a_rule_leaves_the_connection_alone)
{
	program_start("[to 10.0.0.9]\nshim = off\n");
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	fake_limit("10.0.0.7", TO, 0);
	check_number(program_connect(&s, TO), 0);
	check_number(shim.sockets.deferred_count, 0);
}

Test(deferral, as_many_connect_as_the_source_has_ports)
{
	/* Undeferred, each bind() would take a port from all destinations. */
	for (unsigned i = 0; i < 200; i++) {
		struct program_socket s = program_socket(AF_INET);
		check_number(program_bind(&s, "10.0.0.7:0"), 0);
		check_number(program_connect(&s, i % 2 ? TO : "10.0.0.8:80"), 0);
	}
}

struct address_case {
	int family;
	char local[32];
};

ParameterizedTestParameters(deferral, a_port_made_real_is_one_of_the_same_address)
{
	static struct address_case cases[] = {
		{ AF_INET, "10.0.0.7:0" },           { AF_INET, "0.0.0.0:0" },
		{ AF_INET6, "[fd00::7]:0" },         { AF_INET6, "[::]:0" },
		{ AF_INET6, "[::ffff:10.0.0.7]:0" }, { AF_INET6, "[::ffff:0.0.0.0]:0" },
	};
	return cr_make_param_array(struct address_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct address_case *c, deferral, a_port_made_real_is_one_of_the_same_address)
{
	struct program_socket s = program_socket(c->family), plain = program_socket(c->family);
	struct fake_bind call = { .fd = plain.fd, .local = at(c->local) };
	struct sockaddr_storage got, want;
	struct endpoint local;
	check_number(fake_program_bind(&call), 0);
	check_number(program_bind(&s, c->local), 0);
	check(s.held.tracked->flags & DEFERRED);
	check_number(deferral_make_real(&shim.sockets, &s.held, s.fd), 0);
	check(fake_fd(s.fd)->local.port);
	check_number(fake_fd(s.fd)->no_port, 0);
	local = fake_fd(s.fd)->local;
	local.port = fake_fd(plain.fd)->local.port;
	/* What getsockname() would say, but for the number. */
	socklen_t length = endpoint_to_sockaddr(&local, c->family, &got);
	check_number(endpoint_to_sockaddr(&fake_fd(plain.fd)->local, c->family, &want), length);
	check(!memcmp(&got, &want, length));
	check_number(s.held.tracked->flags & (DEFERRED | NO_PORT_BY_US | HAS_PORT), HAS_PORT);
	check_number(shim.sockets.deferred_count, 0);
}

Test(deferral, a_port_is_made_real_once)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	check_number(deferral_make_real(&shim.sockets, &s.held, s.fd), 0);
	uint16_t port = fake_fd(s.fd)->local.port;
	unsigned calls = fake_total_calls();
	check_number(deferral_make_real(&shim.sockets, &s.held, s.fd), 0);
	check_number(fake_fd(s.fd)->local.port, port);
	check_number(fake_total_calls(), calls);
}

Test(deferral, nothing_is_made_real_on_a_socket_that_was_not_deferred)
{
	struct program_socket s = program_socket(AF_INET);
	unsigned calls = fake_total_calls();
	check_number(deferral_make_real(&shim.sockets, &s.held, s.fd), 0);
	check_number(fake_total_calls(), calls);
	check_number(fake_fd(s.fd)->local.port, 0);
}

Test(deferral, after_it_was_made_real_connect_leaves_the_port_alone)
{
	start_spreading();
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "0.0.0.0:0"), 0);
	check_number(deferral_make_real(&shim.sockets, &s.held, s.fd), 0);
	uint16_t port = fake_fd(s.fd)->local.port;
	check_number(program_connect(&s, TO), 0);
	check_number(fake_fd(s.fd)->local.port, port);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.1");
}

Test(deferral, a_wildcard_bind_is_spread)
{
	start_spreading();
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "0.0.0.0:0"), 0);
	check(!(s.held.tracked->flags & HAS_SOURCE));
	check_number(program_connect(&s, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.2");
	check_number(shim.sockets.deferred_count, 0);
}

Test(deferral, a_wildcard_bind_whose_connect_failed_is_a_wildcard_again)
{
	start_spreading();
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "0.0.0.0:0"), 0);
	fake.connect_result = -ECONNREFUSED;
	check_number(program_connect(&s, TO), -ECONNREFUSED);
	check(address_is_unset(&fake_fd(s.fd)->local.ip));
	check_number(fake_fd(s.fd)->local.port, 0);
	check_number(shim.sockets.deferred_count, 0);
}

struct not_deferred {
	uint32_t flags, scope;
	uint16_t port;
	uint8_t state;
	bool applies;
};

ParameterizedTestParameters(deferral, some_binds_are_not_deferred)
{
	static struct not_deferred cases[] = {
		{ .applies = true },
		{ .flags = ABORTS_ON_CLOSE | OWN_RANGE, .applies = true },
		{ .port = 5000 },
		{ .scope = 2 },
		{ .state = SOCKET_CONNECTING },
		{ .state = SOCKET_OPEN },
		{ .state = SOCKET_BROKEN },
		{ .flags = HAS_PORT },
		{ .flags = HAS_SOURCE },
		{ .flags = REUSES_PORT },
		{ .flags = OWN_NO_PORT },
		{ .flags = DEFERRED },
		{ .flags = SOURCE_BY_US },
		{ .flags = HELD_ELSEWHERE },
	};
	return cr_make_param_array(struct not_deferred, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct not_deferred *c, deferral, some_binds_are_not_deferred)
{
	struct tracked tracked = { .flags = c->flags, .state = c->state, .family = AF_INET6 };
	struct endpoint local = { .ip = ip("fe80::1"), .port = c->port, .scope = c->scope };
	check_number(deferral_applies(&shim.sockets, &tracked, &local), c->applies);
}

/* A child made since looks by calls of its own. */
Test(deferral, a_socket_from_before_a_fork_is_bound_as_it_is)
{
	struct program_socket before = program_socket(AF_INET);
	atomic_fetch_add(shim.sockets.forks, 1);
	struct program_socket after = program_socket(AF_INET);

	check_number(program_bind(&before, "10.0.0.7:0"), 0);
	check(fake_fd(before.fd)->local.port);
	check_number(program_bind(&after, "10.0.0.7:0"), 0);
	check(!fake_fd(after.fd)->local.port);
	check_number(shim.sockets.deferred_count, 1);
}

struct error_case {
	int error;
};

ParameterizedTestParameters(deferral, where_the_option_is_refused_the_bind_is_an_ordinary_one)
{
	static struct error_case cases[] = { { ENOPROTOOPT }, { EPERM }, { ENOMEM }, { EINVAL } };
	return cr_make_param_array(struct error_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct error_case *c, deferral, where_the_option_is_refused_the_bind_is_an_ordinary_one)
{
	struct program_socket s = program_socket(AF_INET);
	fake_fail_option(CALL_SETSOCKOPT, IP_BIND_ADDRESS_NO_PORT, c->error);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	check(fake_fd(s.fd)->local.port);
	check_number(s.held.tracked->flags, 0);
	check_number(shim.sockets.deferred_count, 0);
}

Test(deferral, a_failing_bind_leaves_the_socket_as_it_was)
{
	struct program_socket s = program_socket(AF_INET);
	fake.not_local[fake.not_local_count++] = ip("10.0.0.7");
	check_number(program_bind(&s, "10.0.0.7:0"), -EADDRNOTAVAIL);
	check_number(fake_fd(s.fd)->no_port, 0);
	check_number(s.held.tracked->flags, 0);
	check_number(shim.sockets.deferred_count, 0);
}

Test(deferral, a_port_that_cannot_be_made_real_stays_deferred)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	/* Of an address whose ports all go somewhere already: connect() may still find one. */
	fake_fail_some(CALL_BIND, EADDRINUSE, 0, 1);
	check_number(deferral_make_real(&shim.sockets, &s.held, s.fd), -EADDRINUSE);
	check_number(shim.sockets.deferred_count, 1);
	check_number(s.held.tracked->flags, DEFERRED | NO_PORT_BY_US | HAS_SOURCE);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
	check_number(program_connect(&s, TO), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
}

Test(deferral, another_socket_under_the_same_number_is_left_alone)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	fake_close_socket(s.fd, false);
	int other = fake_tcp_socket(AF_INET);
	check_number(other, s.fd);
	check_number(deferral_make_real(&shim.sockets, &s.held, s.fd), 0);
	check_number(fake_fd(other)->local.port, 0);
	check(address_is_unset(&fake_fd(other)->local.ip));
	check_number(shim.sockets.deferred_count, 0);
}

static long bind_and_fork(void *argument)
{
	long rc = fake_program_bind(argument);
	shim_restart(&shim);
	return rc;
}

Test(deferral, a_bind_nobody_would_remember_is_made_real_at_once)
{
	struct program_socket s = program_socket(AF_INET);
	struct fake_bind call = { .fd = s.fd, .local = at("10.0.0.7:0") };
	check_number(deferral_bind(&shim.sockets, &s.held, s.fd, &call.local, bind_and_fork, &call), 0);
	check(fake_fd(s.fd)->local.port);
	check_number(fake_fd(s.fd)->no_port, 0);
	check_number(shim.sockets.deferred_count, 0);
}

Test(deferral, a_deferred_socket_that_is_closed_is_forgotten)
{
	struct program_socket s = program_socket(AF_INET);
	check_number(program_bind(&s, "10.0.0.7:0"), 0);
	program_close(&s);
	check_number(shim.sockets.deferred_count, 0);
}
