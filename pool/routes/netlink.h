// SPDX-License-Identifier: Apache-2.0
/* netlink - a socket to ask the kernel by (rtnetlink(7)). */
#ifndef HEADROOM_POOL_ROUTES_NETLINK_H
#define HEADROOM_POOL_ROUTES_NETLINK_H

#include "pool/base/address.h"

#include <linux/rtnetlink.h>

/**
 * netlink_open() - a netlink socket to ask by
 * @family:	NETLINK_ROUTE, NETLINK_SOCK_DIAG (netlink(7))
 * Return: fd, for kernel.close(), or a negative errno: EPERM where a seccomp filter may kill for it, EXDEV if
 *	this thread is in another network namespace than the process's sockets
 */
long netlink_open(int family);

/**
 * netlink_address() - the address in an attribute, of IPv4 or IPv6 by its size
 * Return: false if it has neither; @out is as it was then
 */
bool netlink_address(const struct rtattr *attribute, struct address *out);

#endif
