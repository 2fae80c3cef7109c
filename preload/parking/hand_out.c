// SPDX-License-Identifier: Apache-2.0
/* hand_out - a connect() gets a parked connection, and a socket() the socket that one took the place of. */
#include "preload/parking/hand_out.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/reuse/blank.h"
#include "pool/reuse/second.h"
#include "pool/reuse/serve.h"
#include "preload/base/fdtable.h"
#include "preload/base/process.h"
#include "preload/parking/park.h"
#include "preload/parking/parking.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <time.h>

/* Does a new connection wait in the server's queue? One whose answer is there waits for nothing but its
 * thread. */
COLD static bool one_waits(const struct destination *destination, uint64_t most_ns, uint64_t now_ns)
{
	for (int fd = fdtable_next(0); fd >= 0; fd = fdtable_next(fd + 1)) {
		const struct tracked *tracked = fdtable_look(fd);
		const struct reuse *reuse = tracked ? tracked->reuse : NULL;
		int unread = 0;
		if (!reuse || !tracked->space || tracked->space->destination != destination ||
		    tracked->state == SOCKET_PARKED || reuse->handed_out || reuse->answered ||
		    !reuse->asked_ns || clock_since(reuse->asked_ns, now_ns) < most_ns)
			continue;
		if (!kernel.ioctl(fd, FIONREAD, &unread) && !unread)
			return true;
	}
	return false;
}

/* Connections that are kept keep the few workers of a server busy. */
static void look_at_queue(struct destination *destination, uint64_t now_ns)
{
	uint64_t most_ns = conduct_queue_most_ns(&destination->parked->conduct, now_ns);

	if (unlikely(most_ns) && one_waits(destination, most_ns, now_ns))
		pool_distrust(&shim.reusing, destination, EVIDENCE_QUEUE, now_ns);
}

/* The numbers, in the table as the kernel has them now. */
static void enter_numbers(int fd, struct tracked *fresh, const struct served *served, uint64_t now_ns)
{
	bool kept = fresh->reuse && fresh->reuse->kept;

	fdtable_take(served->own);
	fdtable_replace(fd, fresh, served->reuse->tracked);
	/* A number that was kept and is in the table is the program's: it closed ours, and no hook saw it. */
	bool lost = kept && served->blank >= 0 && fdtable_look(served->blank);
	if (served->blank >= 0 && !lost && fdtable_set(served->blank, fresh)) {
		second_take(&shim.reusing, fresh->reuse);
		blank_enter(&shim.reusing, fresh->reuse, served->blank, served->status, now_ns);
	} else {
		if (served->blank >= 0 && !kept)
			kernel.close(served->blank);
		tracked_put(&shim.sockets, fresh);
	}
	if (!second_keep(&shim.reusing, served->reuse, now_ns))
		kernel.close(served->own);
}

/* One look at the pool. Return: was the connect() served? Else: *wait: try again in so many ns, if not 0.
 * *look: what is parked is to be looked at then, if not 0. */
static bool hand_out_once(int fd, sa_family_t family, const struct endpoint *to, const struct rule *rule,
			  bool again, uint64_t waited, long *result, uint64_t *wait, uint64_t *look)
{
	struct retired retired;
	struct served served = { .reuse = NULL };
	uint64_t now_ns = clock_ns();

	*wait = *look = 0;
	retired_none(&retired);
	if (!shim_enter(&shim))
		return false;
	struct tracked *tracked = fdtable_look(fd);
	struct destination *destination = ledger_find(&shim.ledger, to, rule, now_ns);
	/* The address of another family is the kernel's to refuse; and who asks once more what came of a
	 * connect() makes no connection. */
	bool begins = !tracked || (tracked->family == family && tracked->state == SOCKET_FRESH);
	struct parked_pool *pool = destination && begins ? destination->parked : NULL;
	if (pool && !again) {
		conduct_connects(&pool->conduct, now_ns);
		look_at_queue(destination, now_ns);
	}
	if (pool && serve_connect(&shim.reusing, pool, tracked, fd, waited, now_ns, &served, &retired)) {
		/* The number of one that was lost may be the blank's by now. */
		parking_leave_table(&retired);
		enter_numbers(fd, tracked, &served, now_ns);
		*result = served.status & O_NONBLOCK ? -EINPROGRESS : 0;
	} else if (pool && served.wait_ns) {
		*wait = served.wait_ns;
	} else if (begins) {
		if (pool)
			parked_make_way(&shim.reusing, pool, now_ns, &retired);
		*look = parked_look_for(&shim.reusing, pool, now_ns);
	}
	parking_leave(&retired);
	return served.reuse;
}

/* Other threads may have taken what this one waited for. */
APART bool hand_out(int fd, sa_family_t family, const struct endpoint *to, const struct rule *rule,
		    long *result)
{
	uint64_t wait, waited = 0, look;

	parking_tidy();
	for (bool again = false; !hand_out_once(fd, family, to, rule, again, waited, result, &wait, &look);
	     again = true) {
		if (look)
			park_see_to(look);
		if (!wait)
			return false;
		struct timespec pause = { .tv_nsec = (long)wait };
		kernel.ppoll(NULL, 0, &pause);
		waited += wait;
	}
	return true;
}

/* Puts our own fd of an unused socket under the lowest number that is free, as socket() would. The lock is
 * held. Return: the number, or -1. */
static int lend(struct tracked *blank, int own, int status, int type)
{
	int wanted = O_RDWR | (type & SOCK_NONBLOCK ? O_NONBLOCK : 0);
	long fd = kernel.fcntl(own, type & SOCK_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);

	if (fd < 0)
		return -1;
	fdtable_track((int)fd, NULL);
	if ((wanted != status && kernel.fcntl((int)fd, F_SETFL, wanted)) || !fdtable_set((int)fd, blank)) {
		kernel.close((int)fd);
		return -1;
	}
	return (int)fd;
}

APART int hand_out_blank(int family, int type, int protocol)
{
	struct retired retired = { 0 };
	int fd = -1;

	if (!shim.reusing.blank || (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM ||
	    (protocol && protocol != IPPROTO_TCP) || !process_is_ours() || !shim_enter(&shim))
		return -1;
	struct reuse *blank = blank_take(&shim.reusing, family);
	if (blank) {
		int own = blank->fd;
		bool there = parked_is_there(blank);
		if (there && blank->forks == *shim.sockets.forks)
			fd = lend(blank->tracked, own, blank->status, type);
		fdtable_take(own);
		if (fd >= 0) {
			blank->tracked->state = SOCKET_FRESH;
			if (!second_keep(&shim.reusing, blank, clock_ns()))
				kernel.close(own);
		} else {
			parked_let_go(&shim.reusing, blank, there ? RETIRED_ROOM : RETIRED_LOST, clock_ns(),
				      &retired);
		}
	}
	parking_leave(&retired);
	return fd;
}
