// SPDX-License-Identifier: Apache-2.0
/* test_second - our number of a connection, kept for a while beside the program's. */
#include "pool/reuse/second.h"
#include "preload/base/fdtable.h"
#include "preload/fds/closing.h"
#include "preload/parking/parking.h"
#include "tests/unit/check.h"
#include "tests/unit/reusing.h"

#define TO    "10.0.0.9:6379"
#define RULES "[headroom]\nreuse = redis\nidle_timeout = 1s\n"

enum { FILES = 2048 };

static void start(void)
{
	reusing_start(RULES, FILES);
}

TestSuite(second, .init = start, .fini = fake_stop);

/* So long as it was handed out a moment ago: to give a number away and to take another costs two calls. */
Test(second, our_number_is_kept_for_the_next_time)
{
	uint64_t cookie = reusing_parked(TO);
	int number = reusing_number(cookie), fd = reusing_opened(TO);
	check_number(fake_fd(number)->cookie, cookie);
	check(!fdtable_look(number));
	reusing_exchange(fd);
	unsigned numbers = fake.calls[CALL_FCNTL], closed = fake.calls[CALL_CLOSE];
	check(reusing_close(fd));
	check_number(reusing_number(cookie), number);
	check_number(fake.calls[CALL_FCNTL], numbers + 1); /* F_GETFL */
	check_number(fake.calls[CALL_CLOSE], closed + 1);
}

Test(second, a_number_that_is_kept_goes_before_the_program_ends_the_connection)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	struct closing closing;
	check_number(fake_open_fds(), 1 + BLANK + KEPT);
	check(closing_begin_unparked(fd, &closing));
	check_number(fake_open_fds(), 1 + BLANK);
	kernel.close(fd);
	closing_end(&closing);
	check_number(fake_open_fds(), BLANK);
}

Test(second, a_number_is_not_kept_for_long)
{
	uint64_t cookie = reusing_parked(TO);
	int fd = reusing_opened(TO);
	reusing_wait(SECOND_KEPT_MS * 1000000ull - 1);
	parking_tidy();
	check_number(fake_open_fds(), 1 + BLANK + KEPT);
	reusing_wait(1);
	parking_tidy();
	check_number(fake_open_fds(), 1 + BLANK);
	check_number(fake_fd(fd)->cookie, cookie);
	reusing_exchange(fd);
	check(reusing_close(fd));
}

Test(second, a_number_that_is_kept_is_given_up_and_closed_in_a_child)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	check(parking_give_up(RETIRED_ROOM));
	check_number(fake_open_fds(), 1);
	check_number(fdtable_look(fd)->state, SOCKET_OPEN);
	reusing_exchange(fd);
	check(reusing_close(fd));
	reusing_wait(REUSING_QUIET_NS);
	reusing_opened(TO);
	parking_in_child();
	check_number(fake_open_fds(), 1);
}

/* By a call that no hook sees. */
Test(second, a_number_that_the_program_closed_is_not_used)
{
	uint64_t cookie = reusing_parked(TO);
	int number = reusing_number(cookie), fd = reusing_opened(TO);
	reusing_exchange(fd);
	kernel.close(number);
	check(!reusing_close(fd));
	cookie = reusing_parked(TO);
	number = reusing_number(cookie);
	fd = reusing_opened(TO);
	reusing_exchange(fd);
	/* And a stranger has it. */
	fake_fd(number)->cookie = 4711;
	check(!reusing_close(fd));
	check_number(fake_fd(number)->cookie, 4711);
}

Test(second, none_is_kept_without_reuse_or_when_half_of_the_room_is_taken)
{
	reusing_parked(TO);
	struct reuse *reuse = reusing_of(reusing_opened(TO));
	uint32_t count = shim.reusing.parked_count;
	cr_assert(reuse->kept);
	reuse->fd = second_take(&shim.reusing, reuse);
	int number = reuse->fd;
	shim.reusing.no_parking = true;
	check(!second_keep(&shim.reusing, reuse, fake.now_ns));
	check_number(reuse->fd, -1);
	shim.reusing.no_parking = false;
	reuse->fd = number;
	shim.reusing.parked_count = shim.reusing.parked_most / 2;
	check(!second_keep(&shim.reusing, reuse, fake.now_ns));
	shim.reusing.parked_count = count - 1;
	reuse->fd = number;
	check(second_keep(&shim.reusing, reuse, fake.now_ns));
}

/* Nobody is to wait in a close() of ours, with the lock held. */
Test(second, a_number_that_goes_with_its_record_does_not_linger)
{
	static const struct linger linger = { .l_onoff = 1, .l_linger = 10 };
	reusing_parked(TO);
	struct reuse *reuse = reusing_of(reusing_opened(TO));
	option_log_note(&reuse->options, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	unsigned set = fake.calls[CALL_SETSOCKOPT];
	second_forget(&shim.reusing, reuse);
	check_number(fake.calls[CALL_SETSOCKOPT], set + 1);
	check_number(reuse->fd, -1);
}
