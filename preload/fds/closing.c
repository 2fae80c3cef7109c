// SPDX-License-Identifier: Apache-2.0
/* closing - an fd number of a tracked socket is about to go. */
#include "preload/fds/closing.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/connect/ending.h"
#include "pool/libc/threads.h"
#include "pool/reuse/parked.h"
#include "pool/spread/trust.h"
#include "preload/base/fdtable.h"
#include "preload/base/process.h"
#include "preload/parking/park.h"
#include "preload/parking/parking.h"

/* A thread that is in a call on the socket holds it as well as another process does. */
static inline bool nobody_else_has(uint32_t flags)
{
	return threads_is_one() && !(flags & HELD_ELSEWHERE) &&
	       !atomic_load_explicit(shim.sockets.forks, memory_order_relaxed);
}

HOT static inline bool begin(int fd, struct closing *closing, bool may_park)
{
	*closing = (struct closing){ 0 };
	if (unlikely(!fdtable_look(fd) || !process_is_ours() || !shim_enter(&shim)))
		return false;
	struct tracked *looked = fdtable_look(fd);
	if (looked && unlikely(looked->state == SOCKET_PARKED)) {
		closing->ours = parked_is_there(looked->reuse);
		if (!closing->ours)
			fdtable_lose(fd);
		shim_leave(&shim);
		return closing->ours;
	}
	/* Out of the table before the number is free: the next socket() may get it at once. */
	struct tracked *tracked = fdtable_take(fd);
	if (unlikely(!tracked)) {
		shim_leave(&shim);
		return false;
	}
	closing->held = (struct held){ .tracked = tracked, .generation = shim.lock.generation };
	uint8_t state = tracked->state;
	/* Our own connect() in this thread: left by siglongjmp(), or the closer is a signal handler in it. */
	if (unlikely(tracked->flags & IN_CALL) && tracked->caller == lock_thread() && tracked->fds == 0)
		tracked->flags &= ~(uint32_t)IN_CALL;
	uint32_t flags = tracked->flags;
	bool counted = tracked->space, watched = tracked->watched;
	bool kept = tracked->reuse && tracked->reuse->kept;
	if (unlikely(flags & IN_CALL) && tracked->fds == 0)
		tracked->flags |= CLOSED_IN_CALL;
	closing->ends = tracked->fds == 0 && !(flags & IN_CALL) && counted;
	if (closing->ends && trust_wants_to_know(&shim.ledger, tracked->space))
		flags |= TELL_TURNED_AWAY;
	shim_leave(&shim);
	if (unlikely(watched) && closing->ends && may_park && park(fd, &closing->held)) {
		closing->ends = false;
		closing->parked = true;
	}
	if (unlikely(kept) && !closing->parked)
		parking_let_number_go(&closing->held);
	if (closing->ends)
		closing->facts = socket_ending(fd, state, flags, nobody_else_has(flags));
	return true;
}

HOT bool closing_begin(int fd, struct closing *closing)
{
	return begin(fd, closing, true);
}

bool closing_begin_unparked(int fd, struct closing *closing)
{
	return begin(fd, closing, false);
}

HOT void closing_end(struct closing *closing)
{
	if (likely(closing->ends))
		ending_enter(&shim.spreading, &closing->held, &closing->facts, true);
	else if (closing->held.tracked && !closing->parked)
		fdtable_release(&closing->held);
}

COLD void closing_undo(int fd, struct closing *closing)
{
	struct tracked *tracked = closing->held.tracked;

	if (!tracked || closing->parked || !shim_enter_held(&shim, &closing->held))
		return;
	tracked->flags &= ~(uint32_t)CLOSED_IN_CALL;
	if (fdtable_look(fd) || !fdtable_set(fd, tracked))
		tracked_put(&shim.sockets, tracked);
	shim_leave(&shim);
}

struct cancelled {
	int fd;
	struct closing *closing;
};

/* The call was cancelled, perhaps before it began (pthreads(7)). */
COLD static void on_cancel(void *argument)
{
	struct cancelled *c = argument;

	if (socket_tcp_state(c->fd))
		closing_undo(c->fd, c->closing);
	else
		closing_end(c->closing);
}

APART long closing_call(int fd, struct closing *closing, long (*call)(void *), void *argument)
{
	struct cancelled cancelled = { fd, closing };
	long rc = threads_call_cancellable(call, argument, on_cancel, &cancelled);

	closing_end(closing);
	return rc;
}
