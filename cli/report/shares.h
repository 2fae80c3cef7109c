// SPDX-License-Identifier: Apache-2.0
/* shares - what processes that share a tuple space have left together.
 *
 * Four workers with 25 of 100 ports each are full, though none of them is. So the headroom of a row is that
 * of its tuple space, after all processes that have a segment; and in the caller's network namespace after
 * all processes, by the kernel's own list. That list is as long as there are sockets: where all rows of the
 * namespace are of attached cgroups, of which the kernel side counts, it is not asked for. */
#ifndef HEADROOM_CLI_REPORT_SHARES_H
#define HEADROOM_CLI_REPORT_SHARES_H

#include "pool/segment/read.h"

struct shares;

/**
 * shares_start() - of nobody yet
 * Return: NULL when memory is short
 */
struct shares *shares_start(void);

/**
 * shares_add() - a process, whether it is shown or not
 */
void shares_add(struct shares *shares, const struct usage *usage, uint64_t now_ns);

/* The port space of a network namespace. */
struct shares_host {
	bool known;
	uint32_t range, reserved, blocked, doubtful, capacity;
};

/**
 * shares_ask_kernel() - put the kernel's numbers in place of the sums, in the network namespace that the
 * caller is in now
 *
 * Nothing is asked where all rows of that namespace are of attached cgroups. Where ports may be blocked the
 * kernel is asked about them, for a second; those still in doubt count as blocked.
 * @host:	out, where it was asked for anybody
 * @always:	ask for @host, even if no process is of that namespace
 */
void shares_ask_kernel(struct shares *shares, struct shares_host *host, bool always);

/**
 * shares_apply() - capacity, headroom and end of a row become those of its tuple space
 */
void shares_apply(const struct shares *shares, const struct usage *usage, const struct usage_entry *entry,
		  struct usage_figures *figures);

/**
 * shares_end() - give memory back
 */
void shares_end(struct shares *shares);

#endif
