// SPDX-License-Identifier: Apache-2.0
/* epoll - which epoll sets a socket is in, so that another can take its place there; and whether it is in one
 * before it is connected (shown_port.h). */
#include "preload/hooks/epoll.h"

#include "preload/base/fdtable.h"
#include "preload/base/hooks.h"
#include "preload/base/process.h"
#include "preload/parking/parking.h"

#include <errno.h>
#include <sys/epoll.h>

/* Numbers of epoll sets that hold a socket of ours; a set with a higher number cannot be kept track of. */
enum { SETS_MOST = 4096, WORD = 64 };
static _Atomic uint64_t sets[SETS_MOST / WORD];

/* A set has, or had, another number: by that a socket may be changed or taken out unseen. */
static atomic_bool doubled;

static bool is_set(unsigned fd)
{
	return fd < SETS_MOST &&
	       atomic_load_explicit(&sets[fd / WORD], memory_order_relaxed) >> fd % WORD & 1;
}

void epoll_number_closed(int fd)
{
	if (fd < 0 || !is_set((unsigned)fd))
		return;
	atomic_fetch_and(&sets[fd / WORD], ~(1ull << fd % WORD));
	parking_epoll_closed(fd);
}

void epoll_number_made(int fd)
{
	/* The one before it was closed where no hook sees it. */
	if (shim.settings.reuses)
		epoll_number_closed(fd);
	if ((unsigned)fd < SETS_MOST)
		atomic_fetch_or(&sets[fd / WORD], 1ull << fd % WORD);
}

void epoll_number_doubled(int fd)
{
	if (fd < 0 || (unsigned)fd >= SETS_MOST || !is_set((unsigned)fd))
		return;
	atomic_store(&doubled, true);
	parking_epoll_closed(fd);
}

void epoll_numbers_closed(unsigned first, unsigned last)
{
	for (unsigned fd = first; fd < SETS_MOST && fd <= last; fd++)
		epoll_number_closed((int)fd);
}

static void note(int epoll, int operation, int fd, const struct epoll_event *event)
{
	struct held held;

	if (!fdtable_hold(fd, &held))
		return;
	if (shim_enter_held(&shim, &held)) {
		struct reuse *reuse = reuse_of(&shim.reusing, held.tracked);
		if (reuse && (unsigned)epoll < SETS_MOST && !atomic_load(&doubled)) {
			atomic_fetch_or(&sets[epoll / WORD], 1ull << epoll % WORD);
			reuse_note_watch(reuse, epoll, operation, event ? event->events : 0,
					 event ? event->data.u64 : 0);
		} else if (reuse) {
			reuse->watches_unknown = true;
		}
		shim_leave(&shim);
	}
	fdtable_release(&held);
}

/* Before connect() a set has it seldom; most are put in one after, and cost nothing here. */
static void note_unusual(int fd)
{
	struct tracked *tracked = fdtable_look(fd);

	if (!tracked || __atomic_load_n(&tracked->state, __ATOMIC_RELAXED) != SOCKET_FRESH ||
	    !process_is_ours() || !shim_enter(&shim))
		return;
	tracked = fdtable_look(fd);
	if (tracked)
		tracked->flags |= UNUSUAL;
	shim_leave(&shim);
}

int hook_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	int rc = real.epoll_ctl(epoll, operation, fd, event);
	int saved = errno;

	if (rc == 0 && shim.settings.reuses && fdtable_look(fd))
		note(epoll, operation, fd, event);
	if (rc == 0 && operation == EPOLL_CTL_ADD)
		note_unusual(fd);
	errno = saved;
	return rc;
}
