// SPDX-License-Identifier: Apache-2.0
/* blank - a socket of the program's that a parked connection took the place of, kept for its next socket().
 */
#include "pool/reuse/blank.h"

#include "pool/base/kernel.h"
#include "pool/reuse/list.h"
#include "pool/socket/facts.h"

#include <fcntl.h>

/* A program that connects seldom is not to have a socket more for long. */
enum { BLANK_IDLE_MS = 1000 };

/* Is the program's socket as it was made, and would it be the only one? */
static bool wants(const struct reusing *reusing, const struct tracked *fresh)
{
	const struct reuse *reuse = fresh->reuse;

	return !reusing->blank && reusing->parked_count < reusing->parked_most && reuse && !fresh->flags &&
	       !reuse->tried && !reuse->options.set && !reuse->options.others && !reuse->watches &&
	       !reuse->watches_unknown;
}

int blank_keep(const struct reusing *reusing, struct tracked *fresh, int fd, int status)
{
	struct reuse *reuse = fresh->reuse;

	if (!wants(reusing, fresh) || (status & ~O_NONBLOCK) != O_RDWR)
		return -1;
	if (reuse->kept)
		return reuse->fd;
	if (!reuse->cookie)
		reuse->cookie = socket_cookie(fd);
	return reuse->cookie ? (int)kernel.fcntl(fd, F_DUPFD_CLOEXEC, reusing->parked_from) : -1;
}

void blank_enter(struct reusing *reusing, struct reuse *reuse, int fd, int status, uint64_t now_ns)
{
	reuse->fd = fd;
	reuse->status = status;
	reuse->parked_ns = now_ns;
	reuse->ready_ns = now_ns + BLANK_IDLE_MS * CONDUCT_MS_NS;
	reuse->tracked->state = SOCKET_PARKED;
	reusing->blank = reuse;
	list_enter(reusing, reuse, reuse->ready_ns);
}

struct reuse *blank_take(struct reusing *reusing, int family)
{
	struct reuse *blank = reusing->blank;

	if (!blank || blank->tracked->family != family)
		return NULL;
	list_leave(reusing, blank, NULL);
	return blank;
}
