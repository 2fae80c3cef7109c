// SPDX-License-Identifier: Apache-2.0
/* test_parked - what is parked and handed out: which connection, to whom, and when it has died meanwhile. */
#include "preload/base/fdtable.h"
#include "preload/parking/parking.h"
#include "tests/unit/check.h"
#include "tests/unit/reusing.h"

#include <errno.h>
#include <stdio.h>

#define TO    "10.0.0.9:6379"
#define RULES "[headroom]\nreuse = redis\nidle_timeout = 1s\n"

enum { FILES = 2048 };

static void start(void)
{
	reusing_start(RULES, FILES);
}

TestSuite(parked, .init = start, .fini = fake_stop);

Test(parked, a_closed_connection_serves_the_next_connect)
{
	int fd = reusing_opened(TO);
	uint64_t cookie = fake_fd(fd)->cookie;
	uint16_t port = fake_fd(fd)->local.port;
	reusing_exchange(fd);
	check(reusing_close(fd));
	check_number(reusing_counts(TO)->misses, 1);
	check_number(program_space("10.0.0.1", TO)->open, 1);
	reusing_wait(REUSING_QUIET_NS);
	int again = reusing_opened(TO);
	check_number(fake_fd(again)->cookie, cookie);
	check_number(fake_fd(again)->local.port, port);
	check_number(fake.program_connects, 1);
	check_number(reusing_open_fds(), 1 + BLANK);
	check_number(reusing_counts(TO)->hits, 1);
	check_number(reusing_counts(TO)->misses, 1);
	check_number(program_space("10.0.0.1", TO)->open, 1);
	check_number(program_space("10.0.0.1", TO)->use->opened, 1);
	check_number(program_space("10.0.0.1", TO)->use->reuse_hits, 1);
	check_number(program_space("10.0.0.1", TO)->use->reuse_parked, 0);
}

Test(parked, again_and_again)
{
	uint64_t cookie = reusing_parked(TO);
	for (unsigned i = 0; i < 100; i++)
		check_number(reusing_parked(TO), cookie);
	check_number(fake.program_connects, 1);
	check_number(reusing_open_fds(), 1 + BLANK);
	check_number(reusing_counts(TO)->hits, 100);
}

Test(parked, without_a_rule_nothing_is)
{
	reusing_start("", FILES);
	int fd = reusing_socket(AF_INET);
	check_number(reusing_connect(fd, TO), 0);
	check(!reusing_close(fd));
	check_number(reusing_open_fds(), 0);
}

Test(parked, its_fd_is_ours_numbered_high_and_closed_at_exec)
{
	int own = reusing_number(reusing_parked(TO));
	check_number(own, FILES / 2);
	check(fake_fd(own)->cloexec);
	check_number(shim.reusing.parked_count, 1);
	check_number(program_space("10.0.0.1", TO)->use->reuse_parked, 1);
}

Test(parked, the_youngest_goes_first)
{
	int a = reusing_opened(TO), b = reusing_opened(TO), c = reusing_opened(TO);
	uint64_t first = fake_fd(a)->cookie, second = fake_fd(b)->cookie, third = fake_fd(c)->cookie;
	reusing_exchange(a);
	reusing_exchange(b);
	reusing_exchange(c);
	check(reusing_close(b));
	check(reusing_close(c));
	check(reusing_close(a));
	reusing_wait(REUSING_QUIET_NS);
	check_number(reusing_serves(TO), first);
	check_number(reusing_serves(TO), third);
	check_number(reusing_serves(TO), second);
	check_number(reusing_counts(TO)->hits, 3);
}

Test(parked, it_is_for_its_destination_only)
{
	uint64_t cookie = reusing_parked(TO);
	check(reusing_serves("10.0.0.9:6380") != cookie);
	check(reusing_serves("10.0.0.8:6379") != cookie);
	check_number(reusing_serves(TO), cookie);
}

