// SPDX-License-Identifier: Apache-2.0
/* pace - a connect() that is refused without the kernel is refused no more often than the kernel would. */
#include "pool/connect/pace.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/ledger/freed.h"

#include <fcntl.h>

/* When the thread was refused last. In the static TLS block: no allocation at first access. */
static __thread uint64_t refused_ns __attribute__((tls_model("initial-exec")));

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
		freed_wait(turn, until_ns - now_ns);
		now_ns = clock_ns();
	}
	refused_ns = now_ns;
	return waits;
}
