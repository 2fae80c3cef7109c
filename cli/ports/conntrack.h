// SPDX-License-Identifier: Apache-2.0
/* conntrack - does NAT, or connection tracking, of this network namespace drop new connections? */
#ifndef HEADROOM_CLI_PORTS_CONNTRACK_H
#define HEADROOM_CLI_PORTS_CONNTRACK_H

#include <stdbool.h>
#include <stdint.h>

struct conntrack {
	bool known;             /* connections are tracked here */
	uint64_t insert_failed; /* since the namespace was made: no port was left for a translated connection
				 */
	uint64_t dropped;       /* for that reason, or because the table was full */
	uint64_t count, most;   /* connections tracked, and how many there can be; 0: not known */
};

/**
 * conntrack_read() - of the caller's network namespace, from /proc/net/stat/nf_conntrack and /proc/sys
 */
void conntrack_read(struct conntrack *out);

/**
 * conntrack_is_full() - is the table so full that new connections are dropped, or soon?
 */
static inline bool conntrack_is_full(const struct conntrack *c)
{
	return c->most && c->count * 10 >= c->most * 9;
}

#endif
