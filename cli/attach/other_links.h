// SPDX-License-Identifier: Apache-2.0
/* other_links - prefixes on links that no source of an attachment is on. */
#ifndef HEADROOM_CLI_ATTACH_OTHER_LINKS_H
#define HEADROOM_CLI_ATTACH_OTHER_LINKS_H

#include "attach/plan.h"

/**
 * other_links_leave() - leave what is on the link of an interface where no source is to the kernel's own
 * choice
 *
 * As the shim does (candidates_parted()). A peer there, a name server say, has no way back to another
 * network's address, and of UDP nothing would tell. Addresses of the loopback interface are on any link.
 * Looked up once, in the network namespace of this thread; where the kernel does not tell, nothing is left.
 */
void other_links_leave(struct attach_plan *plan);

#endif
