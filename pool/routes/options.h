// SPDX-License-Identifier: Apache-2.0
/* options - socket options that the kernel looks at when it chooses the route, and so the source. */
#ifndef HEADROOM_POOL_ROUTES_OPTIONS_H
#define HEADROOM_POOL_ROUTES_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/**
 * routing_option() - does an option bear on the route?
 *
 * Those of struct flowi4 and flowi6 as tcp_v4_connect() and tcp_v6_connect() fill them in: mark, device,
 * scope, the address preferences, the first hop of a source route. For IP_TOS and IPV6_TCLASS see
 * traffic_class().
 */
bool routing_option(int level, int name);

/**
 * routing_option_set() - is the value another than that of a new socket, as far as it can be told?
 * @value:	what setsockopt() took
 * Return: false when it may be: ask routing_options_of()
 */
bool routing_option_set(int level, int name, const void *value, socklen_t length);

/**
 * routing_options_of() - has a socket any of them set? Asks the kernel, a dozen system calls.
 */
bool routing_options_of(int fd);

/**
 * traffic_class_option() - is it IP_TOS or IPV6_TCLASS?
 */
bool traffic_class_option(int level, int name);

/**
 * traffic_class() - the traffic class of a socket's packets, without the two bits of ECN, which route nothing
 * @family:	of the destination: AF_INET for IPv4-mapped ones
 * Return: 0 when none is set
 */
uint8_t traffic_class(int fd, int family);

#endif
