// SPDX-License-Identifier: Apache-2.0
/* routes - all routes of this network, and whether any of its ways depends on a traffic class. */
#ifndef HEADROOM_CLI_ATTACH_ROUTES_H
#define HEADROOM_CLI_ATTACH_ROUTES_H

#include "pool/base/address.h"

#include <stdbool.h>
#include <stdint.h>

/* One to other machines (RTN_UNICAST), as RTM_GETROUTE tells it (rtnetlink(7)). */
struct route_seen {
	struct address net;
	struct address source; /* that it prefers; unset: none */
	uint32_t interface;
	uint8_t bits; /* of the prefix, counted on the 128-bit form */
	uint8_t class;
	bool gateway; /* not on the link: over a gateway, or one of several */
};

/**
 * routes_visit() - each route of a family, of all tables
 */
void routes_visit(int family, void (*visit)(void *argument, const struct route_seen *route), void *argument);

/**
 * routes_by_class() - is some routing rule or route for a traffic class only (IP_TOS, IPV6_TCLASS)?
 */
bool routes_by_class(void);

#endif
