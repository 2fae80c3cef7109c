// SPDX-License-Identifier: Apache-2.0
/* test_parked_limits - how many are parked, for how long, how often one is used; and what a server taught. */
#include "pool/base/clock.h"
#include "preload/parking/parking.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/keeper.h"
#include "tests/unit/reusing.h"

#include <stdio.h>
#include <sys/resource.h>

#define TO     "10.0.0.9:6379"
#define OTHER  "10.0.0.8:6379"
#define SECOND 1000000000ull
#define MS     1000000ull

TestSuite(parked_limits, .fini = fake_stop);

static void start(const char *more, unsigned files)
{
	char rules[256];
	snprintf(rules, sizeof(rules), "[headroom]\nreuse = redis\n%s%s",
		 strstr(more, "idle_timeout") ? "" : "idle_timeout = 1s\n", more);
	reusing_start(rules, files);
}

/* @count connections at once, then closed in the order they were made. */
static void park_some(const char *to, unsigned count, uint64_t *cookies)
{
	int fds[64];

	for (unsigned i = 0; i < count; i++) {
		fds[i] = reusing_opened(to);
		cookies[i] = fake_fd(fds[i])->cookie;
		reusing_exchange(fds[i]);
	}
	for (unsigned i = 0; i < count; i++) {
		check(reusing_close(fds[i]));
		reusing_wait(1);
	}
}

Test(parked_limits, max_idle_is_for_each_destination_and_the_oldest_makes_room)
{
	uint64_t here[8], there[8];
	start("max_idle = 3\n", 2048);
	park_some(TO, 5, here);
	park_some(OTHER, 4, there);
	check_number(shim.reusing.parked_count, 6);
	check_number(reusing_open_fds(), 6);
	check_number(reusing_counts(TO)->retired[RETIRED_ROOM], 2);
	check_number(reusing_counts(OTHER)->retired[RETIRED_ROOM], 1);
	check_number(fake.resets, 0);
	reusing_wait(REUSING_QUIET_NS);
	for (unsigned i = 0; i < 3; i++)
		check_number(reusing_serves(TO), here[4 - i]);
	check(reusing_serves(TO) != here[1]);
}

Test(parked_limits, all_together_are_an_eighth_of_the_files)
{
	uint64_t here[8], there[8];
	start("", 32);
	park_some(TO, 3, here);
	park_some(OTHER, 3, there);
	check_number(shim.reusing.parked_count, 4);
	check_number(reusing_open_fds(), 4);
	/* The destination's own oldest goes first. */
	check_number(reusing_counts(OTHER)->retired[RETIRED_ROOM], 2);
	check_number(reusing_counts(TO)->retired[RETIRED_ROOM], 0);
	reusing_wait(REUSING_QUIET_NS);
	check_number(reusing_serves(OTHER), there[2]);
	check_number(reusing_serves(TO), here[2]);
	check_number(reusing_serves(TO), here[1]);
}

Test(parked_limits, who_may_have_few_files_keeps_them)
{
	start("", 31);
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	check(!reusing_close(fd));
	check_number(shim.reusing.parked_count, 0);
	check_number(reusing_counts(TO)->refused[REFUSED_ROOM], 1);
}

Test(parked_limits, of_another_destination_the_oldest_makes_room)
{
	uint64_t here[4];
	start("", 32);
	park_some(TO, 4, here);
	reusing_parked(OTHER);
	check_number(shim.reusing.parked_count, 4);
	check_number(reusing_serves(TO), here[3]);
	check_number(reusing_serves(TO), here[2]);
	check_number(reusing_serves(TO), here[1]);
	check(reusing_serves(TO) != here[0]);
}

Test(parked_limits, never_more_than_1024_and_never_numbered_too_high)
{
	struct rlimit files;
	check_number(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_max < 20000)
		cr_skip_test("the hard limit of files is %lu", (unsigned long)files.rlim_max);
	start("", 20000);
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	reusing_close(fd);
	check_number(shim.reusing.parked_most, 1024);
	check_number(shim.reusing.parked_from, 8192);
}

Test(parked_limits, with_few_files_none)
{
	start("", 7);
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	check(!reusing_close(fd));
	check_refused(TO, REFUSED_ROOM);
	check_number(reusing_open_fds(), 0);
}

Test(parked_limits, idle_timeout)
{
	start("idle_timeout = 200ms\n", 2048);
	int fd = reusing_opened(TO);
	uint64_t cookie = fake_fd(fd)->cookie;
	reusing_exchange(fd);
	check(reusing_close(fd));
	reusing_wait(200 * MS - 1);
	check_number(reusing_serves(TO), cookie);
	reusing_parked(TO);
	reusing_wait(200 * MS - REUSING_QUIET_NS);
	check_number(shim.reusing.parked_count, 1 + KEPT);
	parking_tidy();
	check_number(shim.reusing.parked_count, 0);
	check_retired(TO, RETIRED_IDLE);
	check_number(fake.resets, 0);
}

