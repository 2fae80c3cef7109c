// SPDX-License-Identifier: Apache-2.0
/* binding - bind a socket to a source without taking a port. */
#ifndef HEADROOM_POOL_BINDING_H
#define HEADROOM_POOL_BINDING_H

#include "address.h"

/**
 * binding_set_no_port() - IP_BIND_ADDRESS_NO_PORT; works on AF_INET6 sockets too (ip(7))
 * Return: 0 or a negative errno
 */
long binding_set_no_port(int fd, int on);

/**
 * binding_to() - bind to an address and port 0
 * @family:	AF_INET or AF_INET6, the socket's
 * @source:	unset to take the source away again
 * Return: 0 or a negative errno
 */
long binding_to(int fd, int family, const struct address *source);

#endif
