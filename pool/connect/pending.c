// SPDX-License-Identifier: Apache-2.0
/* pending - a connection whose connect() the program was told is under way: what becomes of it later. */
#include "pool/connect/pending.h"

#include "pool/base/clock.h"
#include "pool/socket/undo.h"
#include "pool/spread/trust.h"

#include <errno.h>

static void enter_failure(struct spreading *spreading, struct tracked *tracked, int error)
{
	if (tracked->space) {
		space_failed(tracked->space, error);
		spreading_failed(spreading, tracked->space, error, clock_ns());
	}
	tracked->space = NULL;
}

long pending_again(struct spreading *spreading, struct tracked *tracked, int fd, real_call *call,
		   void *argument)
{
	const struct held held = { .tracked = tracked, .generation = spreading->lock->generation };
	struct undo taken_back;
	bool undo = false;

	tracked->references++;
	lock_leave(spreading->lock);
	long rc = call(argument);
	if (!lock_enter_held(spreading->lock, &held))
		return rc;
	if (tracked->state != SOCKET_FRESH && !(tracked->flags & IN_CALL)) {
		if (rc == 0 || rc == -EISCONN) {
			if (tracked->state == SOCKET_CONNECTING && tracked->space && tracked->space->doubt)
				trust_connected(spreading->ledger, tracked->space, fd, clock_ns());
			tracked->state = SOCKET_OPEN;
		} else if (!attempt_under_way(rc) && rc != -EALREADY && tracked->state != SOCKET_OPEN) {
			enter_failure(spreading, tracked, (int)-rc);
			tracked->state = SOCKET_FRESH;
			undo = true;
			undo_note(tracked, &taken_back);
		}
	}
	tracked_put(spreading->sockets, tracked);
	lock_leave(spreading->lock);
	if (unlikely(undo)) {
		board_tell(spreading->board, clock_coarse_ns());
		undo_apply(fd, &taken_back);
	}
	return rc;
}

void pending_error_read(struct spreading *spreading, const struct held *held, int error)
{
	struct tracked *tracked = held->tracked;

	if (!lock_enter_held(spreading->lock, held))
		return;
	if (tracked->state == SOCKET_CONNECTING && !(tracked->flags & IN_CALL)) {
		enter_failure(spreading, tracked, error);
		tracked->state = SOCKET_BROKEN;
	}
	lock_leave(spreading->lock);
	board_tell(spreading->board, clock_coarse_ns());
}