Test(parked_limits, idle_timeout_is_looked_at_before_one_is_handed_out)
{
	start("idle_timeout = 200ms\n", 2048);
	fake.coarse_lag_ns = 4 * MS; /* so that parking_tidy() comes too late */
	uint64_t cookie = reusing_parked(TO);
	reusing_wait(200 * MS - REUSING_QUIET_NS);
	check(reusing_serves(TO) != cookie);
	check_retired(TO, RETIRED_IDLE);
}

Test(parked_limits, what_is_idle_goes_at_the_next_call_however_many)
{
	uint64_t cookies[20];
	start("", 2048);
	park_some(TO, 20, cookies);
	reusing_wait(SECOND / 2);
	uint64_t young = reusing_parked(OTHER);
	reusing_wait(SECOND / 2);
	for (unsigned i = 0; i < 3; i++)
		parking_tidy();
	check_number(shim.reusing.parked_count, 1);
	check_number(fake.resets, 0);
	unsigned calls = fake_total_calls();
	parking_tidy();
	check_number(fake_total_calls(), calls);
	check_number(reusing_serves(OTHER), young);
}

Test(parked_limits, max_uses_counts_the_first)
{
	start("max_uses = 3\n", 2048);
	uint64_t cookie = reusing_parked(TO);
	check_number(reusing_parked(TO), cookie);
	int fd = reusing_opened(TO);
	check_number(fake_fd(fd)->cookie, cookie);
	reusing_exchange(fd);
	check(!reusing_close(fd));
	check_refused(TO, REFUSED_USED_UP);
	check_number(reusing_open_fds(), BLANK);
}

/* Return: uses of one connection, with so much time between, until it was closed for real */
static unsigned turn(const char *rules, uint64_t gap_ns)
{
	unsigned uses = 0;
	bool parked;

	reusing_start(rules, 2048);
	do {
		int fd = reusing_opened(TO);
		reusing_exchange(fd);
		parked = reusing_close(fd);
		reusing_wait(gap_ns);
	} while (++uses < 100 && parked);
	return uses;
}

Test(parked_limits, a_connection_that_may_have_a_worker_of_its_own_has_a_turn)
{
	check_number(turn("[headroom]\nreuse = raw\nidle_timeout = 1s\n", 2 * MS), 32);
	fake_stop();
	check_number(turn("[headroom]\nreuse = raw\nmax_uses = 60\n", 2 * MS), 60);
	fake_stop();
	check_number(turn("[headroom]\nreuse = redis\n", 2 * MS), 100);
	fake_stop();
	unsigned slow = turn("[headroom]\nreuse = raw\n", 20 * MS);
	check(slow >= 8 && slow < 16);
}

/* Return: is one kept while a new connection of the program waits for its first answer, or is it ended then?
 */
static bool kept_beside_one_that_waits(const char *rules, bool ends_then)
{
	reusing_start(rules, 2048);
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	int waiting = reusing_opened(TO);
	if (!ends_then)
		reusing_send(waiting, "PING\r\n");
	reusing_wait(10 * MS);
	if (ends_then)
		reusing_send(waiting, "PING\r\n");
	bool kept = reusing_close(fd);
	if (ends_then) {
		reusing_wait(50 * MS);
		parking_tidy();
	}
	return kept && shim.reusing.parked_count;
}

Test(parked_limits, what_was_learned_of_the_workers_bounds_a_turn)
{
	unsigned uses = 0;
	reusing_start("[headroom]\nreuse = raw\n", 2048);
	reusing_parked(TO);
	program_destination(TO)->parked->conduct.turn = 4;
	for (bool parked = true; parked; uses++) {
		int fd = reusing_opened(TO);
		reusing_exchange(fd);
		parked = reusing_close(fd);
		reusing_wait(2 * MS);
	}
	check_number(uses, 3); /* after the first */
}

Test(parked_limits, while_a_new_connection_waits_none_is_kept_that_may_have_its_worker)
{
	for (int ends_then = 0; ends_then < 2; ends_then++) {
		check(!kept_beside_one_that_waits("[headroom]\nreuse = raw\nidle_timeout = 1s\n", ends_then));
		fake_stop();
		check(kept_beside_one_that_waits("[headroom]\nreuse = redis\nidle_timeout = 1s\n",
						 ends_then));
		fake_stop();
	}
}

/* Two destinations may be one server by two names. */
Test(parked_limits, nor_is_one_to_another_destination_when_it_has_waited_for_some_time)
{
	reusing_start("[headroom]\nreuse = raw\nidle_timeout = 1s\n", 2048);
	for (unsigned i = 0; i < 4; i++) {
		int fd = reusing_opened(TO);
		reusing_exchange(fd);
		check(reusing_close(fd));
		int waiting = reusing_opened(OTHER);
		uint64_t most_ns = conduct_asks_for_ns(&program_destination(OTHER)->parked->conduct);
		check_number(fake_keeper.until_ns, clock_ns() + most_ns);
		reusing_send(waiting, "PING\r\n");
		reusing_wait(most_ns - 1);
		check(shim_enter(&shim));
		check(!fake_keeper.tend(clock_ns()));
		check_number(shim.reusing.holders, 1);
		reusing_wait(1);
		check(shim_enter(&shim));
		fake_keeper.tend(clock_ns());
		check_number(shim.reusing.holders, 0);
		check_number(program_destination(TO)->parked->conduct.turn, CONDUCT_TURN_USES);
		reusing_receive(waiting, "+PONG\r\n");
	}
	check_number(program_destination(TO)->parked->conduct.turn, CONDUCT_TURN_USES / 4);
}

