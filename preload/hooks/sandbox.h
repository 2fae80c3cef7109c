// SPDX-License-Identifier: Apache-2.0
/* sandbox - the program takes rights from itself. */
#ifndef HEADROOM_PRELOAD_HOOKS_SANDBOX_H
#define HEADROOM_PRELOAD_HOOKS_SANDBOX_H

#include <stdbool.h>

/**
 * before_sandbox() - from here on files may be out of reach, and ports may be refused: finish what is begun
 *
 * Deferred ports are made real, parked connections let go, the usage segment is made and nothing is opened
 * for it any more.
 */
void before_sandbox(void);

/**
 * filter_begins() - the same, before a seccomp filter: from here on any call of ours may be deadly, and none
 * is made
 * Return: what filter_began() is to be told
 */
bool filter_begins(void);

/**
 * filter_began() - the filter is there, or @failed
 * @begun:	what filter_begins() returned
 */
void filter_began(bool begun, bool failed);

/**
 * network_begins() - the calling thread, or a process it makes, is about to go to another network namespace
 */
void network_begins(void);

/**
 * network_began() - it has gone, or is about to
 */
void network_began(void);

/**
 * before_prctl() - prctl() is about to be called by a way that cannot be waited for: does it take rights from
 * the program?
 */
void before_prctl(int option);

#endif
