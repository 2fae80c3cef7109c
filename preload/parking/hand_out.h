// SPDX-License-Identifier: Apache-2.0
/* hand_out - a connect() gets a parked connection, and a socket() the socket that one took the place of. */
#ifndef HEADROOM_PRELOAD_PARKING_HAND_OUT_H
#define HEADROOM_PRELOAD_PARKING_HAND_OUT_H

#include <stdbool.h>
#include <sys/socket.h>

struct endpoint;
struct rule;

/**
 * hand_out() - serve a connect() from the pool
 * @family:	of the address: an IPv6 one may be of IPv4, mapped
 * @result:	filled: 0, or -EINPROGRESS for a non-blocking socket
 * Return: false if the kernel has to be asked
 */
bool hand_out(int fd, sa_family_t family, const struct endpoint *to, const struct rule *rule, long *result);

/**
 * hand_out_blank() - serve a socket() with the one that a hand-out left over
 * @family, @type, @protocol: as of socket(2)
 * Return: its fd, or -1 if the kernel has to be asked
 */
int hand_out_blank(int family, int type, int protocol);

#endif
