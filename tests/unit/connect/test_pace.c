// SPDX-License-Identifier: Apache-2.0
/* test_pace - a refusal without the kernel costs the thread what the kernel's would have. */
#include "pool/connect/pace.h"
#include "pool/ledger/freed.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <fcntl.h>

#define TO "10.0.0.9:80"

enum { CAPACITY = 100, REFUSAL = 2000000 };

static void start(void)
{
	program_start("");
	fake.connect_ns = REFUSAL;
	check_number(program_fills(AF_INET, TO), CAPACITY);
}

TestSuite(pace, .init = start, .fini = fake_stop);

/* Return: how long a refusal took, by the clock. */
static uint64_t refused(int status)
{
	struct program_socket s = program_socket(AF_INET);
	uint64_t before_ns = fake.now_ns;

	fake_fd(s.fd)->status = status;
	check_number(program_connect(&s, TO), -EADDRNOTAVAIL);
	program_close(&s);
	return fake.now_ns - before_ns;
}

Test(pace, a_blocking_one_waits_as_long_as_the_kernel_walks)
{
	unsigned asked = fake.program_connects;
	for (unsigned i = 0; i < 5; i++)
		check_number(refused(O_RDWR), REFUSAL);
	check_number(fake.program_connects, asked);
}

Test(pace, one_that_does_not_block_is_answered_at_once_if_the_thread_has_rested)
{
	check_number(refused(O_RDWR | O_NONBLOCK), 0);
	fake.now_ns += PACE_REST * REFUSAL;
	shim.ledger.range_until_ns = fake.now_ns + REFUSAL;
	program_space("10.0.0.1", TO)->full_until_ns = fake.now_ns + 1000;
	check_number(refused(O_RDWR | O_NONBLOCK), 0);
}

Test(pace, one_that_spins_is_not_faster_than_the_kernel)
{
	unsigned asked = fake.program_connects, quick = 0;
	for (unsigned i = 0; i < 8; i++)
		quick += refused(O_RDWR | O_NONBLOCK) < REFUSAL;
	check_number(quick, 1);
	check_number(fake.program_connects, asked);
}

static struct program_socket one;

static void close_one(void *ignored)
{
	(void)ignored;
	if (one.held.tracked)
		program_close(&one);
	one.held.tracked = NULL;
}

Test(pace, a_port_that_comes_free_meanwhile_is_taken)
{
	program_start("");
	fake.connect_ns = REFUSAL;
	one = program_socket(AF_INET);
	check_number(program_connect(&one, TO), 0);
	check_number(program_fills(AF_INET, TO), CAPACITY - 1);
	one.held.tracked->flags |= ABORTS_ON_CLOSE;
	fake_fd(one.fd)->linger = (struct linger){ .l_onoff = 1 };
	fake.while_waiting = close_one;
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	check_number(fake.calls[CALL_FUTEX_WAIT], 1);
}

Test(pace, who_waits_is_woken)
{
	unsigned turn = freed_turn();
	freed_one();
	check_number(freed_turn(), turn + 1);
	check_number(fake.calls[CALL_FUTEX_WAKE], 0);
}

Test(pace, a_refusal_costs_the_mean_of_the_last_few)
{
	check_number(pace_cost(0, 5000), 5000);
	check_number(pace_cost(5000, 3000), 4500);
	check_number(pace_cost(3000, 19000), 7000);
	check_number(pace_cost(0, 3600000000000ull), PACE_MOST_NS);
}
