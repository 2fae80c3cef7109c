// SPDX-License-Identifier: Apache-2.0
/* undo - take back what an attempt bound.
 *
 * Once a socket was bound to an address the kernel no longer forgets its own choice when connect() fails
 * (SOCK_BINDADDR_LOCK, net/ipv4/af_inet.c; tests/kernel_facts/rebind.c). A part of the range (knee.h) that
 * connect() was to look for a port in is taken back too: bind() and listen() would look there alone. */
#ifndef HEADROOM_POOL_SOCKET_UNDO_H
#define HEADROOM_POOL_SOCKET_UNDO_H

#include "pool/base/lock.h"
#include "pool/socket/tracked.h"

/* What is to be taken back. */
struct undo {
	uint32_t flags; /* enum socket_flag, as they were */
	uint8_t family;
	struct address source; /* the program's own, or unset */
};

/**
 * undo_flags() - the flags of a socket (enum socket_flag) when what an attempt bound is taken back
 */
uint32_t undo_flags(uint32_t flags);

/**
 * undo_note() - enter it into the socket's record; the lock is held
 */
void undo_note(struct tracked *tracked, struct undo *undo);

/**
 * undo_apply() - take it back from the socket, which is not connected; without the lock
 */
void undo_apply(int fd, const struct undo *undo);

/**
 * undo_binding() - both, without the lock
 */
void undo_binding(struct lock *lock, const struct held *held, int fd);

#endif
