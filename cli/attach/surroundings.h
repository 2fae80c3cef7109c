// SPDX-License-Identifier: Apache-2.0
/* surroundings - the ports and addresses of the network namespace in which a cgroup's processes are. */
#ifndef HEADROOM_CLI_ATTACH_SURROUNDINGS_H
#define HEADROOM_CLI_ATTACH_SURROUNDINGS_H

#include "attach/plan.h"
#include "attach/target.h"

/**
 * surroundings_take() - put the ephemeral range, the ports of our own and the rules of links into a plan, and
 * warn of sources that are no addresses there
 * @own_ports:	"LO-HI", or NULL
 * @force:	it may overlap the ephemeral range
 *
 * Of the first process found; of this one's namespace while there is none.
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int surroundings_take(struct attach_plan *plan, const struct attach_target *target, const char *own_ports,
		      bool force);

/**
 * surroundings_look_again() - the range and other_links_part(), where the first process of a plan's cgroup is
 * Return: false if there is none, or its network cannot be looked at
 */
bool surroundings_look_again(struct attach_plan *plan);

/**
 * surroundings_overlap() - how many ports the ephemeral range and the ports of our own have in common
 */
unsigned surroundings_overlap(const struct attach_config *config);

#endif