Test(parked, it_is_for_its_family_only)
{
	uint64_t cookie = reusing_parked(TO);
	int mapped = reusing_socket(AF_INET6);
	check_number(reusing_connect(mapped, TO), 0);
	check(fake_fd(mapped)->cookie != cookie);
	/* It made way: the server has no more connections than without us. */
	check_retired(TO, RETIRED_ROOM);
	check_number(shim.reusing.parked_count, 0);
}

Test(parked, over_ipv6)
{
	int fd = reusing_socket(AF_INET6);
	check_number(reusing_connect(fd, "[fd00::9]:6379"), 0);
	uint64_t cookie = fake_fd(fd)->cookie;
	reusing_exchange(fd);
	check(reusing_close(fd));
	reusing_wait(REUSING_QUIET_NS);
	fd = reusing_socket(AF_INET6);
	check_number(reusing_connect(fd, "[fd00::9]:6379"), 0);
	check_number(fake_fd(fd)->cookie, cookie);
}

struct quiet_case {
	char guard[12];
	uint32_t rtt_us;
	uint64_t quiet_ns;
};

ParameterizedTestParameters(parked, it_rests_until_the_server_would_have_shown_what_it_does)
{
	static struct quiet_case cases[] = {
		{ "redis", 80000, 1000000 }, { "memcached", 80000, 1000000 }, { "http", 100, 1000000 },
		{ "http", 80000, 1000000 },  { "http+bodies", 100, 1000000 }, { "raw", 80000, 160000000 },
	};
	return cr_make_param_array(struct quiet_case, cases, sizeof(cases) / sizeof(cases[0]));
}

