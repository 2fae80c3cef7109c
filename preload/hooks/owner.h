// SPDX-License-Identifier: Apache-2.0
/* owner - who gets the signals of a socket: F_SETOWN and its kin, by fcntl(), ioctl() and syscall(). */
#ifndef HEADROOM_PRELOAD_HOOKS_OWNER_H
#define HEADROOM_PRELOAD_HOOKS_OWNER_H

/**
 * owner_by_fcntl(), owner_by_ioctl() - a call was made, or is to be: if it names an owner, or the signal, of
 * a socket of ours, that is like no other from then on, and is neither parked nor given another connection
 *
 * An owner is sent SIGURG even without O_ASYNC (fcntl(2), F_SETOWN).
 */
void owner_by_fcntl(int fd, int command);
void owner_by_ioctl(int fd, unsigned long request);

#endif
