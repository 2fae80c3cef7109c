// SPDX-License-Identifier: Apache-2.0
/* other_links - prefixes on links that no source of an attachment is on. */
#include "cli/attach/other_links.h"

#include "pool/routes/interfaces.h"
#include "pool/routes/netlink.h"
#include "pool/routes/route.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOPBACK_INTERFACE = 1 }; /* net/loopback.h */

/* A source, and the interface that has it; 0: none. */
struct placed {
	struct address source;
	uint32_t interface;
};

/* Return: NULL if nothing can be asked */
static struct placed *place_all(const struct attach_plan *plan)
{
	struct placed *all = plan->source_count ? calloc(plan->source_count, sizeof(*all)) : NULL;
	long netlink = all ? netlink_open() : -1;

	if (netlink < 0) {
		free(all);
		return NULL;
	}
	for (unsigned i = 0; i < plan->source_count; i++) {
		memcpy(&all[i].source, &plan->sources[i], sizeof(all[i].source));
		all[i].interface = route_interface_of((int)netlink, &all[i].source);
	}
	close((int)netlink);
	return all;
}

/* Is there a source of the family, and is none of them on the link? */
static bool is_without_source(const struct link *link, const struct placed *all, unsigned count)
{
	bool any = false;

	for (unsigned i = 0; i < count; i++) {
		if (!all[i].interface || address_is_v4(&all[i].source) != address_is_v4(&link->net) ||
		    address_is_loopback(&all[i].source))
			continue;
		if (all[i].interface == LOOPBACK_INTERFACE || all[i].interface == link->interface ||
		    address_prefix_match(&all[i].source, &link->net, link->bits))
			return false;
		any = true;
	}
	return any;
}

void other_links_leave(struct attach_plan *plan)
{
	struct arena arena = { 0 };
	struct links links = { 0 };
	struct placed *all = place_all(plan);

	if (all && !links_read(&arena, &links))
		for (unsigned i = 0; i < links.count; i++)
			if (!address_is_link_local(&links.items[i].net) &&
			    is_without_source(&links.items[i], all, plan->source_count))
				attach_plan_leave(plan, &links.items[i].net, links.items[i].bits);
	arena_release(&arena);
	free(all);
}
