// SPDX-License-Identifier: Apache-2.0
/* test_facts - what the kernel says of a socket. */
#include "pool/socket/facts.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

#include <errno.h>
#include <netinet/tcp.h>

static int fd;

static void start(void)
{
	fake_start();
	fd = fake_tcp_socket(AF_INET);
}

TestSuite(socket_facts, .init = start, .fini = fake_stop);

Test(socket_facts, every_socket_has_a_cookie_of_its_own)
{
	int other = fake_tcp_socket(AF_INET);
	check(socket_cookie(fd) != 0);
	check(socket_cookie(fd) != socket_cookie(other));
	check_number(socket_cookie(5), 0);
	fake_fail(CALL_GETSOCKOPT, EPERM);
	check_number(socket_cookie(fd), 0);
}

Test(socket_facts, its_address_and_port_are_asked_for)
{
	struct endpoint expected = at("10.0.0.7:5000"), local;

	fake_fd(fd)->local = expected;
	check(socket_local(fd, &local));
	check(address_equal(&local.ip, &expected.ip));
	check_number(local.port, 5000);
	check_number(socket_port(fd), 5000);
	check(!socket_local(5, &local));
	check_number(socket_port(5), 0);
}

Test(socket_facts, the_state_is_tcp_s)
{
	check_number(socket_tcp_state(fd), TCP_CLOSE);
	fake_fd(fd)->tcp_state = TCP_ESTABLISHED;
	check_number(socket_tcp_state(fd), TCP_ESTABLISHED);
	check_number(socket_tcp_state(5), 0);
}

Test(socket_facts, a_fresh_socket_has_no_flags)
{
	struct tracked facts;
	check(socket_inquire(fd, &facts));
	check_number(facts.flags, 0);
	check_number(facts.family, AF_INET);
	check_number(facts.state, SOCKET_FRESH);
	int v6 = fake_tcp_socket(AF_INET6);
	check(socket_inquire(v6, &facts));
	check_number(facts.flags, 0);
	check_number(facts.family, AF_INET6);
}

Test(socket_facts, what_is_bound_or_set_is_asked_for)
{
	struct fake_fd *s = fake_fd(fd);
	struct tracked facts;
	s->local = at("10.0.0.7:5000");
	s->no_port = s->reuse_port = s->transparent = 1;
	s->range = 40000 | 40009u << 16;
	s->linger = (struct linger){ .l_onoff = 1 };
	check(socket_inquire(fd, &facts));
	check_number(facts.flags, HAS_PORT | HAS_SOURCE | OWN_NO_PORT | REUSES_PORT | OWN_RANGE |
					  ABORTS_ON_CLOSE | PINNED);
	check_address(&facts.bound, "10.0.0.7");
}

Test(socket_facts, a_device_pins_a_socket)
{
	struct tracked facts;
	strcpy(fake_fd(fd)->device, "eth1");
	check(socket_inquire(fd, &facts));
	check_number(facts.flags, PINNED);
}

Test(socket_facts, a_linger_with_a_time_does_not_abort)
{
	struct tracked facts;
	fake_fd(fd)->linger = (struct linger){ .l_onoff = 1, .l_linger = 5 };
	check(socket_inquire(fd, &facts));
	check_number(facts.flags, 0);
}

Test(socket_facts, a_range_we_set_before_an_exec_is_ours)
{
	struct tracked facts;
	fake_fd(fd)->range = 0xffff0001;
	check(socket_inquire(fd, &facts));
	check_number(facts.flags, RANGE_BY_US);
}

struct protocol_case {
	int family, type, protocol;
	bool tcp;
};

