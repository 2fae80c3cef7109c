// SPDX-License-Identifier: Apache-2.0
/* second - a number of our own of a socket, kept for a while beside the program's. */
#include "pool/reuse/second.h"

#include "pool/base/hot.h"
#include "pool/reuse/list.h"

bool second_keep(struct reusing *reusing, struct reuse *reuse, uint64_t now_ns)
{
	if (reusing->no_parking || reusing->parked_count >= reusing->parked_most / 2) {
		reuse->fd = -1;
		return false;
	}
	reuse->kept = true;
	reuse->ready_ns = now_ns + SECOND_KEPT_MS * CONDUCT_MS_NS;
	list_enter(reusing, reuse, reuse->ready_ns);
	return true;
}

int second_take(struct reusing *reusing, struct reuse *reuse)
{
	int fd = reuse->fd;

	if (!reuse->kept)
		return -1;
	list_leave(reusing, reuse, NULL);
	reuse->kept = false;
	reuse->fd = -1;
	return fd;
}

void second_retire(struct reusing *reusing, struct reuse *reuse, struct retired *retired)
{
	retired_add(retired, reuse);
	second_take(reusing, reuse);
}

COLD void second_forget(struct reusing *reusing, struct reuse *reuse)
{
	struct retired retired = { 0 };

	if (!reuse->kept)
		return;
	second_retire(reusing, reuse, &retired);
	/* It may be the last one, and the lock is held: nobody is to wait in close(). */
	retired.fds[0].lingers = option_log_has(&reuse->options, SOL_SOCKET, SO_LINGER);
	retired_close(&retired);
}
