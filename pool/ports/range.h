// SPDX-License-Identifier: Apache-2.0
/* range - how many ports a tuple space has: the range less the reserved ports. */
#ifndef HEADROOM_POOL_PORTS_RANGE_H
#define HEADROOM_POOL_PORTS_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* net.ipv4.ip_local_port_range, ip_local_reserved_ports, and what becomes of TIME_WAITs, of a network
 * namespace; IPv6 uses them too (Documentation/networking/ip-sysctl.rst). Ports are in host order, both ends
 * count. */
struct port_range {
	uint16_t low, high;
	uint32_t reserved;       /* reserved ports inside the range */
	uint8_t time_wait_reuse; /* tcp_tw_reuse: 0 never, 1 everywhere, 2 on loopback */
	uint32_t reuse_delay_ms; /* tcp_tw_reuse_delay, from Linux 6.14 on; 0: as before it, 1 s */
	uint32_t waits_bound;    /* tcp_max_tw_buckets + 1: so many there never are; 0: not known */
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

/**
 * port_range_reuse_ms() - how old a TIME_WAIT has to be for connect() to take it over, where it may at all
 * (tcp_twsk_unique(), net/ipv4/tcp_ipv4.c)
 */
static inline uint32_t port_range_reuse_ms(const struct port_range *range)
{
	return range->reuse_delay_ms ? range->reuse_delay_ms : 1000;
}

/**
 * port_range_waits() - TIME_WAITs that there can be, of so many connections closed by us: the kernel makes
 * none past its bound (inet_twsk_alloc(), net/ipv4/inet_timewait_sock.c)
 */
static inline uint32_t port_range_waits(const struct port_range *range, uint32_t closed)
{
	return closed >= range->waits_bound && range->waits_bound ? range->waits_bound - 1 : closed;
}

#endif
