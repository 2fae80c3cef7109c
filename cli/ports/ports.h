// SPDX-License-Identifier: Apache-2.0
/* ports - what `headroom ports` found out, for those who print it. */
#ifndef HEADROOM_CLI_PORTS_PORTS_H
#define HEADROOM_CLI_PORTS_PORTS_H

#include "cli/ports/udp_view.h"
#include "cli/ports/verdict.h"
#include "pool/ports/process_table.h"
#include "pool/ports/space.h"

enum { LOST_PERCENT = 80 }; /* lost to blockers, or held by UDP: bad news from here on */

/* Who has a blocked port. */
struct port_owner {
	struct process process; /* pid 0: not known */
};

struct ports {
	struct port_space space;
	struct kernel_view view;
	struct udp_view udp;
	struct process_search search;
	struct port_owner owners[65536];
	enum group_by by; /* how those who block ports are put together */
	bool probe, json;
	const struct netns_asked *netns; /* where */
	int asked; /* of port_space_ask(): 0, or why not all ports in doubt were asked about */
	uint32_t size, reserved, blocked[BLOCKED_WAYS], blocked_all, doubtful, usable;
	unsigned local_v4, local_v6; /* addresses of this namespace, loopback aside */
};

/**
 * ports_verdict() - is there room for a TCP connection to where nobody has one yet?
 */
enum verdict ports_verdict(const struct ports *ports);

/* Neighbouring blocked ports that have the same owner and reason. */
struct port_run {
	unsigned first, last;
	enum blocked_by by;
	uint8_t state;
	const struct process *owner;
};

/**
 * ports_next_run() - the first run at or behind a port of the range
 * Return: false if there is none
 */
bool ports_next_run(const struct ports *ports, unsigned from, struct port_run *run);

/**
 * ports_report() - for people
 */
void ports_report(const struct ports *ports);

/**
 * ports_json() - for programs; docs/users/check-json.md
 */
void ports_json(const struct ports *ports);

#endif