Test(parked_limits, max_age_at_close)
{
	start("max_age = 10s\n", 2048);
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	reusing_wait(10 * SECOND - 1);
	check(reusing_close(fd));
	fd = reusing_opened(OTHER);
	reusing_exchange(fd);
	reusing_wait(10 * SECOND);
	check(!reusing_close(fd));
	check_refused(OTHER, REFUSED_USED_UP);
}

Test(parked_limits, max_age_at_connect)
{
	start("max_age = 10s\nidle_timeout = 1m\n", 2048);
	uint64_t cookie = reusing_parked(TO);
	reusing_wait(10 * SECOND - REUSING_QUIET_NS - 1);
	check_number(reusing_serves(TO), cookie);
	cookie = reusing_parked(TO);
	reusing_wait(10 * SECOND);
	check(reusing_serves(TO) != cookie);
	check_retired(TO, RETIRED_AGE);
}

Test(parked_limits, max_age_while_parked)
{
	start("max_age = 10s\nidle_timeout = 1m\n", 2048);
	reusing_parked(TO);
	reusing_wait(10 * SECOND);
	parking_tidy();
	check_number(shim.reusing.parked_count, 0);
	check_retired(TO, RETIRED_AGE);
	check_number(fake.resets, 0);
}

/* A connection that the server closes after @idle_ns is found closed at the next connect(). */
static void teach(uint64_t idle_ns)
{
	uint64_t cookie = reusing_parked(TO);
	fake_fd(reusing_number(cookie))->to_recv = 0;
	reusing_wait(idle_ns - REUSING_QUIET_NS);
	check(reusing_serves(TO) != cookie);
}

static bool outlives(uint64_t idle_ns)
{
	uint64_t cookie = reusing_parked(TO);
	reusing_wait(idle_ns - REUSING_QUIET_NS);
	return reusing_serves(TO) == cookie;
}

Test(parked_limits, a_server_that_closes_teaches_its_idle_limit)
{
	start("", 2048);
	check(outlives(500 * MS));
	teach(500 * MS);
	check_number(reusing_counts(TO)->retired[RETIRED_FIN], 1);
	check_number(program_space("10.0.0.1", TO)->use->reuse_idle_limit_ms, 500);
	check(outlives(250 * MS - 1));
	check(!outlives(250 * MS));
	check_number(reusing_counts(TO)->retired[RETIRED_IDLE], 1);
}

Test(parked_limits, the_shortest_counts)
{
	start("", 2048);
	teach(300 * MS);
	/* One that is found closed earlier. */
	teach(140 * MS);
	check_number(program_destination(TO)->parked->conduct.idle_limit_ns, 140 * MS);
	check(!outlives(70 * MS));
	check(outlives(70 * MS - 1));
}

Test(parked_limits, what_was_learned_is_forgotten_after_a_minute)
{
	start("", 2048);
	teach(300 * MS);
	check(!outlives(200 * MS));
	reusing_wait(60 * SECOND);
	for (unsigned i = 0; i < 12;
	     i++) /* until the pause is forgotten in the mean time between two connects */
		reusing_close(reusing_opened(TO));
	check(outlives(200 * MS));
}

Test(parked_limits, what_was_learned_is_of_that_server_and_not_above_idle_timeout)
{
	start("idle_timeout = 250ms\n", 2048);
	teach(200 * MS);
	uint64_t cookie = reusing_parked(OTHER);
	reusing_wait(200 * MS);
	check_number(reusing_serves(OTHER), cookie);
	check_number(program_destination(OTHER)->parked->conduct.idle_limit_ns, 0);
}

Test(parked_limits, a_reset_teaches_nothing)
{
	start("", 2048);
	uint64_t cookie = reusing_parked(TO);
	fake_fd(reusing_number(cookie))->to_recv = 5;
	check(reusing_serves(TO) != cookie);
	check_number(program_destination(TO)->parked->conduct.idle_limit_ns, 0);
}

Test(parked_limits, what_the_server_promised_bounds_the_idleness)
{
	for (unsigned late = 0; late < 2; late++) {
		reusing_start("[headroom]\nreuse = http\nidle_timeout = 1m\n", 2048);
		int fd = reusing_opened(TO);
		uint64_t cookie = fake_fd(fd)->cookie;
		reusing_send(fd, "GET / HTTP/1.1\r\n\r\n");
		reusing_receive(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=1\r\n\r\n");
		check(reusing_close(fd));
		reusing_wait(800 * MS - 1 + late);
		check_number(reusing_serves(TO) == cookie, !late);
	}
}
