// SPDX-License-Identifier: Apache-2.0
/* fdtable - which fd number stands for which tracked socket. */
#include "preload/base/fdtable.h"

#include "pool/base/hot.h"
#include "preload/base/process.h"

_Atomic(struct fd_page *) fd_pages[FD_PAGES];
static atomic_int pages_used; /* from here on there is none */

COLD static bool make_page(int fd)
{
	struct fd_page *page = arena_alloc(&shim.arena, sizeof(*page));

	if (!page)
		return false;
	atomic_store_explicit(&fd_pages[fd / FD_PAGE], page, memory_order_release);
	if (fd / FD_PAGE >= atomic_load(&pages_used))
		atomic_store(&pages_used, fd / FD_PAGE + 1);
	return true;
}

HOT bool fdtable_set(int fd, struct tracked *tracked)
{
	if ((unsigned)fd >= (unsigned)FD_PAGE * FD_PAGES)
		return false;
	if (fd >= SHIM_LOW_FDS &&
	    unlikely(!atomic_load_explicit(&fd_pages[fd / FD_PAGE], memory_order_relaxed)) && !make_page(fd))
		return false;
	tracked->fds++;
	atomic_store_explicit(fdtable_place(fd), tracked, memory_order_release);
	return true;
}

void fdtable_replace(int fd, struct tracked *before, struct tracked *with)
{
	/* There is a page: the other was in it. */
	fdtable_set(fd, with);
	before->fds--;
}

COLD void fdtable_lose(int fd)
{
	struct tracked *stale = fdtable_take(fd);

	if (stale)
		tracked_lost(&shim.sockets, stale);
}

HOT_WHOLE struct tracked *fdtable_track(int fd, const struct tracked *facts)
{
	struct tracked *stale = fdtable_take(fd);

	if (unlikely(stale))
		tracked_lost(&shim.sockets, stale);
	struct tracked *tracked = facts ? tracked_new(&shim.sockets, facts->family) : NULL;
	if (unlikely(!tracked))
		return NULL;
	tracked->flags = facts->flags;
	tracked->bound = facts->bound;
	tracked->traffic_class = facts->traffic_class;
	if (likely(fdtable_set(fd, tracked)))
		return tracked;
	tracked_put(&shim.sockets, tracked);
	return NULL;
}

COLD void fdtable_new_number(int fd)
{
	if (!fdtable_look(fd) || !process_is_ours() || !shim_enter(&shim))
		return;
	fdtable_track(fd, NULL);
	shim_leave(&shim);
}

ONCE int fdtable_next(int from)
{
	int pages = atomic_load(&pages_used), end = pages ? FD_PAGE * pages : SHIM_LOW_FDS;

	for (int fd = from < 0 ? 0 : from; fd < end; fd++) {
		if (fd >= SHIM_LOW_FDS && !atomic_load(&fd_pages[fd / FD_PAGE]))
			fd |= FD_PAGE - 1;
		else if (fdtable_look(fd))
			return fd;
	}
	return -1;
}

HOT bool fdtable_hold(int fd, struct held *held)
{
	if (!fdtable_look(fd) || !process_is_ours() || !shim_enter(&shim))
		return false;
	held->tracked = fdtable_look(fd);
	held->generation = shim.lock.generation;
	if (held->tracked && held->tracked->state == SOCKET_PARKED)
		held->tracked = NULL;
	if (held->tracked)
		held->tracked->references++;
	shim_leave(&shim);
	return held->tracked;
}

HOT_WHOLE void fdtable_release(const struct held *held)
{
	if (!shim_enter_held(&shim, held))
		return;
	tracked_put(&shim.sockets, held->tracked);
	shim_leave(&shim);
}

ONCE void fdtable_forget_all(void)
{
	/* What is not written is not copied for the child. */
	for (int fd = 0; fd < SHIM_LOW_FDS; fd++)
		if (atomic_load(&shim.low_fds[fd]))
			atomic_store(&shim.low_fds[fd], NULL);
	for (int i = atomic_load(&pages_used) - 1; i >= 0; i--)
		if (atomic_load(&fd_pages[i]))
			atomic_store(&fd_pages[i], NULL);
	if (atomic_load(&pages_used))
		atomic_store(&pages_used, 0);
}