ParameterizedTestParameters(socket_facts, only_tcp_and_mptcp_over_ip_count)
{
	static struct protocol_case cases[] = {
		{ AF_INET, SOCK_STREAM, IPPROTO_TCP, true }, { AF_INET6, SOCK_STREAM, IPPROTO_TCP, true },
		{ AF_INET, SOCK_STREAM, 262, true },         { AF_INET, SOCK_STREAM, IPPROTO_SCTP, false },
		{ AF_INET, SOCK_DGRAM, IPPROTO_UDP, false }, { AF_UNIX, SOCK_STREAM, 0, false },
		{ AF_INET, SOCK_RAW, IPPROTO_ICMP, false },  { AF_INET, SOCK_RAW, IPPROTO_TCP, false },
	};
	return cr_make_param_array(struct protocol_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct protocol_case *c, socket_facts, only_tcp_and_mptcp_over_ip_count)
{
	struct tracked facts;
	int other = (int)kernel.socket(c->family, c->type, c->protocol);
	check_number(socket_inquire(other, &facts), c->tcp);
}

Test(socket_facts, what_cannot_be_asked_is_not_tracked)
{
	struct tracked facts;
	check(!socket_inquire(5, &facts));
	fake_fail(CALL_GETSOCKNAME, EPERM);
	check(!socket_inquire(fd, &facts));
	fake_recover();
	fake_fail(CALL_GETSOCKOPT, EPERM);
	check(!socket_inquire(fd, &facts));
}

Test(socket_facts, options_that_cannot_be_asked_count_as_unset)
{
	struct tracked facts;
	fake_fd(fd)->no_port = fake_fd(fd)->transparent = 1;
	fake_fail_some(CALL_GETSOCKOPT, ENOPROTOOPT, 2, 100); /* but for SO_PROTOCOL and SO_TYPE */
	check(socket_inquire(fd, &facts));
	check_number(facts.flags, 0);
}

/* What close() will mean. */

struct ending_case {
	char name[48];
	uint8_t state;
	uint32_t flags;
	long to_recv;
	uint8_t tcp_state;
	int so_error;
	struct ending_facts want;
	unsigned calls;
};

#define WANT(...)           \
	{                   \
		__VA_ARGS__ \
	}

static struct criterion_test_params all_endings(void)
{
	static struct ending_case cases[] = {
		{ "we close first", SOCKET_OPEN, 0, -EAGAIN, TCP_ESTABLISHED, 0, WANT(.how = ENDED_TIME_WAIT),
		  1 },
		{ "the peer closed first", SOCKET_OPEN, 0, 0, TCP_CLOSE_WAIT, 0, WANT(.how = ENDED_BY_PEER),
		  1 },
		{ "unread data", SOCKET_OPEN, 0, 1, TCP_ESTABLISHED, 0, WANT(.how = ENDED_BY_RESET), 1 },
		{ "unread data, then the peer's end", SOCKET_OPEN, 0, 1, TCP_CLOSE_WAIT, 0,
		  WANT(.how = ENDED_BY_RESET), 1 },
		{ "reset by the peer", SOCKET_OPEN, 0, -ECONNRESET, TCP_CLOSE, 0, WANT(.how = ENDED_BY_RESET),
		  1 },
		{ "broken pipe", SOCKET_OPEN, 0, -EPIPE, TCP_CLOSE, 0, WANT(.how = ENDED_BY_RESET), 1 },
		{ "timed out", SOCKET_OPEN, 0, -ETIMEDOUT, TCP_CLOSE, 0,
		  WANT(.how = ENDED_BY_RESET, .error = ETIMEDOUT), 1 },
		{ "SO_LINGER 0", SOCKET_OPEN, ABORTS_ON_CLOSE, -EAGAIN, TCP_ESTABLISHED, 0,
		  WANT(.how = ENDED_BY_RESET), 0 },
		{ "TCP_LINGER2 below 0", SOCKET_OPEN, NO_TIME_WAIT, -EAGAIN, TCP_ESTABLISHED, 0,
		  WANT(.how = ENDED_BY_RESET), 2 },
		{ "the peer closed first, TCP_LINGER2", SOCKET_OPEN, NO_TIME_WAIT, 0, TCP_CLOSE_WAIT, 0,
		  WANT(.how = ENDED_BY_PEER), 1 },
		{ "shutdown by both, TCP_LINGER2", SOCKET_OPEN, WAS_SHUT | FIN_SENT_FIRST | NO_TIME_WAIT, 0,
		  TCP_CLOSE, 0, WANT(.how = ENDED_TIME_WAIT), 3 },
		{ "shutdown by us first", SOCKET_OPEN, WAS_SHUT | FIN_SENT_FIRST, -EAGAIN, TCP_FIN_WAIT2, 0,
		  WANT(.how = ENDED_TIME_WAIT), 2 },
		{ "shutdown by us, then by the peer", SOCKET_OPEN, WAS_SHUT | FIN_SENT_FIRST, 0, TCP_CLOSE, 0,
		  WANT(.how = ENDED_TIME_WAIT), 3 },
		{ "shutdown by us, then by the peer, unread data", SOCKET_OPEN, WAS_SHUT | FIN_SENT_FIRST, 1,
		  TCP_CLOSE, 0, WANT(.how = ENDED_TIME_WAIT), 3 },
		{ "shutdown by us, then reset, unread data", SOCKET_OPEN, WAS_SHUT | FIN_SENT_FIRST, 1,
		  TCP_CLOSE, ECONNRESET, WANT(.how = ENDED_BY_RESET, .error = ECONNRESET), 3 },
		{ "shutdown by us, unread data", SOCKET_OPEN, WAS_SHUT | FIN_SENT_FIRST, 1, TCP_FIN_WAIT2, 0,
		  WANT(.how = ENDED_BY_RESET), 2 },
		{ "shutdown after the peer's", SOCKET_OPEN, WAS_SHUT, 0, TCP_CLOSE, 0,
		  WANT(.how = ENDED_BY_RESET), 3 },
		{ "shutdown after the peer's, on its way", SOCKET_OPEN, WAS_SHUT, 0, TCP_LAST_ACK, 0,
		  WANT(.how = ENDED_BY_PEER), 2 },
		{ "shutdown for reading only", SOCKET_OPEN, WAS_SHUT, 0, TCP_ESTABLISHED, 0,
		  WANT(.how = ENDED_TIME_WAIT), 2 },
		{ "shutdown, then SO_LINGER 0", SOCKET_OPEN, WAS_SHUT | FIN_SENT_FIRST | ABORTS_ON_CLOSE,
		  -EAGAIN, TCP_FIN_WAIT2, 0, WANT(.how = ENDED_BY_RESET), 2 },
		{ "shutdown, then reset", SOCKET_OPEN, WAS_SHUT | FIN_SENT_FIRST, 0, TCP_CLOSE, ECONNRESET,
		  WANT(.how = ENDED_BY_RESET, .error = ECONNRESET), 3 },
		{ "both at once", SOCKET_OPEN, WAS_SHUT | FIN_SENT_FIRST, 0, TCP_CLOSING, 0,
		  WANT(.how = ENDED_TIME_WAIT), 2 },
		{ "still connecting", SOCKET_CONNECTING, 0, -EAGAIN, TCP_SYN_SENT, 0,
		  WANT(.gave_up = true, .how = ENDED_BY_RESET), 2 },
		{ "connected since", SOCKET_CONNECTING, 0, -EAGAIN, TCP_ESTABLISHED, 0,
		  WANT(.how = ENDED_TIME_WAIT), 2 },
		{ "connected since, SO_LINGER 0", SOCKET_CONNECTING, ABORTS_ON_CLOSE, -EAGAIN,
		  TCP_ESTABLISHED, 0, WANT(.how = ENDED_BY_RESET), 2 },
		{ "connected and closed by the peer since", SOCKET_CONNECTING, 0, 0, TCP_CLOSE_WAIT, 0,
		  WANT(.how = ENDED_BY_PEER), 1 },
		{ "refused since", SOCKET_CONNECTING, 0, -ECONNREFUSED, TCP_CLOSE, 0,
		  WANT(.how = ENDED_BY_RESET, .error = ECONNREFUSED), 1 },
		{ "refused since, seen by SO_ERROR", SOCKET_CONNECTING, 0, -ENOTCONN, TCP_CLOSE, ECONNREFUSED,
		  WANT(.how = ENDED_BY_RESET, .error = ECONNREFUSED), 3 },
		{ "not a socket any longer", SOCKET_OPEN, 0, -ENOTSOCK, 0, 0,
		  WANT(.stranger = true, .how = ENDED_BY_RESET), 1 },
	};
	return cr_make_param_array(struct ending_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTestParameters(socket_facts, the_end_is_seen_before_the_close)
{
	return all_endings();
}

ParameterizedTest(struct ending_case *c, socket_facts, the_end_is_seen_before_the_close)
{
	struct fake_fd *s = fake_fd(fd);
	s->to_recv = c->to_recv;
	s->tcp_state = c->tcp_state;
	s->error = c->so_error;
	struct ending_facts got = socket_ending(fd, c->state, c->flags, true);
	cr_assert(got.how == c->want.how, "%s: ended %d, not %d", c->name, got.how, c->want.how);
	cr_assert(got.gave_up == c->want.gave_up && got.error == c->want.error &&
			  got.stranger == c->want.stranger,
		  "%s: gave up %d, error %d, stranger %d", c->name, got.gave_up, got.error, got.stranger);
	cr_assert(fake_total_calls() == c->calls, "%s: %u calls, not %u", c->name, fake_total_calls(),
		  c->calls);
}

/* The error that others who hold the socket are to be told. */
static int error_of(const struct ending_case *c)
{
	bool of_recv = c->to_recv < 0 && c->to_recv != -EAGAIN && c->to_recv != -ENOTCONN;
	return of_recv ? (int)-c->to_recv : c->so_error;
}

ParameterizedTestParameters(socket_facts, the_look_takes_nothing_from_others)
{
	return all_endings();
}

ParameterizedTest(struct ending_case *c, socket_facts, the_look_takes_nothing_from_others)
{
	struct fake_fd *s = fake_fd(fd);
	s->to_recv = c->to_recv;
	s->tcp_state = c->tcp_state;
	s->error = error_of(c);
	struct ending_facts got = socket_ending(fd, c->state, c->flags, false);
	cr_assert(got.how == c->want.how, "%s: ended %d, not %d", c->name, got.how, c->want.how);
	bool failed = c->state == SOCKET_CONNECTING && c->want.error;
	cr_assert(got.gave_up == (c->want.gave_up || failed) && got.stranger == c->want.stranger,
		  "%s: gave up %d, stranger %d", c->name, got.gave_up, got.stranger);
	cr_assert(s->error == error_of(c), "%s: the error was taken", c->name);
	check_number(fake.calls[CALL_RECV], 0);
}

Test(socket_facts, a_connection_open_both_ways_is_one_look)
{
	fake_fd(fd)->to_recv = -EAGAIN;
	fake_fd(fd)->tcp_state = TCP_ESTABLISHED;
	socket_ending(fd, SOCKET_OPEN, 0, true);
	check_number(fake_total_calls(), 1);
	socket_ending(fd, SOCKET_OPEN, 0, false);
	check_number(fake_total_calls(), 2);
}

Test(socket_facts, where_poll_is_refused_the_state_tells)
{
	fake_fail(CALL_PPOLL, EPERM);
	fake_fd(fd)->to_recv = -EAGAIN;
	fake_fd(fd)->tcp_state = TCP_ESTABLISHED;
	check_number(socket_ending(fd, SOCKET_OPEN, 0, false).how, ENDED_TIME_WAIT);
	fake_fd(fd)->to_recv = 1;
	check_number(socket_ending(fd, SOCKET_OPEN, 0, false).how, ENDED_BY_RESET);
	fake_fd(fd)->to_recv = 0;
	fake_fd(fd)->tcp_state = TCP_CLOSE_WAIT;
	check_number(socket_ending(fd, SOCKET_OPEN, 0, false).how, ENDED_BY_PEER);
}

/* poll(2) tells the FIN before TCP_INFO does. */
Test(socket_facts, a_fin_that_is_being_taken_in_makes_a_time_wait)
{
	enum { FLAGS = WAS_SHUT | FIN_SENT_FIRST | ABORTS_ON_CLOSE };
	struct fake_fd *s = fake_fd(fd);
	s->to_recv = 0;
	s->peer_end = true;
	s->tcp_state = TCP_FIN_WAIT2;
	s->tcp_state_next = TCP_CLOSE;
	check_number(socket_ending(fd, SOCKET_OPEN, FLAGS, false).how, ENDED_TIME_WAIT);
	/* shutdown(SHUT_RDWR): poll() tells the same, and the peer has not ended. */
	s->tcp_state = s->tcp_state_next = TCP_FIN_WAIT2;
	check_number(socket_ending(fd, SOCKET_OPEN, FLAGS, false).how, ENDED_BY_RESET);
}

/* TCP_FASTOPEN_CONNECT: connect() says 0 before there is a SYN. */
Test(socket_facts, fast_open_is_asked_how_it_stands)
{
	fake_fd(fd)->to_recv = -EAGAIN;
	fake_fd(fd)->tcp_state = TCP_SYN_SENT;
	check(socket_ending(fd, SOCKET_OPEN, LOOK_CLOSELY, true).gave_up);
	check(socket_ending(fd, SOCKET_OPEN, LOOK_CLOSELY, false).gave_up);
	fake_fd(fd)->tcp_state = TCP_ESTABLISHED;
	check_number(socket_ending(fd, SOCKET_OPEN, LOOK_CLOSELY, true).how, ENDED_TIME_WAIT);
}

Test(socket_facts, a_connection_that_was_open_and_reset_did_not_give_up)
{
	struct fake_fd *s = fake_fd(fd);
	s->to_recv = -ECONNRESET;
	s->error = ECONNRESET;
	s->tcp_state = TCP_CLOSE;
	s->connected = true;
	check(!socket_ending(fd, SOCKET_CONNECTING, 0, false).gave_up);
	fake.tcp_info_size = 104; /* of a kernel that does not count the bytes, before 4.1 */
	s->connected = false;
	check(!socket_ending(fd, SOCKET_CONNECTING, 0, false).gave_up);
}

Test(socket_facts, quiet_is_open_both_ways_and_read)
{
	struct fake_fd *s = fake_fd(fd);
	s->to_recv = -EAGAIN;
	s->tcp_state = TCP_ESTABLISHED;
	check(socket_is_quiet(fd));
	s->to_recv = 3;
	check(!socket_is_quiet(fd));
	s->to_recv = 0;
	s->tcp_state = TCP_CLOSE_WAIT;
	check(!socket_is_quiet(fd));
	check(!socket_is_quiet(5));
	fake_fail(CALL_PPOLL, EPERM);
	check(!socket_is_quiet(fd));
	s->to_recv = -EAGAIN;
	s->tcp_state = TCP_ESTABLISHED;
	check(socket_is_quiet(fd));
	check_number(fake.calls[CALL_RECV], 0);
}

Test(socket_facts, a_closed_fd_is_a_stranger)
{
	check(socket_ending(5, SOCKET_OPEN, 0, true).stranger);
	check(socket_ending(5, SOCKET_OPEN, 0, false).stranger);
}
