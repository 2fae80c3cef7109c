// SPDX-License-Identifier: Apache-2.0
/* test_stake - what may not be asked again, or leaves state, does not go out on a connection that was used.
 */
#include "pool/reuse/stake.h"
#include "preload/base/fdtable.h"
#include "preload/fds/renew.h"
#include "tests/unit/check.h"
#include "tests/unit/reusing.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/uio.h>

#define TO     "10.0.0.9:80"
#define HTTP   "[headroom]\nreuse = http\nidle_timeout = 1s\n"
#define BODIES "[headroom]\nreuse = http+bodies\nidle_timeout = 1s\n"
#define REDIS  "[headroom]\nreuse = redis\nidle_timeout = 1s\n"
#define RAW    "[headroom]\nreuse = raw\nidle_timeout = 1s\n"
#define GET    "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define DELETE "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD   "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
#define CLOSE  "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define POST   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

enum { FILES = 2048 };

TestSuite(stake, .init = limit_time, .fini = fake_stop);

static struct conduct *conduct(void)
{
	return &program_destination(TO)->parked->conduct;
}

/* A connection that was used @uses times, quiet for long enough, and handed out. Return: fd */
static int handed_out(const char *rules, unsigned uses, const char *request, const char *answer)
{
	reusing_start(rules, FILES);
	for (unsigned i = 0; i < uses; i++) {
		int fd = reusing_opened(TO);
		reusing_send(fd, request);
		reusing_receive(fd, answer);
		cr_assert(reusing_close(fd));
		reusing_wait(2 * REUSING_QUIET_NS);
	}
	int fd = reusing_opened(TO);
	cr_assert(reusing_of(fd)->handed_out);
	return fd;
}

/* Does this go out on the connection that was handed out? */
static bool stays(int fd, const char *request)
{
	uint64_t cookie = fake_fd(fd)->cookie;

	reusing_send(fd, request);
	return fake_fd(fd)->cookie == cookie;
}

Test(stake, a_get_goes_out_on_it)
{
	int fd = handed_out(HTTP, 1, GET, ANSWER);
	conduct()->proven = 0;
	check(stays(fd, GET));
	check_number(conduct()->at_risk, 0);
	reusing_receive(fd, ANSWER);
	check(reusing_close(fd));
}

Test(stake, what_may_not_be_asked_again_gets_a_new_one_until_the_server_has_proven_itself)
{
	int fd = handed_out(HTTP, 1, GET, ANSWER);
	conduct()->proven = CONDUCT_ONE_LOST_IN - 1;
	check(!stays(fd, DELETE));
	check_number(conduct()->at_risk, 0);
	check_number(program_space("10.0.0.1", TO)->open, 1);
	check_number(reusing_open_fds(), 1 + BLANK);
	check(!reusing_of(fd)->handed_out);
	check_number(reusing_of(fd)->depth, 0);
	check_retired(TO, RETIRED_ROOM);
	reusing_receive(fd, ANSWER);
	check(reusing_close(fd));

	fd = handed_out(HTTP, 1, GET, ANSWER);
	conduct()->proven = CONDUCT_ONE_LOST_IN;
	check(stays(fd, DELETE));
	check_number(conduct()->at_risk, 1);
	reusing_receive(fd, ANSWER);
	check_number(conduct()->at_risk, 0);
}

/* And not deeper than any before it. */
Test(stake, what_may_not_be_asked_again_is_not_the_first_at_a_depth)
{
	int fd = handed_out(HTTP, 3, GET, ANSWER);
	conduct()->depth = 2;
	check(!stays(fd, DELETE));
	fd = handed_out(HTTP, 3, GET, ANSWER);
	conduct()->depth = 3;
	check(stays(fd, DELETE));
	fd = handed_out(HTTP, 3, GET, ANSWER);
	conduct_ended_deep(conduct(), 3, fake.now_ns);
	conduct()->depth = CONDUCT_DEPTHS;
	check(!stays(fd, DELETE));
}

Test(stake, after_a_lost_request_nothing_is_at_risk)
{
	int fd = handed_out(HTTP, 1, GET, ANSWER);
	conduct()->lost = 1;
	check(!stays(fd, DELETE));
	fd = handed_out(HTTP, 1, GET, ANSWER);
	conduct()->lost = 1;
	check(stays(fd, GET));
}

