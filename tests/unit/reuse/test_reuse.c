// SPDX-License-Identifier: Apache-2.0
/* test_reuse - what is kept of a connection that may be parked, and when reuse pauses for a destination. */
#include "pool/base/clock.h"
#include "preload/base/fdtable.h"
#include "tests/unit/check.h"
#include "tests/unit/reusing.h"

#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>

#define TO     "10.0.0.9:6379"
#define OTHER  "10.0.0.8:6379"
#define SECOND 1000000000ull

static void start(void)
{
	reusing_start("[headroom]\nreuse = redis\nidle_timeout = 1s\n", 2048);
}

TestSuite(reuse, .init = start, .fini = fake_stop);

/* The program gets the end of the stream, or an error. */
static void ends(int fd)
{
	struct held held;
	check(fdtable_hold(fd, &held));
	reuse_ended(&shim.reusing, &held, clock_ns());
	fdtable_release(&held);
}

/* A connection is handed out, asked, and closed by the server before it replies. */
static void fails_at_first_use(const char *to)
{
	uint64_t cookie = reusing_parked(to);
	int fd = reusing_opened(to);
	check_number(fake_fd(fd)->cookie, cookie);
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
	ends(fd);
	check(!reusing_close(fd));
}

static bool paused(const char *to)
{
	int fd = reusing_opened(to);
	uint64_t before = reusing_counts(to)->refused[REFUSED_PAUSED];
	reusing_exchange(fd);
	bool parked = reusing_close(fd);
	reusing_wait(REUSING_QUIET_NS);
	check_number(reusing_counts(to)->refused[REFUSED_PAUSED] - before, !parked);
	return !parked;
}

/* Until connects follow one another fast enough again, after a long time without one. */
static void warm_up(const char *to)
{
	struct conduct *conduct = &program_destination(to)->parked->conduct;
	conduct->connects += CONDUCT_ONE_LOST_IN;
	conduct->ended_depth = 0;
	for (unsigned i = 0; i < 40; i++)
		reusing_close(reusing_opened(to));
}

Test(reuse, a_failure_is_a_pause_and_each_is_longer)
{
	fails_at_first_use(TO);
	check_number(reusing_counts(TO)->first_use_failures, 1);
	check_number(program_space("10.0.0.1", TO)->use->reuse_first_use_failures, 1);
	check(paused(TO));
	check_contains(fake.output, "reuse_paused");
	check_contains(fake.output,
		       TO " closed a connection that was reused without an answer: no reuse for 30 s");
	check(!paused(OTHER));
	reusing_wait(29 * SECOND);
	check(paused(TO));
	reusing_wait(SECOND);
	warm_up(TO);
	check(!paused(TO));
	fails_at_first_use(TO);
	reusing_wait(59 * SECOND);
	check(paused(TO));
	reusing_wait(SECOND);
	warm_up(TO);
	check(!paused(TO));
}

Test(reuse, while_paused_nothing_is_handed_out_and_what_is_parked_goes)
{
	uint64_t cookie = reusing_parked(TO);
	program_destination(TO)->parked->conduct.paused_until_ns = clock_ns() + SECOND;
	check(reusing_serves(TO) != cookie);
	check_number(shim.reusing.parked_count, 0);
}

Test(reuse, one_lost_in_ten_thousand_is_no_reason)
{
	uint64_t cookie = reusing_parked(TO);
	program_destination(TO)->parked->conduct.hits_since_loss = CONDUCT_ONE_LOST_IN;
	check(cookie);
	fails_at_first_use(TO);
	check_number(program_destination(TO)->parked->conduct.paused_until_ns, 0);
	warm_up(TO);
	check(!paused(TO));
	fails_at_first_use(TO);
	check(paused(TO));
}

/* However long ago: a slow program loses no more of its requests. */
Test(reuse, a_lost_request_is_paid_for_by_ten_thousand_connections)
{
	fails_at_first_use(TO);
	struct conduct *conduct = &program_destination(TO)->parked->conduct;
	reusing_wait(CONDUCT_LEARNED_LIFE_S * SECOND);
	check(paused(TO));
	conduct->connects = CONDUCT_ONE_LOST_IN - 2;
	check(paused(TO));
	check_number(conduct->connects, CONDUCT_ONE_LOST_IN - 1);
	check(!paused(TO));
}

/* A server that closes after so many answers. */
Test(reuse, none_goes_as_deep_as_where_one_ended)
{
	reusing_parked(TO);
	reusing_parked(TO);
	struct conduct *conduct = &program_destination(TO)->parked->conduct;
	conduct_ended_deep(conduct, 3, fake.now_ns);
	int fd = reusing_opened(TO);
	check_number(reusing_of(fd)->depth, 2);
	reusing_exchange(fd);
	check(!reusing_close(fd));
	check_number(reusing_counts(TO)->refused[REFUSED_PAUSED], 1);
	reusing_parked(TO);
	reusing_wait(CONDUCT_LEARNED_LIFE_S * SECOND);
	conduct->depth = 0;
	reusing_parked(TO);
}

