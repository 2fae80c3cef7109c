// SPDX-License-Identifier: Apache-2.0
/* test_heritage - what a forked child takes over from its parent, and what not. */
#include "pool/ledger/heritage.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <string.h>

/* A parent that has found out: many of its kind end soon. */
static void start(void)
{
	program_start("");
	shim.writer.state = USAGE_NOT_TRIED;
	shim.heritage.uid = 1000;
	shim.heritage.network_cookie = 7;
	shim.heritage.until_ns = fake.now_ns + 1000000;
	shim.heritage.range = (struct port_range){ .low = 40000, .high = 40099 };
	shim.heritage.range_until_ns = fake.now_ns + 1000000000;
	strcpy(shim.heritage.place, "/dev/shm/headroom-1000");
	atomic_store(shim.heritage.forks, 8);
	atomic_store(&shim.heritage.whole, true);
}

TestSuite(heritage, .init = start, .fini = fake_stop);

static void check_nothing_taken(void)
{
	check_number(shim.writer.state, USAGE_NOT_TRIED);
	check(!shim.writer.place && !shim.writer.inherited);
	check_number(shim.ledger.range.high, 0);
}

Test(heritage, a_child_begins_with_what_its_parent_found)
{
	shim_restart(&shim);
	check_number(shim.writer.state, USAGE_WAITING);
	check(shim.writer.place == shim.heritage.place);
	check_number(shim.writer.network_cookie, 7);
	check_number(shim.ledger.range.high, 40099);
	check(shim.board.until_ns == shim.heritage.until_ns);
	/* Its own forks are counted anew. */
	check_number(atomic_load(shim.heritage.forks), 0);
}

Test(heritage, a_board_with_something_on_it_is_read_by_the_child)
{
	shim.heritage.board = true;
	shim_restart(&shim);
	check_number(shim.board.until_ns, 0);
}

Test(heritage, what_is_old_is_not_taken)
{
	fake.now_ns += 2000000;
	shim_restart(&shim);
	check_nothing_taken();
}

Test(heritage, what_another_thread_was_writing_is_not_taken)
{
	atomic_store(&shim.heritage.whole, false);
	shim_restart(&shim);
	check_nothing_taken();
}

Test(heritage, who_is_not_to_write_takes_nothing)
{
	shim.writer.state = USAGE_WITHOUT;
	shim_restart(&shim);
	check_number(shim.writer.state, USAGE_WITHOUT);
	check(!shim.writer.place);
}

Test(heritage, in_another_network_it_is_dropped)
{
	shim_restart(&shim);
	heritage_drop(&shim.ledger);
	check_nothing_taken();
	check_number(shim.board.until_ns, 0);
}
