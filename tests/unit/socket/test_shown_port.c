// SPDX-License-Identifier: Apache-2.0
/* test_shown_port - bind(ip, 0), getsockname(), connect(): the port that was shown, for this destination
 * alone. */
#include "pool/socket/deferral.h"
#include "pool/socket/shown_port.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>

#define TO "10.0.0.9:80"

static void start(void)
{
	program_start("");
	/* The fake's bind() gives ports from 50000 on. */
	fake_range(40000, 60999, "", 0);
	ledger_refresh_range(&shim.ledger, fake.now_ns);
}

TestSuite(shown_port, .init = start, .fini = fake_stop);

static struct program_socket shown_socket(const char *local)
{
	struct program_socket s = program_socket(local[0] == '[' ? AF_INET6 : AF_INET);

	check_number(program_bind(&s, local), 0);
	check_number(deferral_show(&shim.sockets, &s.held, s.fd), 0);
	check(fake_fd(s.fd)->local.port >= 50000);
	return s;
}

Test(shown_port, it_is_the_connections)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	uint16_t shown = fake_fd(s.fd)->local.port;
	check_number(s.held.tracked->flags, HAS_PORT | HAS_SOURCE | PORT_SHOWN);
	check_number(program_connect(&s, TO), 0);
	check(fake_fd(s.fd)->listened);
	check_number(fake_fd(s.fd)->local.port, shown);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
	check_number(fake_fd(s.fd)->range, 0);
	check_number(fake_fd(s.fd)->no_port, 0);
	check_number(fake_fd(s.fd)->least_ttl, 0);
	check_number(fake_fd(s.fd)->answers, false);
	check_number(fake.program_connects, 1);
	check_number(shim.sockets.deferrals, 1);
	check_number(shim.sockets.deferred_count, 0);
	check_number(program_space("10.0.0.7", TO)->use->deferred, 1);
	check_number(program_space("10.0.0.7", TO)->open, 1);
	check(!(s.held.tracked->flags & PORT_SHOWN));
}

Test(shown_port, it_is_the_connections_without_a_source_and_with_ipv6)
{
	static const char *const locals[] = { "0.0.0.0:0", "[::]:0", "[fd00::7]:0", "[::ffff:10.0.0.7]:0" };
	for (size_t i = 0; i < 4; i++) {
		struct program_socket s = shown_socket(locals[i]);
		uint16_t shown = fake_fd(s.fd)->local.port;
		check_number(program_connect(&s, i == 2 ? "[fd00::9]:80" : TO), 0);
		check(fake_fd(s.fd)->listened);
		check_number(fake_fd(s.fd)->local.port, shown);
	}
}

/* Without the option somebody could be answered. */
Test(shown_port, what_comes_while_it_listens_is_dropped)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	fake_fail_option(CALL_SETSOCKOPT, IP_MINTTL, EPERM);
	check_number(program_connect(&s, TO), 0);
	check(!fake_fd(s.fd)->listened);
}

Test(shown_port, a_failed_connect_leaves_none_as_without)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	fake.connect_result = -ECONNREFUSED;
	check_number(program_connect(&s, TO), -ECONNREFUSED);
	check_number(fake_fd(s.fd)->range, 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
	fake.connect_result = 0;
	fake_fd(s.fd)->listened = false;
	check_number(program_connect(&s, TO), 0);
	check(!fake_fd(s.fd)->listened);
	check_number(shim.sockets.deferred_count, 0);
}

Test(shown_port, under_way_is_as_good)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	fake.connect_result = -EINPROGRESS;
	check_number(program_connect(&s, TO), -EINPROGRESS);
	check_number(fake_fd(s.fd)->range, 0);
	check_number(shim.sockets.deferrals, 1);
}

struct particular {
	uint32_t flags;
	unsigned fds;
};

ParameterizedTestParameters(shown_port, a_particular_socket_keeps_it)
{
	static struct particular cases[] = {
		{ .flags = UNUSUAL },      { .flags = HELD_ELSEWHERE }, { .flags = OWN_NO_PORT },
		{ .flags = OWN_RANGE },    { .flags = PINNED },         { .flags = REUSES_PORT },
		{ .flags = LOOK_CLOSELY }, { .flags = WAS_SHUT },       { .fds = 2 },
	};
	return cr_make_param_array(struct particular, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct particular *c, shown_port, a_particular_socket_keeps_it)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	s.held.tracked->flags |= c->flags;
	if (c->fds)
		s.held.tracked->fds = c->fds;
	uint16_t shown = fake_fd(s.fd)->local.port;
	check_number(program_connect(&s, TO), 0);
	check(!fake_fd(s.fd)->listened);
	check_number(fake_fd(s.fd)->local.port, shown);
	check_number(fake_fd(s.fd)->range, 0);
	check_number(shim.sockets.deferrals, 0);
}

Test(shown_port, it_is_kept_after_a_fork)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	atomic_fetch_add(shim.sockets.forks, 1);
	check_number(program_connect(&s, TO), 0);
	check(!fake_fd(s.fd)->listened);
}

Test(shown_port, a_listener_is_not_ended)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	fake_fd(s.fd)->tcp_state = TCP_LISTEN; /* by a raw system call */
	program_connect(&s, TO);
	check(!fake_fd(s.fd)->listened);
	check_number(fake.calls[CALL_CONNECT], 0);
}

Test(shown_port, mptcp_keeps_it)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	fake_fd(s.fd)->protocol = IPPROTO_MPTCP;
	check_number(program_connect(&s, TO), 0);
	check(!fake_fd(s.fd)->listened);
}

