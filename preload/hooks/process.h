// SPDX-License-Identifier: Apache-2.0
/* process - another process or program is about to be made. */
#ifndef HEADROOM_PRELOAD_HOOKS_PROCESS_H
#define HEADROOM_PRELOAD_HOOKS_PROCESS_H

/**
 * others_will_see() - somebody else is about to see our sockets: deferred ports are made real, and nothing is
 * kept parked
 */
void others_will_see(void);

/**
 * before_raw_fork() - syscall() with SYS_fork, SYS_clone or SYS_clone3
 * @a:		its first argument
 */
void before_raw_fork(long number, unsigned long a);

#endif