static void exchange_by(const char *guard, int fd)
{
	if (guard[0] == 'h') {
		reusing_send(fd, "GET / HTTP/1.1\r\n\r\n");
		reusing_receive(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	} else if (guard[0] == 'm') {
		reusing_send(fd, "get a\r\n");
		reusing_receive(fd, "END\r\n");
	} else {
		reusing_exchange(fd);
	}
}

/* A non-blocking connect() does not wait for longer than a millisecond: another connection is made instead,
 * and the parked one goes before. */
ParameterizedTest(struct quiet_case *c, parked, it_rests_until_the_server_would_have_shown_what_it_does)
{
	for (unsigned too_soon = 0; too_soon < 2; too_soon++) {
		char rules[96];
		snprintf(rules, sizeof(rules), "[headroom]\nreuse = %s\nidle_timeout = 1s\n", c->guard);
		reusing_start(rules, FILES);
		int fd = reusing_opened(TO);
		uint64_t cookie = fake_fd(fd)->cookie;
		fake_fd(fd)->rtt_us = c->rtt_us;
		exchange_by(c->guard, fd);
		check(reusing_close(fd));
		if (too_soon && !c->quiet_ns)
			continue;
		reusing_wait(c->quiet_ns);
		program_destination(TO)->parked->newest->ready_ns += too_soon ? 3000000 : 0;
		check_number(reusing_serves(TO) == cookie, !too_soon);
		check_number(reusing_counts(TO)->retired[RETIRED_ROOM], too_soon);
	}
}

/* A blocking one waits for the rest of it, if that is not long. */
Test(parked, a_blocking_connect_waits_for_the_rest)
{
	reusing_start("[headroom]\nreuse = http\nidle_timeout = 1s\n", FILES);
	int fd = reusing_opened(TO);
	uint64_t cookie = fake_fd(fd)->cookie, began_ns = fake.now_ns;
	exchange_by("http", fd);
	check(reusing_close(fd));
	check_number(reusing_serves(TO), cookie);
	check_number(fake.now_ns - began_ns, CONDUCT_FLOOR_IN_DOUBT_MS * 1000000);
}

struct death {
	long to_recv;
	enum reuse_retirement why;
	bool reset;
};

ParameterizedTestParameters(parked, one_that_died_is_not_handed_out)
{
	static struct death cases[] = {
		{ 0, RETIRED_FIN, true },
		{ -ECONNRESET, RETIRED_RESET, true },
		{ -EPIPE, RETIRED_RESET, true },
		{ 5, RETIRED_DATA, true },
	};
	return cr_make_param_array(struct death, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct death *c, parked, one_that_died_is_not_handed_out)
{
	uint64_t alive = reusing_parked(TO);
	int other = reusing_opened(TO);
	check_number(fake_fd(other)->cookie, alive);
	uint64_t dead = reusing_parked(TO);
	check(dead != alive);
	fake_fd(reusing_number(dead))->to_recv = c->to_recv;
	uint64_t served = reusing_serves(TO);
	check(served != dead && served != alive);
	check_retired(TO, c->why);
	check_number(reusing_counts(TO)->hits, 1);
	check_number(fake.resets, 0);
	check_number(reusing_open_fds(), 2);
	check_number(program_space("10.0.0.1", TO)->open, 2);
	check_number(program_space("10.0.0.1", TO)->time_wait, 0);
}

Test(parked, the_next_one_is_tried_when_one_has_died)
{
	int a = reusing_opened(TO), b = reusing_opened(TO);
	uint64_t older = fake_fd(a)->cookie, newer = fake_fd(b)->cookie;
	reusing_exchange(a);
	reusing_exchange(b);
	check(reusing_close(a));
	check(reusing_close(b));
	reusing_wait(REUSING_QUIET_NS);
	fake_fd(reusing_number(newer))->to_recv = -ECONNRESET;
	check_number(reusing_serves(TO), older);
	check_retired(TO, RETIRED_RESET);
	check_number(reusing_open_fds(), 1 + BLANK);
}

Test(parked, many_dead_ones_are_all_cleared_away)
{
	int fds[30];
	for (unsigned i = 0; i < 30; i++)
		fds[i] = reusing_opened(TO);
	for (unsigned i = 0; i < 30; i++) {
		reusing_exchange(fds[i]);
		check(reusing_close(fds[i]));
	}
	reusing_wait(REUSING_QUIET_NS);
	for (struct reuse *reuse = shim.reusing.parked_newest; reuse; reuse = reuse->all_older)
		fake_fd(reuse->fd)->to_recv = -ECONNRESET;
	check_number(reusing_connect(reusing_socket(AF_INET), TO), 0);
	while (shim.reusing.parked_count)
		check_number(reusing_connect(reusing_socket(AF_INET), TO), 0);
	check_number(reusing_counts(TO)->retired[RETIRED_RESET], 30);
	check_number(reusing_counts(TO)->hits, 0);
	check_number(fake.resets, 0);
}

Test(parked, one_whose_number_was_closed_unseen_is_lost)
{
	uint64_t cookie = reusing_parked(TO);
	kernel.close(reusing_number(cookie));
	check(reusing_serves(TO) != cookie);
	check_retired(TO, RETIRED_LOST);
	check_number(shim.reusing.parked_count, 0);
}

Test(parked, a_stranger_under_its_number_is_left_alone)
{
	uint64_t cookie = reusing_parked(TO);
	int own = reusing_number(cookie), stranger = fake_tcp_socket(AF_INET);
	check_number(kernel.dup3(stranger, own, 0), own);
	uint64_t strange = fake_fd(own)->cookie;
	reusing_wait(2000000000);
	parking_tidy();
	check_number(shim.reusing.parked_count, 0);
	check_number(fake_fd(own)->cookie, strange);
	check(!fake_fd(own)->linger.l_onoff);
}

Test(parked, what_is_let_go_is_closed_as_the_program_would_have)
{
	reusing_parked(TO);
	check(parking_give_up(RETIRED_EXIT));
	check(!parking_give_up(RETIRED_EXIT));
	check_retired(TO, RETIRED_EXIT);
	check_number(fake.resets, 0);
	check_number(reusing_open_fds(), 0);
	check_number(program_space("10.0.0.1", TO)->open, 0);
	check_number(program_space("10.0.0.1", TO)->time_wait, 1);
	check_number(program_space("10.0.0.1", TO)->use->reuse_parked, 0);
}

Test(parked, all_are_given_up_for_want_of_fds)
{
	int fds[20];
	for (unsigned i = 0; i < 20; i++)
		reusing_exchange(fds[i] = reusing_opened(TO));
	for (unsigned i = 0; i < 20; i++)
		check(reusing_close(fds[i]));
	errno = EMFILE;
	check(parking_made_room(-1));
	check_number(errno, EMFILE);
	check_number(reusing_open_fds(), 0);
	check_number(reusing_counts(TO)->retired[RETIRED_ROOM], 20);
	check(!parking_made_room(-1));
	reusing_parked(TO);
	errno = ENFILE;
	check(!parking_made_room(-1));
	check(!parking_made_room(3));
	check_number(shim.reusing.parked_count, 1);
}

Test(parked, one_gives_way_for_the_program_to_have_its_number)
{
	int own = reusing_number(reusing_parked(TO));
	parking_give_way(own + 1);
	check_number(shim.reusing.parked_count, 1);
	parking_give_way(own);
	check_number(shim.reusing.parked_count, 0);
	check_number(reusing_open_fds(), 0);
	check_retired(TO, RETIRED_ROOM);
}

Test(parked, a_dead_one_is_replaced_at_the_first_send)
{
	uint64_t cookie = reusing_parked(TO);
	int fd = reusing_opened(TO);
	check_number(fake_fd(fd)->cookie, cookie);
	fake_fd(fd)->to_recv = 0;
	reusing_exchange(fd);
	check(fake_fd(fd)->cookie != cookie);
	check(fake_fd(fd)->connected);
	check(reusing_of(fd)->tried);
	check_number(reusing_counts(TO)->replaced, 1);
	check_number(reusing_counts(TO)->first_use_failures, 0);
	check_number(reusing_open_fds(), 1 + BLANK);
	check_number(program_space("10.0.0.1", TO)->open, 1);
	/* The server ended one after an answer, so none is kept that has given one. */
	check(!reusing_close(fd));
	reusing_wait(CONDUCT_LEARNED_LIFE_S * 1000000000ull);
	reusing_parked(TO);
}

/* What was begun is not repeated, but for a GET or HEAD. */
Test(parked, each_send_looks_until_the_answer_comes)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	uint64_t cookie = fake_fd(fd)->cookie;
	unsigned looked = fake.calls[CALL_PPOLL];
	reusing_send(fd, "*1\r\n");
	check_number(fake.calls[CALL_PPOLL], looked + 1);
	fake_fd(fd)->to_recv = 0;
	reusing_send(fd, "$4\r\nPING\r\n");
	check_number(fake_fd(fd)->cookie, cookie);
	check_number(fake.calls[CALL_PPOLL], looked + 2);
	reusing_receive(fd, "+PONG\r\n");
	/* The next request belongs to what went before. */
	fake_fd(fd)->to_recv = -EAGAIN;
	reusing_send(fd, "*1\r\n");
	check_number(fake.calls[CALL_PPOLL], looked + 2);
}

static void get(int fd)
{
	reusing_send(fd, "get a\r\n");
	reusing_receive(fd, "END\r\n");
}

Test(parked, a_dead_one_is_replaced_when_the_program_asks_again)
{
	reusing_start("[headroom]\nreuse = memcached\nidle_timeout = 1s\n", FILES);
	int fd = reusing_opened(TO);
	get(fd);
	check(reusing_close(fd));
	reusing_wait(2 * REUSING_QUIET_NS);
	fd = reusing_opened(TO);
	uint64_t cookie = fake_fd(fd)->cookie;
	get(fd);
	check_number(fake_fd(fd)->cookie, cookie);
	fake_fd(fd)->to_recv = 0;
	get(fd);
	check(fake_fd(fd)->cookie != cookie);
	check_number(reusing_counts(TO)->replaced, 1);
	check_number(reusing_counts(TO)->first_use_failures, 0);
	check(reusing_close(fd));
}

Test(parked, a_dead_one_is_connected_itself_where_no_other_can_be_had)
{
	enum fake_call calls[] = { CALL_SOCKET, CALL_FCNTL, CALL_DUP3 };
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		reusing_start(RULES, FILES);
		uint64_t cookie = reusing_parked(TO);
		int fd = reusing_opened(TO);
		fake_fd(fd)->to_recv = 0;
		fake_fail(calls[i], EMFILE);
		reusing_exchange(fd);
		check_number(fake_fd(fd)->cookie, cookie);
		check(fake_fd(fd)->connected);
		check_number(fake_fd(fd)->to_recv, -EAGAIN);
		check_number(reusing_open_fds(), 1 + BLANK);
		check_number(reusing_counts(TO)->replaced, 1);
		check_number(program_space("10.0.0.1", TO)->open, 1);
		fake_recover();
		check(reusing_close(fd));
	}
}

