// SPDX-License-Identifier: Apache-2.0
/* interfaces - the addresses of this machine's interfaces, and the prefixes that are on their links. */
#ifndef HEADROOM_POOL_ROUTES_INTERFACES_H
#define HEADROOM_POOL_ROUTES_INTERFACES_H

#include "pool/base/address.h"
#include "pool/base/arena.h"

/* One address, as RTM_GETADDR tells it (rtnetlink(7)). */
struct interface_address {
	struct address address;
	struct address
		on_link; /* the connected prefix: that of `address`, or the peer's of a point-to-point link */
	uint32_t interface;
	uint8_t bits;  /* of the prefix, counted on the 128-bit form */
	uint8_t scope; /* RT_SCOPE_* */
	uint8_t flags; /* IFA_F_* of linux/if_addr.h */
};

/**
 * interfaces_visit() - each address of a family
 * @netlink:	from netlink_open()
 * @scratch:	for the reply
 * @family:	AF_INET, AF_INET6, or AF_UNSPEC for both
 * Return: 0 or a negative errno; then some may have been visited
 */
int interfaces_visit(int netlink, struct arena *scratch, int family,
		     void (*visit)(void *argument, const struct interface_address *address), void *argument);

enum { LINKS_MAX = 256 };

/* A prefix that is on the link of an interface. */
struct link {
	struct address net;
	uint32_t interface;
	uint8_t bits;
};

/* All of them, each once; of more than LINKS_MAX the first. */
struct links {
	struct link *items;
	unsigned count, room;
	/* Has an interface no address but such without a prefix (a tunnel, PPP)? What is on its link the
	 * routes tell alone. */
	bool bare_v4, bare_v6;
	bool several; /* of more than one interface, but for the loopback */
};

/**
 * links_read() - look them up
 * @links:	empty; items are of @arena
 * Return: 0 or a negative errno
 */
int links_read(struct arena *arena, struct links *links);

/**
 * links_interface() - which interface has the narrowest prefix that holds an address?
 * Return: its index; 0: none has
 */
uint32_t links_interface(const struct links *links, const struct address *address);

/**
 * links_part() - may a destination be on the link of another interface than the source's?
 *
 * Then it answers, if at all, over a way of its own. The connected prefixes tell of most pairs that they are
 * not parted, without asking the kernel.
 *
 * Return: false: one prefix holds both; or none holds the destination, and each interface has one
 */
bool links_part(const struct links *links, const struct address *to, const struct address *source);

#endif
