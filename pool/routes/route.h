// SPDX-License-Identifier: Apache-2.0
/* route - how the kernel would send to a destination: by which interface, over which gateway, from which
 * source.
 *
 * It is asked by RTM_GETROUTE (rtnetlink(7)), which sends nothing and takes no port: with the protocol and
 * the port of the connection to come, as routing rules may look at them, and for the user that the program
 * acts for. The fd that it takes is closed before the answer is used. */
#ifndef HEADROOM_POOL_ROUTES_ROUTE_H
#define HEADROOM_POOL_ROUTES_ROUTE_H

#include "pool/base/address.h"
#include "pool/rules/source_list.h"

/* What the kernel says. */
struct route {
	struct address source;  /* the kernel's choice, or the one that was asked for */
	struct address gateway; /* unset: the destination is on the link, or on this machine */
	uint32_t interface;     /* it leaves by */
	uint32_t table;         /* of the routing rule that decided */
	uint8_t type;           /* RTN_UNICAST and so on (linux/rtnetlink.h) */
};

/* What to ask besides. All zero: as for a new socket. */
struct route_inputs {
	const struct address *from; /* ask for this source, or NULL */
	uint8_t traffic_class;      /* IP_TOS, IPV6_TCLASS */
};

/**
 * route_ask() - ask for the route to a destination
 * @netlink:	from netlink_open()
 * @inputs:	NULL: none
 * Return: 0, or the negative errno with which the kernel refuses
 */
int route_ask(int netlink, const struct endpoint *to, const struct route_inputs *inputs, struct route *route);

/**
 * route_interface_of() - which interface has an address of this machine?
 * Return: its index; 0 if it is no address of this machine or the kernel does not say (before Linux 4.13)
 */
uint32_t route_interface_of(int netlink, const struct address *own);

/**
 * route_equal() - the same way, from the same source?
 */
bool route_equal(const struct route *a, const struct route *b);

/**
 * route_source() - the source the kernel chooses for a destination
 * @to:		destination
 * @from:	ask for this source instead, or NULL
 * @source:	filled in on success
 * Return: 0, or the negative errno with which the kernel refuses: EADDRNOTAVAIL if @from is no address of this
 *	machine
 */
int route_source(const struct endpoint *to, const struct address *from, struct address *source);

/**
 * route_auto_sources() - the sources that `auto` stands for
 *
 * Those that serve as the kernel's own choice does: of its interface, in its connected prefix, of its scope,
 * in IPv6 with its label (RFC 6724, section 2.1) and temporary if it is; none that is being tested or on its
 * way out. On loopback and link-local destinations that is the kernel's own choice alone.
 *
 * @list:	empty; gets the addresses, the kernel's own choice first
 * Return: 0 or a negative errno
 */
int route_auto_sources(struct arena *arena, const struct endpoint *to, struct source_list *list);

#endif
