// SPDX-License-Identifier: Apache-2.0
/* pending - a connection whose connect() the program was told is under way: what becomes of it later. */
#include "pool/connect/pending.h"

#include "pool/base/clock.h"
#include "pool/socket/undo.h"

#include <errno.h>

static void enter_failure(struct shim *shim, struct tracked *tracked, int error)
{
	if (tracked->space) {
		space_failed(tracked->space, error);
		trust_failed(shim, tracked->space, error, clock_ns());
	}
	tracked->space = NULL;
}

long pending_again(struct shim *shim, const struct held *held, int fd, real_call *call, void *argument)
{
	struct tracked *tracked = held->tracked;
	long rc = call(argument);
	bool undo = false;

	if (!shim_enter_held(shim, held))
		return rc;
	if (tracked->state != SOCKET_FRESH && !(tracked->flags & IN_CALL)) {
		if (rc == 0 || rc == -EISCONN) {
			if (tracked->state == SOCKET_CONNECTING && tracked->space && tracked->space->doubt)
				trust_connected(shim, tracked->space, fd, clock_ns());
			tracked->state = SOCKET_OPEN;
		} else if (!attempt_under_way(rc) && rc != -EALREADY && tracked->state != SOCKET_OPEN) {
			enter_failure(shim, tracked, (int)-rc);
			tracked->state = SOCKET_FRESH;
			undo = true;
		}
	}
	shim_leave(shim);
	if (undo)
		undo_binding(shim, held, fd);
	return rc;
}

void pending_error_read(struct shim *shim, const struct held *held, int error)
{
	struct tracked *tracked = held->tracked;

	if (!shim_enter_held(shim, held))
		return;
	if (tracked->state == SOCKET_CONNECTING && !(tracked->flags & IN_CALL)) {
		enter_failure(shim, tracked, error);
		tracked->state = SOCKET_BROKEN;
	}
	shim_leave(shim);
}
