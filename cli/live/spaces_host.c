// SPDX-License-Identifier: Apache-2.0
/* spaces_host - the tuple spaces of the whole host (its network namespace), by the kernel's own list. */
#include "cli/live/spaces_host.h"

#include "cli/ports/host_view.h"
#include "cli/ports/udp_view.h"
#include "cli/shared/complain.h"
#include "cli/shared/view_complaints.h"
#include "pool/ports/tuple_space.h"

#include <stdlib.h>
#include <string.h>

/* A socket that its program bound to an interface has another tuple space, with ports of its own. */
static bool is_of_its_own(const struct tuple_key *key)
{
	return key->interface && !key->destination.scope;
}

static void take(struct spaces *spaces, const struct host_view *view, const struct host_tuple *tuple)
{
	struct space_key key = { .source = tuple->key.source, .destination = tuple->key.destination };
	struct space *space = tuple->in_use && !is_of_its_own(&tuple->key) ? spaces_find(spaces, &key) : NULL;
	struct room room = host_view_room(view, tuple);

	if (!space) {
		spaces->host.left_out += is_of_its_own(&tuple->key) ? 0 : tuple->in_use;
		return;
	}
	space->from_kernel = true;
	space->open = tuple->in_use - tuple->time_wait;
	space->time_wait = tuple->time_wait;
	space->in_use = room.in_use;
	space->doubtful = room.doubtful;
}

static void count_host(struct space_host *host, const struct host_view *view)
{
	host->known = true;
	host->range = (uint32_t)view->ports.range.high - view->ports.range.low + 1;
	host->reserved = view->ports.range.reserved;
	host->capacity = view->capacity;
	host->blocked = view->blocked;
	host->doubtful = view->doubtful;
	host->left_out += view->left_out;
}

/* What the kernel does not list in a tuple space of this namespace is not in use. */
static bool settle(struct spaces *spaces)
{
	for (struct space *space = spaces->table; space; space = space->hh.next) {
		if (space->key.network || address_is_unset(&space->key.source))
			continue;
		if (!space->from_kernel)
			space->doubtful = spaces->host.doubtful;
		space->from_kernel = space->capacity_known = true;
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

int spaces_ask_kernel(struct spaces *spaces, struct port_answers *answers, uint64_t limit_ns)
{
	struct host_view *view = calloc(1, sizeof(*view));
	struct udp_view udp;
	int status = view ? host_view_read(view) : complain(NULL, "no memory");

	if (!status) {
		if (view->doubtful)
			host_view_ask(view, answers, limit_ns);
		count_host(&spaces->host, view);
		udp_view_read(&udp, &view->ports);
		spaces->host.udp_known = udp.known;
		spaces->host.udp_in_use = udp.in_use;
		udp_view_end(&udp);
		for (const struct host_tuple *t = view->table; t; t = t->hh.next)
			take(spaces, view, t);
		if (!settle(spaces))
			status = complain(NULL, "no memory");
	}
	if (view)
		host_view_end(view);
	free(view);
	return status;
}
