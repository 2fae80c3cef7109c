// SPDX-License-Identifier: Apache-2.0
/* spaces_host - the tuple spaces of the whole host (its network namespace), by the kernel's own list. */
#include "cli/live/spaces_host.h"

#include "cli/shared/complain.h"
#include "cli/shared/view_complaints.h"
#include "pool/ports/tuple_space.h"

#include <stdlib.h>
#include <string.h>

struct host_pass {
	struct spaces *spaces;
	struct port_space *ports;
};

/* A socket that its program bound to an interface has another tuple space, with ports of its own. */
static bool is_of_its_own(const struct tuple_key *key)
{
	return key->interface && !key->destination.scope;
}

static void see(const struct socket_seen *seen, void *context)
{
	struct host_pass *pass = context;
	struct tuple_key tuple;

	if (!port_space_pickable(pass->ports, seen->source.port) || !tuple_key_of(seen, &tuple) ||
	    is_of_its_own(&tuple))
		return;
	struct space_key key = { .source = tuple.source, .destination = tuple.destination };
	struct space *space = spaces_find(pass->spaces, &key);
	if (!space) {
		pass->spaces->host.left_out++;
		return;
	}
	bool waits = seen->state == STATE_TIME_WAIT;
	space->from_kernel = true;
	space->open += !waits;
	space->time_wait += waits;
	space->in_use += !waits || !tuple_reusable(&tuple, pass->ports);
}

static void count_host(struct space_host *host, const struct port_space *ports)
{
	*host = (struct space_host){ .known = true,
				     .range = (uint32_t)ports->range.high - ports->range.low + 1,
				     .reserved = ports->range.reserved,
				     .capacity = port_space_capacity(ports),
				     .left_out = host->left_out };
	host->blocked = host->range - host->reserved - host->capacity;
}

/* What the kernel does not list in a tuple space of this namespace is not in use. */
static bool settle(struct spaces *spaces)
{
	for (struct space *space = spaces->table; space; space = space->hh.next) {
		if (space->key.network || address_is_unset(&space->key.source))
			continue;
		space->from_kernel = true;
		space->capacity = spaces->host.capacity;
		if (space->open + space->time_wait <= space->shim_open + space->shim_time_wait)
			continue;
		struct space_row *row = spaces_add_row(spaces);
		if (!row)
			return false;
		row->process = SPACE_NO_SHIM;
		row->space = space;
	}
	return true;
}

int spaces_ask_kernel(struct spaces *spaces)
{
	struct kernel_filter blocking = { .states = 1u << STATE_LISTEN | 1u << STATE_BOUND_ONLY };
	struct host_pass pass = { .spaces = spaces, .ports = malloc(sizeof(*pass.ports)) };
	struct kernel_view view;
	int rc = 0;

	if (!pass.ports)
		return complain(NULL, "no memory");
	bool started = port_space_start(pass.ports);
	if (started && !(rc = kernel_view_read(&view, &blocking, port_space_visit, pass.ports)))
		rc = kernel_view_read(&view, NULL, see, &pass);
	if (started && !rc)
		count_host(&spaces->host, pass.ports);
	free(pass.ports);
	if (!started)
		return range_complain();
	if (rc)
		return view_complain_failed(rc);
	return settle(spaces) ? STATUS_FINE : complain(NULL, "no memory");
}
