// SPDX-License-Identifier: Apache-2.0
/* reserve_list - the value ip_local_reserved_ports should have. */
#include "cli/ports/reserve_list.h"

#include <stdio.h>

static bool listens(const struct port_space *ports, unsigned port, unsigned low, unsigned high)
{
	return port >= low && port <= high && ports->ports[port].blocked == BLOCKED_LISTEN;
}

unsigned reserve_list(const struct port_space *ports, unsigned low, unsigned high, char *out, size_t size)
{
	size_t used = 0;
	unsigned added = 0;
	bool fits = true;

	*out = '\0';
	for (unsigned port = 1; port < 65536; port++) {
		unsigned first = port;
		for (; port < 65536 && (ports->ports[port].reserved || listens(ports, port, low, high));
		     port++)
			added += !ports->ports[port].reserved;
		if (port == first)
			continue;
		int length = snprintf(out + used, size - used, port - first > 1 ? "%s%u-%u" : "%s%u",
				      used ? "," : "", first, port - 1);
		fits = fits && length > 0 && (size_t)length < size - used;
		used += fits ? (size_t)length : 0;
	}
	if (!fits)
		*out = '\0';
	return added;
}
