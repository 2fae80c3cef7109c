// SPDX-License-Identifier: Apache-2.0
/* pace - a connect() that is refused without the kernel is refused no more often than the kernel would. */
#include "pool/connect/pace.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <fcntl.h>
#include <stdatomic.h>

/* Changed when a full tuple space gets a free port: who waits, waits for that. */
static atomic_uint turn_now, waiters;

/* When the thread was refused last. In the static TLS block: no allocation at first access. */
static __thread uint64_t refused_ns __attribute__((tls_model("initial-exec")));

unsigned pace_turn(void)
{
	return atomic_load_explicit(&turn_now, memory_order_acquire);
}

COLD void pace_freed(void)
{
	atomic_fetch_add_explicit(&turn_now, 1, memory_order_release);
	if (atomic_load_explicit(&waiters, memory_order_relaxed))
		kernel.futex_wake(&turn_now);
}

static bool blocks(int fd)
{
	long status = kernel.fcntl(fd, F_GETFL, 0);
	return status >= 0 && !(status & O_NONBLOCK);
}

COLD bool pace_refusal(int fd, unsigned turn, uint64_t cost_ns, uint64_t began_ns)
{
	bool rested = refused_ns + PACE_REST * cost_ns <= began_ns;
	uint64_t now_ns = clock_ns(), until_ns = began_ns + cost_ns;
	bool waits = now_ns < until_ns && (!rested || blocks(fd));

	if (waits) {
		atomic_fetch_add_explicit(&waiters, 1, memory_order_relaxed);
		kernel.futex_wait(&turn_now, turn, until_ns - now_ns);
		atomic_fetch_sub_explicit(&waiters, 1, memory_order_relaxed);
		now_ns = clock_ns();
	}
	refused_ns = now_ns;
	return waits;
}
