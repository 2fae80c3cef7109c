// SPDX-License-Identifier: Apache-2.0
/* undo - take back what an attempt bound. */
#include "pool/socket/undo.h"

#include "pool/socket/binding.h"
#include "pool/socket/tracked.h"

/* Once a socket was bound to an address the kernel no longer forgets the source it chose itself when a
 * connect() fails (SOCK_BINDADDR_LOCK, net/ipv4/af_inet.c; tests/platform/rebind.c). So after every failure
 * such a socket is bound to nothing again. */
void undo_binding(struct lock *lock, const struct held *held, int fd)
{
	struct tracked *tracked = held->tracked;
	struct address to_nothing = { 0 };

	if (!lock_enter_held(lock, held))
		return;
	uint32_t flags = tracked->flags;
	uint8_t family = tracked->family;
	if (flags & HAS_SOURCE)
		to_nothing = tracked->bound;
	tracked->flags &= ~(uint32_t)SOURCE_BY_US;
	if (!(flags & DEFERRED))
		tracked->flags &= ~(uint32_t)NO_PORT_BY_US;
	lock_leave(lock);
	if (flags & HAS_PORT)
		return;
	if (flags & BOUND_ONCE) {
		if (!(flags & (NO_PORT_BY_US | OWN_NO_PORT)))
			binding_set_no_port(fd, 1);
		binding_to(fd, family, &to_nothing);
	}
	if (flags & (NO_PORT_BY_US | BOUND_ONCE) && !(flags & (DEFERRED | OWN_NO_PORT)))
		binding_set_no_port(fd, 0);
}
