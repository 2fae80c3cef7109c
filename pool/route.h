// SPDX-License-Identifier: Apache-2.0
/* route - which source the kernel would choose, and which sources there are. */
#ifndef HEADROOM_POOL_ROUTE_H
#define HEADROOM_POOL_ROUTE_H

#include "address.h"
#include "source_list.h"

/**
 * route_source() - the source the kernel chooses for a destination
 * @to:		destination
 * @from:	ask for this source instead, or NULL
 * @source:	filled in on success
 * Return: 0, or the negative errno with which the kernel refuses. Nothing is sent: a UDP socket is
 *	connected, which takes the route and the source and no more (ip(7); __ip4_datagram_connect).
 */
int route_source(const struct endpoint *to, const struct address *from, struct address *source);

/**
 * route_auto_sources() - the sources that `auto` stands for
 * @to:		for a loopback IPv4 destination 127.0.0.1 to 127.0.0.16; else every address of the
 *		interface that holds the source the kernel would choose, of that address's scope
 * @list:	empty; gets the addresses, the kernel's own choice first
 * Return: 0 or a negative errno
 */
int route_auto_sources(struct arena *arena, const struct endpoint *to, struct source_list *list);

#endif
