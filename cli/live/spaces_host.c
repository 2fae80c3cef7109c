// SPDX-License-Identifier: Apache-2.0
/* spaces_host - the tuple spaces of whole network namespaces, by the kernel's own lists. */
#include "cli/live/spaces_host.h"

#include "cli/ports/host_view.h"
#include "cli/ports/udp_view.h"
#include "cli/shared/complain.h"
#include "cli/shared/view_complaints.h"
#include "pool/base/clock.h"
#include "pool/ports/tuple_space.h"
#include "pool/segment/identity.h"

#include <stdlib.h>
#include <string.h>

struct kept_answers {
	uint64_t inode, cookie;
	struct port_answers answers;
	bool used; /* at this look */
	struct kept_answers *next;
};

struct asking {
	struct spaces *spaces;
	struct spaces_kept *kept;
	uint64_t began_ns, limit_ns;
};

/* A socket that its program bound to an interface has another tuple space, with ports of its own. */
static bool is_of_its_own(const struct tuple_key *key)
{
	return key->interface && !key->destination.scope;
}

static void take(struct spaces *spaces, uint64_t network, const struct host_view *view,
		 const struct host_tuple *tuple)
{
	struct space_key key = { .source = tuple->key.source,
				 .destination = tuple->key.destination,
				 .network = network };

	if (!tuple->in_use)
		return;
	if (is_of_its_own(&tuple->key) && !if_indextoname(tuple->key.interface, key.interface))
		snprintf(key.interface, sizeof(key.interface), "%u", tuple->key.interface);
	struct space *space = spaces_find(spaces, &key);
	struct room room = host_view_room(view, tuple);
	if (!space) {
		spaces->left_out += tuple->in_use;
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
	struct udp_view udp;

	host->range = (uint32_t)view->ports.range.high - view->ports.range.low + 1;
	host->reserved = view->ports.range.reserved;
	host->capacity = view->capacity;
	host->blocked = view->blocked;
	host->doubtful = view->doubtful;
	host->at_least = view->capacity - view->doubtful;
	udp_view_read(&udp, &view->ports);
	host->udp_known = udp.known;
	host->udp_in_use = udp.in_use;
	udp_view_end(&udp);
}

static struct port_answers *answers_of(struct spaces_kept *kept, const struct space_host *host)
{
	struct kept_answers *one;

	if (!kept)
		return NULL;
	for (one = kept->first; one; one = one->next)
		if (one->inode == host->inode && one->cookie == host->cookie)
			break;
	if (!one && (one = calloc(1, sizeof(*one)))) {
		*one = (struct kept_answers){ .inode = host->inode,
					      .cookie = host->cookie,
					      .next = kept->first };
		kept->first = one;
	}
	if (!one)
		return NULL;
	one->used = true;
	return &one->answers;
}

/* Those of namespaces that are gone. */
static void forget_unused(struct spaces_kept *kept)
{
	for (struct kept_answers **at = &kept->first, *one; (one = *at);) {
		if (one->used) {
			one->used = false;
			at = &one->next;
			continue;
		}
		*at = one->next;
		free(one);
	}
}

/* All namespaces share the time that may be asked. */
static void ask(const struct asking *asking, const struct space_host *host, struct host_view *view)
{
	uint64_t spent_ns = clock_since(asking->began_ns, clock_ns());
	/* 0 would be no limit; what is remembered costs no question. */
	uint64_t left_ns = spent_ns < asking->limit_ns ? asking->limit_ns - spent_ns : 1;

	if (view->doubtful)
		host_view_ask(view, answers_of(asking->kept, host), left_ns);
}

static int ask_here(const char *name, void *context)
{
	const struct asking *asking = context;
	struct spaces *spaces = asking->spaces;
	struct host_view *view = calloc(1, sizeof(*view));
	struct space_host *host = view ? spaces_add_host(spaces) : NULL;
	int status = host ? host_view_read(view) : complain(NULL, "no memory");

	if (!status) {
		usage_identify_network(&host->inode, &host->cookie);
		host->network = spaces->host_count > 1 ? host->inode : 0;
		snprintf(host->name, sizeof(host->name), "%s", name);
		ask(asking, host, view);
		count_host(host, view);
		spaces->left_out += view->left_out;
		for (const struct host_tuple *t = view->table; t; t = t->hh.next)
			take(spaces, host->network, view, t);
	} else if (host) {
		spaces->host_count--;
	}
	if (view)
		host_view_end(view);
	free(view);
	return status;
}

int spaces_ask_kernel(struct spaces *spaces, bool all_netns, struct spaces_kept *kept, uint64_t limit_ns)
{
	struct asking asking = {
		.spaces = spaces, .kept = kept, .began_ns = clock_ns(), .limit_ns = limit_ns
	};
	int status;

	if (all_netns) {
		status = each_netns(ask_here, &asking, kept && !kept->said);
		if (kept)
			kept->said = true;
	} else {
		status = ask_here("here", &asking);
	}
	if (kept)
		forget_unused(kept);
	return status;
}

/* The space of the same source and destination for sockets that are bound to no interface, if no such socket
 * is in the kernel's list. */
static struct space *unlisted_twin(struct spaces *spaces, const struct space *bound)
{
	struct space_key key = bound->key;
	struct space *twin;

	memset(key.interface, 0, sizeof(key.interface));
	HASH_FIND(hh, spaces->table, &key, sizeof(key), twin);
	return twin && !twin->from_kernel ? twin : NULL;
}

static void adopt(struct space *bound, struct space *twin)
{
	bound->shim_open = twin->shim_open;
	bound->shim_time_wait = twin->shim_time_wait;
	bound->shim_in_use = twin->shim_in_use;
	bound->fills = twin->fills;
	twin->moved_to = bound;
}

/* Programs under the shim do not count sockets that are bound to an interface apart. If the kernel lists
 * those of one interface only, from their source to their destination, it is these. */
static void move_to_interfaces(struct spaces *spaces)
{
	struct space *space, *next, *twin;

	for (space = spaces->table; space; space = space->hh.next)
		if (*space->key.interface && (twin = unlisted_twin(spaces, space)))
			twin->interfaces++;
	for (space = spaces->table; space; space = space->hh.next)
		if (*space->key.interface && (twin = unlisted_twin(spaces, space)) && twin->interfaces == 1)
			adopt(space, twin);
	for (unsigned i = 0; i < spaces->row_count; i++)
		if (spaces->rows[i].space && spaces->rows[i].space->moved_to)
			spaces->rows[i].space = spaces->rows[i].space->moved_to;
	HASH_ITER (hh, spaces->table, space, next) {
		if (!space->moved_to)
			continue;
		HASH_DEL(spaces->table, space);
		free(space);
	}
}

static bool settle_one(struct spaces *spaces, struct space *space)
{
	const struct space_host *host = spaces_host_of(spaces, space->key.network);

	if (!host || address_is_unset(&space->key.source))
		return true;
	if (!space->from_kernel)
		space->doubtful = host->doubtful;
	space->from_kernel = space->capacity_known = true;
	space->capacity = host->capacity;
	if (space->open + space->time_wait <= space->shim_open + space->shim_time_wait)
		return true;
	struct space_row *row = spaces_add_row(spaces);
	if (!row)
		return false;
	row->process = SPACE_NO_SHIM;
	row->space = space;
	return true;
}

bool spaces_settle(struct spaces *spaces)
{
	move_to_interfaces(spaces);
	for (struct space *space = spaces->table; space; space = space->hh.next)
		if (!settle_one(spaces, space))
			return false;
	return true;
}

void spaces_kept_end(struct spaces_kept *kept)
{
	for (struct kept_answers *one = kept->first, *next; one; one = next) {
		next = one->next;
		free(one);
	}
	kept->first = NULL;
}
