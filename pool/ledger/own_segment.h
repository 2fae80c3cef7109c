// SPDX-License-Identifier: Apache-2.0
/* own_segment - the usage segment's beginning and end in a process, and in its forks.
 *
 * The file is made at the first connect(), so a program that makes none leaves none, but later where most
 * processes of its name end after one (recent.h); or before the program takes the right to open files from
 * itself, by seccomp(2) or chroot(2). From then on no such call is made. */
#ifndef HEADROOM_POOL_LEDGER_OWN_SEGMENT_H
#define HEADROOM_POOL_LEDGER_OWN_SEGMENT_H

#include "pool/ledger/ledger.h"

/**
 * usage_start() - make the segment if none is there yet; call without the lock
 * @held:	the socket it is for
 * @fd:		its number
 */
void usage_start(struct ledger *ledger, const struct held *held, int fd);

/**
 * usage_freeze() - the program is about to shut itself in: make the segment now, then open nothing more
 */
void usage_freeze(struct ledger *ledger);

/**
 * usage_restart() - in a forked child: the parent's segment is not ours
 * @interrupted:	a hook is at work on it in this thread, below a signal handler
 */
void usage_restart(struct usage_writer *writer, bool interrupted);

/**
 * usage_ended() - the process ends in the ordinary way
 */
void usage_ended(struct ledger *ledger);

#endif
