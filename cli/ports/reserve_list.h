// SPDX-License-Identifier: Apache-2.0
/* reserve_list - the value ip_local_reserved_ports should have. */
#ifndef HEADROOM_CLI_PORTS_RESERVE_LIST_H
#define HEADROOM_CLI_PORTS_RESERVE_LIST_H

#include "pool/ports/space.h"

/**
 * reserve_list() - what is reserved now, and every port of a range on which somebody listens
 * @out:	"80,9000-9009"; empty for none, and if @size does not do
 * Return: how many ports are new in it
 */
unsigned reserve_list(const struct port_space *ports, unsigned low, unsigned high, char *out, size_t size);

#endif
