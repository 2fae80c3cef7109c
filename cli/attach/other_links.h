// SPDX-License-Identifier: Apache-2.0
/* other_links - prefixes on links that a source of an attachment is not on. */
#ifndef HEADROOM_CLI_ATTACH_OTHER_LINKS_H
#define HEADROOM_CLI_ATTACH_OTHER_LINKS_H

#include "attach/plan.h"

/**
 * other_links_part() - rules of their own for what is on a link, with those sources that serve there
 *
 * As the shim does (candidates_parted()). A peer there, a name server say, has no way back to another
 * network's address, and of UDP nothing would tell. Addresses of the loopback interface are on any link. On a
 * link is what an address of its interface says, and what a route without a gateway leads to, where the
 * kernel would take an address of that interface: the peers of a tunnel. Looked up in the network namespace
 * of this thread; where the kernel does not tell, nothing is parted. Whether traffic classes have ways of
 * their own is looked up too.
 *
 * @plan:	with the rules that the user wrote
 */
void other_links_part(struct attach_plan *plan);

#endif
