// SPDX-License-Identifier: Apache-2.0
/* tracked - what is known of one TCP socket of the program. */
#include "pool/socket/tracked.h"

HOT struct tracked *tracked_new(struct sockets *sockets, int family)
{
	struct tracked *tracked = sockets->spare;

	if (likely(tracked))
		sockets->spare = tracked->next_spare;
	else
		tracked = arena_alloc(sockets->arena, sizeof(*tracked));
	if (likely(tracked))
		*tracked = (struct tracked){
			.references = 1,
			.family = (uint8_t)family,
			.forks = atomic_load_explicit(sockets->forks, memory_order_relaxed),
		};
	return tracked;
}

COLD void tracked_forget(struct sockets *sockets, struct tracked *tracked)
{
	if (tracked->flags & DEFERRED)
		sockets->deferred_count--;
	if (tracked->reuse)
		sockets->tenant.forget_reuse(sockets->tenant.self, tracked);
}

COLD void tracked_lost(struct sockets *sockets, struct tracked *tracked)
{
	sockets->tenant.lost(sockets->tenant.self, tracked);
}
