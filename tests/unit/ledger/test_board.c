// SPDX-License-Identifier: Apache-2.0
/* test_board - what processes that make one connection each tell each other of a source that fails. */
#include "pool/ledger/board.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND 1000000000ull

static char place[] = "/tmp/headroom-board-XXXXXX";
static struct endpoint to = { .port = 80 };
static struct address source;
static uint64_t now_ns = 1000 * SECOND;

static void start(void)
{
	cr_assert(mkdtemp(place));
	check(address_parse("10.0.0.9", strlen("10.0.0.9"), &to.ip) &&
	      address_parse("10.0.0.2", strlen("10.0.0.2"), &source));
}

static void finish(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/board", place);
	unlink(path);
	rmdir(place);
}

TestSuite(board, .init = start, .fini = finish);

/* A process from its start to its end. Return: did it try the source? @works: what comes of that */
static bool process(bool works)
{
	struct lock lock = { 0 };
	struct arena arena = { 0 };
	struct usage_writer writer = { .place = place, .state = USAGE_WAITING, .network_cookie = 7 };
	struct board board = { .lock = &lock, .arena = &arena, .writer = &writer };
	struct held held = { 0 };

	board_refresh(&board, &held, now_ns);
	cr_assert(lock_enter(&lock));
	bool tries = !board_failing(&board, &to, &source, now_ns);
	if (tries && works)
		board_note_served(&board, &to, &source, now_ns);
	else if (tries)
		board_note_failure(&board, &to, &source, now_ns);
	lock_leave(&lock);
	board_tell(&board, now_ns);
	arena_release(&arena);
	return tries;
}

/* Return: how many of a row of processes tried it. */
static unsigned processes(unsigned count, uint64_t every_ns, bool works)
{
	unsigned tried = 0;

	for (unsigned i = 0; i < count; i++, now_ns += every_ns)
		tried += process(works);
	return tried;
}

Test(board, however_seldom_processes_come_few_find_out_again)
{
	static const unsigned every_s[] = { 1, 5, 20, 60 };

	for (unsigned i = 0; i < sizeof(every_s) / sizeof(every_s[0]); i++) {
		unsigned first = processes(40, every_s[i] * SECOND, false);
		unsigned rest = processes(1000, every_s[i] * SECOND, false);
		cr_assert(first <= 3 && rest <= 10, "every %u s: %u of 40, %u of 1000", every_s[i], first,
			  rest);
		finish();
		check(mkdir(place, 0700) == 0);
	}
}

Test(board, of_many_that_come_one_tries_again_after_a_growing_while)
{
	check_number(processes(1000, SECOND / 100, false), 2);
	check_number(processes(10000, SECOND / 100, false), 2);
}

Test(board, a_source_that_served_is_as_any_other)
{
	check_number(processes(2, 60 * SECOND, false), 2);
	check_number(processes(200, 60 * SECOND, true), 81);
	/* Nothing is remembered: seldom as they come, this one is the first. */
	check_number(processes(1, 60 * SECOND, false), 1);
	check_number(processes(1, 60 * SECOND, true), 1);
}

Test(board, a_clock_from_before_a_boot_is_not_believed)
{
	check_number(processes(2, 3600 * SECOND, false), 2);
	now_ns = 1 * SECOND;
	check(process(true));
}
