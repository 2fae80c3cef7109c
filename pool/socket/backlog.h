// SPDX-License-Identifier: Apache-2.0
/* backlog - the connections that a server of this host has not accepted yet, whoever made them. */
#ifndef HEADROOM_POOL_SOCKET_BACKLOG_H
#define HEADROOM_POOL_SOCKET_BACKLOG_H

#include "pool/base/address.h"

/**
 * backlog_ask() - how many wait at this address? Four system calls; no rights are needed
 * Return: so many, or a negative errno: ENOENT if nobody listens there in this network namespace
 */
long backlog_ask(const struct endpoint *to);

#endif