/* It closes by the time that the program does. */
Test(reuse, where_the_server_closes_first_is_learned)
{
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	fake_fd(fd)->tcp_state = 8; /* CLOSE_WAIT */
	check(!reusing_close(fd));
	check_number(program_destination(TO)->parked->conduct.ended_depth, 1);
}

/* The first to go deeper than any before it is quiet for as long as the very first was. */
Test(reuse, the_first_at_a_depth_is_looked_at_for_longer)
{
	reusing_parked(TO);
	struct conduct *conduct = &program_destination(TO)->parked->conduct;
	conduct->calm = CONDUCT_CALM_ONES;
	conduct->depth = 2;
	check_number(conduct_quiet_ns(conduct, TOLD_BY_PROTOCOL, 0, 2, fake.now_ns), 0);
	check_number(conduct_quiet_ns(conduct, TOLD_BY_PROTOCOL, 0, 3, fake.now_ns), REUSING_QUIET_NS);
	conduct->depth = CONDUCT_DEPTHS;
	check_number(conduct_quiet_ns(conduct, TOLD_BY_PROTOCOL, 0, 101, fake.now_ns), 0);
}

Test(reuse, silence_until_the_program_gives_up_is_a_reason)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
	reusing_wait(CONDUCT_WAIT_LEAST_MS * CONDUCT_MS_NS + 1);
	check(!reusing_close(fd));
	check(paused(TO));
	check_contains(fake.output, "did not answer");
}

Test(reuse, a_program_that_does_not_wait_is_none)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
	reusing_wait(CONDUCT_WAIT_LEAST_MS * CONDUCT_MS_NS);
	check(!reusing_close(fd));
	check(!paused(TO));
	check_number(program_destination(TO)->parked->conduct.at_risk, 0);
}

Test(reuse, what_is_handed_out_is_at_risk_until_it_is_answered)
{
	reusing_parked(TO);
	const struct conduct *conduct = &program_destination(TO)->parked->conduct;
	int fd = reusing_opened(TO);
	check_number(conduct->at_risk, 1);
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
	check_number(conduct->at_risk, 1);
	reusing_receive(fd, "+PONG\r\n");
	check_number(conduct->at_risk, 0);
	/* What follows would be sent on it in any case. */
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
	check_number(conduct->at_risk, 0);
	check(!reusing_close(fd));
	check_number(conduct->at_risk, 0);
}

Test(reuse, the_next_request_is_at_risk_where_it_stands_for_itself)
{
	reusing_start("[headroom]\nreuse = memcached\nidle_timeout = 1s\n", 2048);
	int fd = reusing_opened(TO);
	reusing_send(fd, "get a\r\n");
	reusing_receive(fd, "END\r\n");
	check(reusing_close(fd));
	reusing_wait(2 * REUSING_QUIET_NS);
	fd = reusing_opened(TO);
	const struct conduct *conduct = &program_destination(TO)->parked->conduct;
	reusing_send(fd, "get a\r\n");
	reusing_receive(fd, "END\r\n");
	check_number(conduct->at_risk, 0);
	reusing_send(fd, "get a\r\n");
	check_number(conduct->at_risk, 1);
	reusing_receive(fd, "END\r\n");
	check_number(conduct->at_risk, 0);
}

Test(reuse, of_a_server_that_is_not_known_one_is_tried_at_a_time)
{
	int a = reusing_opened(TO), b = reusing_opened(TO);
	reusing_exchange(a);
	reusing_exchange(b);
	check(reusing_close(a));
	check(reusing_close(b));
	reusing_wait(REUSING_QUIET_NS);
	struct conduct *conduct = &program_destination(TO)->parked->conduct;
	conduct->proven = 0;
	int first = reusing_opened(TO);
	check_number(reusing_counts(TO)->hits, 1);
	reusing_opened(TO);
	check_number(reusing_counts(TO)->hits, 1);
	/* The other one has made way for it. */
	check_number(reusing_counts(TO)->retired[RETIRED_ROOM], 1);
	reusing_exchange(first);
	check_number(conduct->proven, 1);
}

Test(reuse, the_end_before_the_answer_to_a_later_request_is_a_failure_of_ours_too)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	struct held held;
	reusing_exchange(fd);
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
	cr_assert(fdtable_hold(fd, &held));
	reuse_ended(&shim.reusing, &held, fake.now_ns);
	fdtable_release(&held);
	check(paused(TO));
	check_number(reusing_counts(TO)->first_use_failures, 1);
}

Test(reuse, what_nobody_asked_for_is_a_reason)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	reusing_receive(fd, "+MORE\r\n");
	check(!reusing_close(fd));
	check(paused(TO));
	check_contains(fake.output, "sent more than was asked for");
}

Test(reuse, what_comes_while_parked_is_a_reason)
{
	uint64_t cookie = reusing_parked(TO);
	fake_fd(reusing_number(cookie))->to_recv = 5;
	check(reusing_serves(TO) != cookie);
	check(paused(TO));
	check_contains(fake.output, "sent what nobody had asked for");
}

