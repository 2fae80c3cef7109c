// SPDX-License-Identifier: Apache-2.0
/* retired - our fds that are to be closed once the lock is not held any more. */
#include "pool/reuse/retired.h"

#include "pool/base/kernel.h"
#include "pool/reuse/leaving.h"
#include "pool/socket/facts.h"

#include <sys/socket.h>

bool retired_has_room(const struct retired *retired)
{
	return retired->count < RETIRED_AT_ONCE;
}

void retired_add(struct retired *retired, const struct reuse *reuse)
{
	retired->fds[retired->count].fd = reuse->fd;
	retired->fds[retired->count].kept = reuse->kept;
	retired->fds[retired->count].reset = false;
	retired->fds[retired->count].leaving = reuse->leaving;
	retired->fds[retired->count].lingers =
		!reuse->kept && option_log_has(&reuse->options, SOL_SOCKET, SO_LINGER);
	retired->fds[retired->count++].cookie = reuse->cookie;
}

void retired_close(struct retired *retired)
{
	static const struct linger none, reset = { .l_onoff = 1 };

	for (unsigned i = 0; i < retired->count; i++) {
		int fd = retired->fds[i].fd;
		/* Closed where no hook sees it, the number may be the program's now. */
		if (socket_cookie(fd) != retired->fds[i].cookie)
			continue;
		if (retired->fds[i].leaving && !retired->fds[i].reset)
			leaving_given_up(fd);
		/* Ours is not the close() that the program wants to wait in. */
		if (retired->fds[i].lingers || retired->fds[i].reset)
			kernel.setsockopt(fd, SOL_SOCKET, SO_LINGER, retired->fds[i].reset ? &reset : &none,
					  sizeof(none));
		kernel.close(fd);
	}
	retired->count = retired->gone = 0;
}
