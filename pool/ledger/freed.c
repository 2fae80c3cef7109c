// SPDX-License-Identifier: Apache-2.0
/* freed - a full tuple space of this process has got a free port: who waits for one is woken. */
#include "pool/ledger/freed.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <stdatomic.h>

static atomic_uint turn_now, waiters;

unsigned freed_turn(void)
{
	return atomic_load_explicit(&turn_now, memory_order_acquire);
}

COLD void freed_one(void)
{
	atomic_fetch_add_explicit(&turn_now, 1, memory_order_release);
	if (atomic_load_explicit(&waiters, memory_order_relaxed))
		kernel.futex_wake(&turn_now);
}

COLD void freed_wait(unsigned turn, uint64_t most_ns)
{
	atomic_fetch_add_explicit(&waiters, 1, memory_order_relaxed);
	kernel.futex_wait(&turn_now, turn, most_ns);
	atomic_fetch_sub_explicit(&waiters, 1, memory_order_relaxed);
}
