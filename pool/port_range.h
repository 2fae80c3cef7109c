// SPDX-License-Identifier: Apache-2.0
/* port_range - how many ports a tuple space has: the range less the reserved ports. */
#ifndef HEADROOM_POOL_PORT_RANGE_H
#define HEADROOM_POOL_PORT_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* net.ipv4.ip_local_port_range, ip_local_reserved_ports and tcp_tw_reuse of a network namespace; IPv6 uses
 * them too (Documentation/networking/ip-sysctl.rst). Ports are in host order, both ends count. */
struct port_range {
	uint16_t low, high;
	uint32_t reserved;       /* reserved ports inside the range */
	uint8_t time_wait_reuse; /* tcp_tw_reuse: 0 never, 1 everywhere, 2 on loopback */
};

/**
 * port_range_parse() - from the text of the two sysctls
 * @range:	"32768\t60999\n"
 * @reserved:	"8080,9148-9150\n", or empty
 * Return: false if @range is none
 */
bool port_range_parse(const char *range, const char *reserved, struct port_range *out);

/**
 * port_range_each_reserved() - the reserved ports, from /proc/sys, as the spans the kernel prints
 * @take:	called with the first and the last port of each, ascending; 0 ends are possible
 */
void port_range_each_reserved(void (*take)(unsigned long first, unsigned long last, void *context),
			      void *context);

/**
 * port_range_read() - of the calling process's network namespace, from /proc/sys
 * Return: false when /proc does not tell
 */
bool port_range_read(struct port_range *out);

/**
 * port_range_capacity() - ports that connect() may pick if no socket blocks one
 */
static inline uint32_t port_range_capacity(const struct port_range *range)
{
	/* All zero where it is not known. */
	return (uint32_t)range->high - range->low + (range->high != 0) - range->reserved;
}

#endif