Test(shown_port, who_asked_for_signals_keeps_it)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	fake_fd(s.fd)->status |= O_ASYNC;
	check_number(program_connect(&s, TO), 0);
	check(!fake_fd(s.fd)->listened);
}

Test(shown_port, another_socket_under_the_number_keeps_it)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	fake_fd(s.fd)->cookie = ++fake.last_cookie;
	check_number(program_connect(&s, TO), 0);
	check(!fake_fd(s.fd)->listened);
}

Test(shown_port, without_the_option_it_is_kept)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	fake_fail_option(CALL_SETSOCKOPT, IP_LOCAL_PORT_RANGE, ENOPROTOOPT);
	check_number(program_connect(&s, TO), 0);
	check(!fake_fd(s.fd)->listened);
	check(strstr(fake.output, "undeferred") == NULL); /* a line of level info */
}

Test(shown_port, where_listen_fails_nothing_is_left_of_it)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	uint16_t shown = fake_fd(s.fd)->local.port;
	fake_fail(CALL_LISTEN, EADDRINUSE);
	check_number(program_connect(&s, TO), 0);
	check_number(fake_fd(s.fd)->local.port, shown);
	check_number(fake_fd(s.fd)->range, 0);
	check_number(fake.calls[CALL_CONNECT], 0);
}

Test(shown_port, a_fork_of_the_record_keeps_it)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	struct shown_port shown = { .stage = SHOWN_MAY };
	shim_restart(&shim);
	shown_port_release(&shim.sockets, &s.held, s.fd, &shown);
	check_number(shown.stage, SHOWN_KEPT);
	check(!fake_fd(s.fd)->listened);
}

/* Another connection takes what was shown, in the moment in which nobody has it. */
static struct program_socket thief;

static void steal(void *argument)
{
	const struct program_socket *from = argument;
	struct fake_fd *s = fake_fd(thief.fd);

	fake.meanwhile = NULL;
	s->connected = true;
	s->local = (struct endpoint){ .ip = ip("10.0.0.7"),
				      .port = (uint16_t)(fake_fd(from->fd)->range & 0xffff) };
	s->peer = at(TO);
}

static struct program_socket robbed_socket(void)
{
	static struct program_socket s;

	s = shown_socket("10.0.0.7:0");
	thief = program_socket(AF_INET);
	fake.meanwhile = steal;
	fake.meanwhile_argument = &s;
	return s;
}

Test(shown_port, when_another_has_it_it_is_another)
{
	struct program_socket s = robbed_socket();
	fake_fail_some(CALL_BIND, EADDRINUSE, 0, 1);
	check_number(program_connect(&s, TO), 0);
	check_number(fake.program_connects, 2);
	check(fake_fd(s.fd)->local.port != fake_fd(thief.fd)->local.port);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
	check_number(fake_fd(s.fd)->range, 0);
	check_number(fake_fd(s.fd)->no_port, 0);
	check_number(shim.sockets.deferrals, 1);
}

/* On an older kernel, or where a socket bound to another address has it, too. */
Test(shown_port, when_connect_cannot_have_it_bind_takes_it_again)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	uint16_t shown = fake_fd(s.fd)->local.port;
	fake_limit("10.0.0.7", TO, 0); /* for a connect() without a port */
	check_number(program_connect(&s, TO), 0);
	check_number(fake.program_connects, 2);
	check_number(fake_fd(s.fd)->local.port, shown);
	check_number(fake_fd(s.fd)->range, 0);
	check_number(shim.sockets.deferrals, 0);
}

Test(shown_port, when_no_other_is_left_bind_is_asked_and_then_the_program_told)
{
	struct program_socket s = shown_socket("10.0.0.7:0");
	fake_limit("10.0.0.7", TO, 0);
	fake_fail_some(CALL_BIND, EADDRINUSE, 0, 1);
	check_number(program_connect(&s, TO), 0); /* by bind(), to any port */
	check_number(fake.program_connects, 3);
	check_number(fake_fd(s.fd)->range, 0);

	s = shown_socket("10.0.0.7:0");
	fake.connect_result = -EADDRNOTAVAIL;
	check_number(program_connect(&s, TO), -EADDRNOTAVAIL);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.7");
	check_number(fake_fd(s.fd)->range, 0);
	check_number(s.held.tracked->state, SOCKET_FRESH);
}

Test(shown_port, options_that_the_exchange_takes_away_are_minded)
{
	check(shown_port_keeps(IPPROTO_TCP, TCP_NODELAY));
	check(shown_port_keeps(SOL_SOCKET, SO_KEEPALIVE));
	check(shown_port_keeps(IPPROTO_IPV6, IPV6_V6ONLY));
	check(!shown_port_keeps(IPPROTO_TCP, TCP_MAXSEG));
	check(!shown_port_keeps(IPPROTO_TCP, TCP_WINDOW_CLAMP));
	check(!shown_port_keeps(IPPROTO_TCP, TCP_QUICKACK));
	check(!shown_port_keeps(IPPROTO_TCP, 12345));
	check(!shown_port_keeps(SOL_SOCKET, SO_PEEK_OFF));
	check(!shown_port_keeps(SOL_SOCKET, SO_REUSEADDR));
	check(!shown_port_keeps(SOL_SOCKET, SO_ATTACH_FILTER));
	check(!shown_port_keeps(IPPROTO_UDP, 1));
}
