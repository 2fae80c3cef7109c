// SPDX-License-Identifier: Apache-2.0
/* undo - take back what an attempt bound. */
#include "pool/socket/undo.h"

#include "pool/socket/binding.h"

uint32_t undo_flags(uint32_t flags)
{
	uint32_t over = SOURCE_BY_US;

	if (!(flags & DEFERRED))
		over |= NO_PORT_BY_US;
	if (flags & PART_BY_US)
		over |= RANGE_BY_US | PART_BY_US;
	return flags & ~over;
}

/* Once a socket was bound to an address the kernel no longer forgets the source it chose itself when a
 * connect() fails (SOCK_BINDADDR_LOCK, net/ipv4/af_inet.c; tests/kernel_facts/rebind.c). So after every
 * failure such a socket is bound to nothing again. */
void undo_note(struct tracked *tracked, struct undo *undo)
{
	undo->flags = tracked->flags;
	undo->family = tracked->family;
	undo->source = tracked->flags & HAS_SOURCE ? tracked->bound : (struct address){ 0 };
	tracked->flags = undo_flags(tracked->flags);
}

void undo_apply(int fd, const struct undo *undo)
{
	uint32_t flags = undo->flags;

	/* In a part of the range, which may be one port, the program's bind() or listen() may find none. */
	if (flags & PART_BY_US)
		binding_set_range(fd, 0);
	if (flags & HAS_PORT)
		return;
	if (flags & BOUND_ONCE) {
		if (!(flags & (NO_PORT_BY_US | OWN_NO_PORT)))
			binding_set_no_port(fd, 1);
		binding_to(fd, undo->family, &undo->source);
	}
	if (flags & (NO_PORT_BY_US | BOUND_ONCE) && !(flags & (DEFERRED | OWN_NO_PORT)))
		binding_set_no_port(fd, 0);
}

void undo_binding(struct lock *lock, const struct held *held, int fd)
{
	struct undo undo;

	if (!lock_enter_held(lock, held))
		return;
	undo_note(held->tracked, &undo);
	lock_leave(lock);
	undo_apply(fd, &undo);
}
