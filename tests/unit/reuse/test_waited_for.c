// SPDX-License-Identifier: Apache-2.0
/* test_waited_for - a server of this host has not accepted somebody: what is kept may hold the worker that is
 * waited for. */
#include "pool/base/clock.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/keeper.h"
#include "tests/unit/reusing.h"

#include <errno.h>

#define NEAR_BY "127.0.0.1:8080"
#define FAR     "10.0.0.9:8080"
#define RULES   "[headroom]\nreuse = http\nidle_timeout = 1s\n"
#define MS      1000000ull

TestSuite(waited_for, .fini = fake_stop);

static void exchange(int fd)
{
	reusing_send(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	reusing_receive(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static bool kept(const char *to)
{
	int fd = reusing_opened(to);

	exchange(fd);
	return reusing_close(fd);
}

Test(waited_for, none_is_kept_that_was_asked_and_answered_while_somebody_waited)
{
	reusing_start(RULES, 2048);
	fake.backlog = 1;
	check(kept(NEAR_BY));
	reusing_wait(MS);
	check(!kept(NEAR_BY));
	check_refused(NEAR_BY, REFUSED_USED_UP);
	/* The next for the next who waits. */
	reusing_wait(MS);
	check(kept(NEAR_BY));
	reusing_wait(MS);
	check(!kept(NEAR_BY));
	fake.backlog = 0;
	reusing_wait(MS);
	check(kept(NEAR_BY));
}

Test(waited_for, who_was_accepted_before_the_next_answer_waited_for_nobody)
{
	reusing_start(RULES, 2048);
	for (int i = 0; i < 4; i++) {
		fake.backlog = !(i & 1);
		check(kept(NEAR_BY));
		reusing_wait(MS);
	}
	check_number(fake.backlogs_asked, 4);
}

Test(waited_for, while_nobody_waits_that_is_asked_for_twice_in_a_millisecond)
{
	int fds[3];

	reusing_start(RULES, 2048);
	for (int i = 0; i < 3; i++) {
		fds[i] = reusing_opened(NEAR_BY);
		exchange(fds[i]);
	}
	check(reusing_close(fds[0]));
	check(reusing_close(fds[1]));
	check_number(fake.backlogs_asked, 1);
	reusing_wait(MS / 2);
	check(reusing_close(fds[2]));
	check_number(fake.backlogs_asked, 2);
}

Test(waited_for, a_server_elsewhere_is_not_asked_for)
{
	reusing_start(RULES, 2048);
	fake.backlog = 1;
	check(kept(FAR));
	check_number(fake.backlogs_asked, 0);
}

Test(waited_for, nor_one_that_has_a_worker_for_each)
{
	reusing_start(RULES "max_uses = 1000\n", 2048);
	fake.backlog = 1;
	check(kept(NEAR_BY));
	check_number(fake.backlogs_asked, 0);
}

Test(waited_for, where_nobody_is_known_to_listen_it_is_asked_for_once_a_minute)
{
	reusing_start(RULES, 2048);
	fake.backlog = -ENOENT;
	check(kept(NEAR_BY));
	reusing_wait(1000 * MS);
	check(kept(NEAR_BY));
	check_number(fake.backlogs_asked, 1);
	reusing_wait(60000 * MS);
	check(kept(NEAR_BY));
	check_number(fake.backlogs_asked, 2);
}

Test(waited_for, and_while_it_is_idle_where_somebody_waited_lately)
{
	reusing_start(RULES, 2048);
	fake.backlog = 1;
	check(kept(NEAR_BY));
	reusing_wait(MS);
	check(!kept(NEAR_BY));
	fake.backlog = 0;
	reusing_wait(MS);
	check(kept(NEAR_BY));
	check(fake_keeper.until_ns <= clock_ns() + 2 * MS);
	fake.backlog = 1;
	reusing_wait(2 * MS);
	fake_keeper.tend(clock_ns());
	check_number(shim.reusing.holders, 0);
	check_retired(NEAR_BY, RETIRED_ROOM);
}