Test(reuse, a_failure_is_counted_once)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	for (unsigned i = 0; i < 5; i++)
		ends(fd);
	check_number(reusing_counts(TO)->first_use_failures, 1);
}

Test(reuse, nor_is_the_end_after_the_reply)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	ends(fd);
	check_number(reusing_counts(TO)->first_use_failures, 0);
}

Test(reuse, the_end_in_a_reply_is_a_failure_of_ours_counted_once)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
	reusing_receive(fd, "+");
	ends(fd);
	ends(fd);
	check_number(reusing_counts(TO)->first_use_failures, 1);
	check(paused(TO));
}

Test(reuse, nor_is_the_end_of_a_connection_that_was_not_handed_out)
{
	int fd = reusing_opened(TO);
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
	ends(fd);
	check_number(reusing_counts(TO)->first_use_failures, 0);
}

Test(reuse, two_threads_on_one_connection_are_noticed)
{
	struct iovec piece = { .iov_base = (char[]){ "x" }, .iov_len = 1 };
	struct held held;
	int fd = reusing_opened(TO);
	struct reuse *reuse = reusing_of(fd);
	check(fdtable_hold(fd, &held));
	reuse_sent(&shim.reusing, &held, &piece, 1);
	check(!reuse->shared && !atomic_load(&reuse->feeding));
	uint64_t sent = reuse->guard.sent;
	atomic_store(&reuse->feeding, true);
	reuse_sent(&shim.reusing, &held, &piece, 1);
	check(reuse->shared);
	check_number(reuse->guard.sent, sent);
	reuse->shared = false;
	reuse_received(&shim.reusing, &held, &piece, 1);
	check(reuse->shared);
	reuse->shared = false;
	reuse_unseen(&held);
	check(reuse->shared);
}

Test(reuse, bytes_in_pieces_are_those_that_went)
{
	struct iovec pieces[] = { { .iov_base = (char[]){ "*1\r\n" }, .iov_len = 4 },
				  { .iov_base = NULL, .iov_len = 0 },
				  { .iov_base = (char[]){ "$4\r\nPING\r\nmore" }, .iov_len = 14 } };
	struct held held;
	int fd = reusing_opened(TO);
	check(fdtable_hold(fd, &held));
	reuse_sent(&shim.reusing, &held, pieces, 14);
	check_number(reusing_of(fd)->guard.sent, 14);
	fdtable_release(&held);
	fake_fd(fd)->sent = 14;
	reusing_receive(fd, "+PONG\r\n");
	check(reusing_close(fd));
}

Test(reuse, where_a_rule_says_off_there_is_no_guard)
{
	reusing_start("[to 10.0.0.9]\nreuse = off\n[headroom]\nreuse = redis\n", 2048);
	int fd = reusing_opened(TO), other = reusing_opened(OTHER);
	check_number(fdtable_look(fd)->watched, 0);
	check_number(fdtable_look(other)->watched, WATCHED);
	check(!reusing_close(fd));
	check_number(reusing_counts(TO)->misses, 0);
}

/* Return: would a connection to @to be parked? */
static bool watched(const char *to)
{
	return fdtable_look(reusing_opened(to))->watched;
}

static void listens(const char *local)
{
	struct endpoint endpoint = at(local);
	reuse_note_listener(&shim.reusing, &endpoint);
}

Test(reuse, the_program_s_connections_to_itself_are_not_watched)
{
	check(watched("127.0.0.1:80") && watched("[::1]:80"));
	listens("0.0.0.0:80");
	check(!watched("127.0.0.1:80") && !watched("127.0.0.5:80") && !watched("[::1]:80"));
	check(watched("127.0.0.1:81") && watched(TO) && watched("10.0.0.9:80"));
	listens(TO);
	check(!watched(TO) && watched(OTHER));
	listens("127.0.0.1:82");
	check(!watched("127.0.0.1:82") && watched("127.0.0.2:82"));
}

Test(reuse, the_last_listeners_count)
{
	char local[32];
	for (unsigned i = 0; i < LISTENERS_MAX + 1; i++) {
		snprintf(local, sizeof(local), "127.0.0.1:%u", 1000 + i);
		listens(local);
	}
	check(watched("127.0.0.1:1000") && !watched("127.0.0.1:1001") && !watched(local));
}

Test(reuse, names_are_all_there_and_differ)
{
	for (int i = 0; i < REUSE_REFUSALS; i++)
		for (int k = 0; k < i; k++)
			check(strcmp(reuse_refusal_name((enum reuse_refusal)i),
				     reuse_refusal_name((enum reuse_refusal)k)));
	for (int i = 0; i < REUSE_RETIREMENTS; i++)
		for (int k = 0; k < i; k++)
			check(strcmp(reuse_retirement_name((enum reuse_retirement)i),
				     reuse_retirement_name((enum reuse_retirement)k)));
}
