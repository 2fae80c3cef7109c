// SPDX-License-Identifier: Apache-2.0
/* binding - bind a socket to a source without taking a port. */
#ifndef HEADROOM_POOL_SOCKET_BINDING_H
#define HEADROOM_POOL_SOCKET_BINDING_H

#include "pool/base/address.h"

#include <stdint.h>

/**
 * binding_set_no_port() - IP_BIND_ADDRESS_NO_PORT; works on AF_INET6 sockets too (ip(7))
 * Return: 0 or a negative errno
 */
long binding_set_no_port(int fd, int on);

/**
 * binding_set_range() - IP_LOCAL_PORT_RANGE (ip(7))
 * @ends:	the upper end in the upper half, the lower in the lower; 0 takes the option away
 * Return: 0 or a negative errno
 */
long binding_set_range(int fd, uint32_t ends);

/**
 * binding_to() - bind to an address and port 0
 * @family:	AF_INET or AF_INET6, the socket's
 * @source:	unset to take the source away again
 * Return: 0 or a negative errno
 */
long binding_to(int fd, int family, const struct address *source);

/**
 * binding_to_ours() - the same with a source that the program did not name
 *
 * Leaves IPV6_V6ONLY as it was: bind() of an IPv6 address sets it for good (__inet6_bind(),
 * net/ipv6/af_inet6.c), and the socket may want to go to an IPv4-mapped address or to listen later. It may be
 * set again only as long as the socket has no port (do_ipv6_setsockopt(), net/ipv6/ipv6_sockglue.c), so
 * binding_set_no_port() comes before.
 */
long binding_to_ours(int fd, int family, const struct address *source);

#endif