static void duplicated(int fd)
{
	cr_assert(fdtable_set(fd + 100, fdtable_look(fd)));
}

static void passed_on(int fd)
{
	parking_shared(fd);
}

static void forked(int fd)
{
	(void)fd;
	(*shim.sockets.forks)++;
}

Test(parked, a_dead_one_that_others_have_is_not_taken_apart)
{
	void (*ways[])(int) = { duplicated, passed_on, forked };
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		reusing_start(RULES, FILES);
		reusing_parked(TO);
		int fd = reusing_opened(TO);
		fake_fd(fd)->to_recv = 0;
		ways[i](fd);
		fake_fail(CALL_SOCKET, EMFILE);
		reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
		check_number(fake_fd(fd)->to_recv, 0);
		check_number(reusing_counts(TO)->replaced, 0);
	}
}

Test(parked, a_dead_one_whose_server_refuses_another_stays)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	fake_fd(fd)->to_recv = 0;
	fake_fail_some(CALL_CONNECT, ECONNREFUSED, 0, 1);
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
	check_number(fake_fd(fd)->to_recv, 0);
	check_number(reusing_open_fds(), 1 + BLANK);
	check_number(reusing_counts(TO)->replaced, 0);
}

/* close() closes even where it reports a failure (close(2)): the number may be a stranger's by then. */
Test(parked, what_reports_that_it_cannot_be_closed_is_not_closed_again)
{
	int errors[] = { EINTR, EIO, EDQUOT };
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		reusing_start(RULES, FILES);
		uint64_t cookie = reusing_parked(TO);
		unsigned closed = fake.calls[CALL_CLOSE];
		fake_fail(CALL_CLOSE, errors[i]);
		/* Handed out, and no room to keep our own fd of it: it goes. */
		shim.reusing.parked_most = 1;
		int fd = reusing_opened(TO);
		check_number(fake_fd(fd)->cookie, cookie);
		check_number(fake.calls[CALL_CLOSE], ++closed);
		reusing_exchange(fd);
		fake_recover();
		check(reusing_close(fd));
		closed = fake.calls[CALL_CLOSE];
		fake_fail(CALL_CLOSE, errors[i]);
		check(parking_give_up(RETIRED_EXIT));
		check_number(fake.calls[CALL_CLOSE], closed + 1);
		check_number(fake.resets, 0);
		check_number(reusing_open_fds(), 0);
	}
}

Test(parked, in_a_forked_child_it_is_closed_not_reset)
{
	reusing_parked(TO);
	parking_in_child();
	check_number(reusing_open_fds(), 0);
	check_number(fake.resets, 0);
}

Test(parked, off_is_off)
{
	reusing_parked(TO);
	parking_off("a reason", RETIRED_EXIT);
	check_number(reusing_open_fds(), 0);
	check_contains(fake.output, "a reason");
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	check(!reusing_close(fd));
	check_refused(TO, REFUSED_OFF);
}
