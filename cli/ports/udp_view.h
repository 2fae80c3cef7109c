// SPDX-License-Identifier: Apache-2.0
/* udp_view - the UDP ports of a network namespace: how many of the range are held, from where, by whom.
 *
 * UDP and TCP share the range, not the ports: each has all of it. A UDP socket that gets its port by
 * connect() or sendto() is bound to all addresses first, so it needs a port that no other UDP socket of the
 * namespace has (inet_autobind(), net/ipv4/af_inet.c; udp_lib_get_port(), net/ipv4/udp.c). So what is left is
 * of the whole namespace, whatever the destination; without one connect() fails with EAGAIN. */
#ifndef HEADROOM_CLI_PORTS_UDP_VIEW_H
#define HEADROOM_CLI_PORTS_UDP_VIEW_H

#include "cli/ports/holders.h"
#include "cli/ports/verdict.h"
#include "cli/shared/json.h"
#include "pool/ports/space.h"

#include <stdio.h>

enum { UDP_SOURCES_MAX = 8 };

/* A local address that sockets hold ports on; unset: all of them. */
struct udp_source {
	struct address ip;
	uint32_t ports;
};

struct udp_view {
	bool known;
	uint32_t range, reserved;
	uint32_t in_use; /* ports of the range, not reserved ones, that some UDP socket holds */
	uint64_t sockets;
	struct udp_source sources[UDP_SOURCES_MAX]; /* those with the most ports */
	unsigned source_count;
	struct holders holders; /* of ports of the range; once udp_view_find() was called */
	struct process_search search;
	uint32_t without_process;
	struct wanted_socket *wanted; /* until then */
	size_t wanted_count;
};

/**
 * udp_view_read() - of the caller's network namespace; nothing is known where the kernel does not list them
 * @ports:	its range and reserved ports
 */
void udp_view_read(struct udp_view *view, const struct port_space *ports);

/**
 * udp_view_find() - find the processes
 */
void udp_view_find(struct udp_view *view);

/**
 * udp_view_verdict() - is there a port left for a UDP socket?
 */
enum verdict udp_view_verdict(const struct udp_view *view, unsigned threshold);

/**
 * udp_view_put() - lines for people: what is left, from where, by whom
 * @label:	before the first line; the others are set in as deep
 */
void udp_view_put(const struct udp_view *view, const char *label, FILE *out);

/**
 * udp_view_json() - an object with the name "udp"; null if nothing is known
 */
void udp_view_json(const struct udp_view *view, struct json *json);

/**
 * udp_view_end() - give memory back
 */
void udp_view_end(struct udp_view *view);

#endif
