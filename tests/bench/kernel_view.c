// SPDX-License-Identifier: Apache-2.0
/* kernel_view - how long one pass over the kernel's TCP sockets takes, in the network namespace it is run in
 *
 * Prints "pass_ms MS sockets N established N". */
#include "pool/ports/kernel_view.h"

#include <err.h>
#include <stdio.h>

#include "stopwatch.h"

static void count(const struct socket_seen *seen, void *context)
{
	unsigned *by_state = context;
	by_state[seen->state % SOCKET_STATES]++;
}

int main(void)
{
	unsigned by_state[SOCKET_STATES] = { 0 };
	struct kernel_view view;
	double start = now_ns();
	int rc = kernel_view_read(&view, NULL, count, by_state);

	if (rc)
		errx(2, "kernel_view_read: %d", rc);
	printf("pass_ms %.2f sockets %llu established %u\n", (now_ns() - start) / 1e6,
	       (unsigned long long)view.sockets, by_state[STATE_ESTABLISHED]);
	return 0;
}
