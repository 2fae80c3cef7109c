// SPDX-License-Identifier: Apache-2.0
/* needs - what this machine and this user lack for attaching. */
#ifndef HEADROOM_ATTACH_NEEDS_H
#define HEADROOM_ATTACH_NEEDS_H

#include <stdbool.h>

/**
 * attach_lacks() - the first thing that is missing
 * @own_ports:	ports chosen by the programs are asked for
 * @reason:	ATTACH_REASON_MAX bytes, filled when something is
 */
bool attach_lacks(bool own_ports, char *reason);

/**
 * attach_lacks_rights() - may this user read and change attachments?
 */
bool attach_lacks_rights(char *reason);

/**
 * attach_walks() - can a BPF program visit all sockets, and tell the cgroup of each? Else what was open
 * before is not counted.
 */
bool attach_walks(void);

#endif
