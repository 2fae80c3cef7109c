// SPDX-License-Identifier: Apache-2.0
/* reached - is a process attached, or could it be? */
#ifndef HEADROOM_CLI_ATTACH_REACHED_H
#define HEADROOM_CLI_ATTACH_REACHED_H

enum { ATTACHED_REASON_MAX = 512 }; /* as ATTACH_REASON_MAX */

enum attached { ATTACHED, ATTACHED_NOT, ATTACHED_CANNOT };

/**
 * attached_process() - the cgroup of a process, and those above it
 * @pid:	0: could any be?
 * @reason:	ATTACHED_REASON_MAX bytes; where it is attached, or why it cannot be told or done
 */
enum attached attached_process(int pid, char *reason);

#endif
