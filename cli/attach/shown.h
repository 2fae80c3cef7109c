// SPDX-License-Identifier: Apache-2.0
/* shown - attached cgroups, as `report`, `top`, `export` and `status` show processes. */
#ifndef HEADROOM_CLI_ATTACH_SHOWN_H
#define HEADROOM_CLI_ATTACH_SHOWN_H

#include "pool/segment/read.h"

/**
 * attached_walk() - visit each attached cgroup as usage_walk() visits each process
 * @skipped:	may be NULL
 *
 * One usage for each network namespace that it has connected in; ports of its own (--own-ports) are another
 * one, in a network of their own, as nobody else uses them. `attached` is set, `running` too;
 * header.pid_namespace is 0. What is counted is what the BPF maps hold, so it takes the same time however
 * many sockets there are. The first 4,095 pairs have an entry each, the others are added up. Nothing is
 * visited without the rights to look (as for `attach --list`), and in a build without `headroom attach`.
 */
void attached_walk(struct arena *arena, usage_visit *visit, usage_skipped *skipped, void *argument);

/**
 * attached_out_of_date() - how many attachments would have other rules of links if they were made now
 *
 * As `attach --list` says of each. 0 without the rights to look.
 */
unsigned attached_out_of_date(void);

#endif