/* The guard could not tell afterwards whether the answer is whole. */
Test(stake, what_the_guard_does_not_follow_gets_a_new_one)
{
	static const char *const requests[] = { HEAD, POST, CLOSE,
						"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n" };

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		check(!stays(handed_out(HTTP, 1, GET, ANSWER), requests[i]));
	check(!stays(handed_out(REDIS, 1, "PING\r\n", "+PONG\r\n"), "MULTI\r\nPING\r\n"));
	check(stays(handed_out(REDIS, 1, "PING\r\n", "+PONG\r\n"), "PING\r\nPING\r\n"));
}

/* For which host a request is does not show before the line after Host. */
Test(stake, what_is_or_may_be_for_another_host_gets_a_new_one)
{
	static const struct {
		const char *begin;
		bool stays;
	} requests[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX", true },
		{ "GET / HTTP/1.1\r\nHost: b\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nHost: b\r\nX", false },
		{ "GET / HTTP/1.1\r\nHost: a", false },
		{ "GET / HTTP/1.1\r\n", false },
		{ "GET / HTTP/1.1\r\nX: y\r\n\r\n", false },
		{ "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", false },
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		check(stays(handed_out(HTTP, 1, GET, ANSWER), requests[i].begin) == requests[i].stays);
	int fd = handed_out(HTTP, 1, GET, ANSWER);
	check(!stays(fd, "GET / HTTP/1.1\r\nHost: b\r\n\r\n"));
	reusing_receive(fd, ANSWER);
	check(reusing_close(fd));
	reusing_wait(2 * REUSING_QUIET_NS);
	fd = reusing_opened(TO);
	check(stays(fd, "GET / HTTP/1.1\r\nHost: b\r\n\r\n"));
}

/* sendfile(), splice() */
Test(stake, what_cannot_be_looked_at_gets_a_new_one)
{
	int fd = handed_out(HTTP, 1, GET, ANSWER);
	uint64_t cookie = fake_fd(fd)->cookie;

	check_number(renew_before_send(fd, NULL, 0), 0);
	check(fake_fd(fd)->cookie != cookie);
	check_retired(TO, RETIRED_ROOM);
	/* What is sent later belongs to it. */
	fd = handed_out(HTTP, 1, GET, ANSWER);
	cookie = fake_fd(fd)->cookie;
	reusing_send(fd, "GET / HTTP/1.1\r\nHost: a\r\nX");
	check_number(renew_before_send(fd, NULL, 0), 0);
	check_number(fake_fd(fd)->cookie, cookie);
}

/* The rule's owner says that this server reads bodies, and a program may have nothing else to ask. */
Test(stake, with_bodies_the_first_at_a_depth_has_been_quiet)
{
	int fd = handed_out(BODIES, 1, POST, ANSWER);
	conduct()->proven = conduct()->depth = 0;
	check(stays(fd, POST));
	reusing_receive(fd, ANSWER);
	check_number(conduct()->depth, 1);
	check(stays(fd, POST));
	reusing_receive(fd, ANSWER);
	check(reusing_close(fd));
	/* It has been quiet for no time. */
	conduct()->calm = CONDUCT_CALM_IN_DOUBT;
	conduct()->depth = 2;
	shim.reusing.parked_newest->ready_ns = fake.now_ns;
	fd = reusing_opened(TO);
	check(reusing_of(fd)->handed_out);
	check(!stays(fd, POST));
}

Test(stake, a_later_request_is_looked_at_as_the_first_one)
{
	int fd = handed_out(HTTP, 1, GET, ANSWER);
	conduct()->proven = 0;
	check(stays(fd, GET));
	reusing_receive(fd, ANSWER);
	check(!stays(fd, DELETE));
}

/* WAIT is for what was written on this connection; raw may have sessions. Nor is another put in the place of
 * one that ended: it would know nothing of what went before. */
Test(stake, where_a_request_does_not_stand_for_itself_all_go_over_one_connection)
{
	static const struct {
		const char *rules, *first, *answer, *later;
	} kinds[] = {
		{ REDIS, "SET a b\r\n", "+OK\r\n", "WAIT 1 0\r\n" },
		{ RAW, "open\n", "yes\n", "read\n" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		int fd = handed_out(kinds[i].rules, 1, kinds[i].first, kinds[i].answer);
		check(stays(fd, kinds[i].first));
		reusing_receive(fd, kinds[i].answer);
		conduct()->lost = 1;
		check(stays(fd, kinds[i].later));

		fd = handed_out(kinds[i].rules, 1, kinds[i].first, kinds[i].answer);
		check(stays(fd, kinds[i].first));
		reusing_receive(fd, kinds[i].answer);
		fake_fd(fd)->to_recv = 0;
		check(stays(fd, kinds[i].later));
		check_number(reusing_counts(TO)->replaced, 0);
	}
}

/* Such a connection is closed for real, but until then it is one that the program takes for its first. */
Test(stake, a_get_after_an_answer_that_ends_by_rule_can_be_asked_again)
{
	static const char *const answers[] = {
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nhi",
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		int fd = handed_out(HTTP, 1, GET, ANSWER);
		check(stays(fd, GET));
		reusing_receive(fd, answers[i]);
		check(stays(fd, GET));
		check(guard_may_repeat(&reusing_of(fd)->guard));
		reusing_receive(fd, ANSWER);
		fake_fd(fd)->to_recv = 0;
		check(!stays(fd, GET));
		check_number(reusing_counts(TO)->replaced, 1);
		reusing_receive(fd, answers[i]);
		check(!reusing_close(fd));
		/* What nobody asked for ends that. */
		fd = handed_out(HTTP, 1, GET, ANSWER);
		reusing_send(fd, GET);
		reusing_receive(fd, answers[i]);
		reusing_receive(fd, "more");
		reusing_send(fd, GET);
		check(!guard_may_repeat(&reusing_of(fd)->guard));
	}
}

/* The server never has both. */
Test(stake, the_used_one_is_ended_first_and_where_there_is_no_other_the_send_fails)
{
	const struct iovec piece = { .iov_base = (char[]){ DELETE }, .iov_len = sizeof(DELETE) - 1 };
	int fd = handed_out(HTTP, 1, GET, ANSWER);

	conduct()->proven = 0;
	fake.connect_result = -ECONNREFUSED;
	check_number(renew_before_send(fd, &piece, 1), -ECONNREFUSED);
	check_number(reusing_open_fds(), 1 + BLANK);
}

/* Who was told that it may write gets no EAGAIN for what it sends first, if the server is near; one who waits
 * in send() may have said that this call is not to (MSG_DONTWAIT). */
Test(stake, the_new_one_is_waited_for_as_by_connect_or_for_a_moment)
{
	static const struct {
		int status;
		uint32_t min_rtt_us;
		uint64_t waits_ms;
	} cases[] = {
		{ O_NONBLOCK, 300, 10 }, { O_NONBLOCK, 3000, 0 }, { 0, 300, 1000 }, { 0, 300000, 1000 }
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int fd = handed_out(HTTP, 1, GET, ANSWER);
		fake_fd(fd)->status = O_RDWR | cases[i].status;
		fake_fd(fd)->min_rtt_us = cases[i].min_rtt_us;
		fake.connect_result = -EINPROGRESS;
		fake.poll_most_ns = 0;
		check(!stays(fd, HEAD));
		check_number(fake.poll_most_ns, cases[i].waits_ms * CONDUCT_MS_NS);
		/* It is still under way, and the program's all the same. */
		check_number(fake_fd(fd)->tcp_state, TCP_SYN_SENT);
	}
}

/* No fd, no memory: the one that was handed out will do. */
Test(stake, where_no_other_can_be_made_it_goes_out_all_the_same)
{
	int fd = handed_out(HTTP, 1, GET, ANSWER);
	conduct()->proven = 0;
	fake_fail(CALL_SOCKET, EMFILE);
	check(stays(fd, DELETE));
	fake_recover();
	reusing_receive(fd, ANSWER);
	check(reusing_close(fd));
}

Test(stake, one_that_others_have_is_not_ended)
{
	int fd = handed_out(HTTP, 1, GET, ANSWER);
	conduct()->proven = 0;
	(*shim.sockets.forks)++;
	check(stays(fd, DELETE));
}
