// SPDX-License-Identifier: Apache-2.0
/* used - the end of a connection that is handed out, alive, and not to be asked what the program is about to
 * ask. */
#include "preload/fds/used.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/restraint.h"
#include "pool/reuse/leaving.h"
#include "pool/socket/facts.h"
#include "preload/base/fdtable.h"
#include "preload/base/process.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static void shut(int fd)
{
	kernel_syscall(SYS_shutdown, fd, SHUT_RDWR, 0, 0, 0, 0);
}

APART void used_let_go(struct used *used)
{
	used->leaving = !restraint_shut_in() && leaving_begins(used->fd);
	if (!used->leaving)
		shut(used->fd);
}

static void show(struct used *used, int fd)
{
	if (used->leaving && !used->over)
		leaving_given_up(fd);
	used->leaving = false;
	shut(fd);
}

APART void used_stays(struct used *used, int from)
{
	used->over = used->leaving && leaving_is_over(used->fd);
	used->cookie = socket_cookie(used->fd);
	used->rest = (int)kernel.fcntl(used->fd, F_DUPFD_CLOEXEC, from);
	if (used->rest < 0)
		show(used, used->fd);
}

APART void used_stays_not(struct used *used)
{
	if (used->rest >= 0)
		kernel.close(used->rest);
	used->rest = -1;
}

/* Ours is not the close() that the program wants to wait in. */
APART void used_end(struct used *used)
{
	static const struct linger none, reset = { .l_onoff = 1 };

	/* A program that closes numbers it does not know may have closed ours. */
	if (used->rest < 0 || !used->cookie || socket_cookie(used->rest) != used->cookie)
		return;
	show(used, used->rest);
	kernel.setsockopt(used->rest, SOL_SOCKET, SO_LINGER, used->over ? &reset : &none, sizeof(none));
	kernel.close(used->rest);
}

APART void used_give_up(struct used *used, const struct held *held)
{
	if (!used->leaving || !shim_enter_held(&shim, held))
		return;
	if (fdtable_look(used->fd) == held->tracked)
		show(used, used->fd);
	shim_leave(&shim);
}
