// SPDX-License-Identifier: Apache-2.0
/* parking - what is parked gets out of the way. */
#include "preload/parking/parking.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/resting.h"
#include "pool/reuse/second.h"
#include "pool/socket/facts.h"
#include "preload/base/fdtable.h"
#include "preload/base/process.h"
#include "preload/parking/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>

HOT_WHOLE bool parking_is_on(void)
{
	return shim.settings.reuses && process_is_ours();
}

void parking_leave_table(struct retired *retired)
{
	for (; retired->gone < retired->count; retired->gone++)
		if (!retired->fds[retired->gone].kept)
			fdtable_take(retired->fds[retired->gone].fd);
}

static void tell(const struct distrust *distrust)
{
	char place[ENDPOINT_TEXT_MAX], text[ENDPOINT_TEXT_MAX + 128];

	endpoint_format(&distrust->to, place);
	snprintf(text, sizeof(text), "%s %s: no reuse for %u s", place, evidence_text(distrust->evidence),
		 distrust->seconds);
	log_message(&shim.log, LOG_LEVEL_WARN, "reuse_paused", text);
}

void parking_leave(struct retired *retired)
{
	struct distrust distrust = shim.reusing.distrust;

	shim.reusing.distrust.evidence = EVIDENCE_NONE;
	parking_leave_table(retired);
	shim_leave(&shim);
	retired_close(retired);
	if (distrust.evidence != EVIDENCE_NONE)
		tell(&distrust);
}

/* Notes what rules a connection out, now or when it is made. */
static void note(int fd, bool shared, bool watches_unknown, bool signals)
{
	struct held held;

	if (!fdtable_hold(fd, &held))
		return;
	if (shim_enter_held(&shim, &held)) {
		struct reuse *reuse =
			held.tracked->state != SOCKET_PARKED ? reuse_of(&shim.reusing, held.tracked) : NULL;
		if (reuse) {
			reuse->shared |= shared;
			reuse->watches_unknown |= watches_unknown;
			reuse->options.others |= signals;
		}
		shim_leave(&shim);
	}
	fdtable_release(&held);
}

COLD void parking_shared(int fd)
{
	note(fd, true, false, false);
}

COLD void parking_signals(int fd)
{
	note(fd, false, false, true);
}

COLD void parking_watches_unknown(int fd)
{
	note(fd, false, true, false);
}

APART void parking_let_number_go(const struct held *held)
{
	struct retired retired = { 0 };

	if (!shim_enter_held(&shim, held))
		return;
	if (held->tracked->reuse && held->tracked->reuse->kept)
		second_retire(&shim.reusing, held->tracked->reuse, &retired);
	parking_leave(&retired);
}

COLD void parking_give_way(int fd)
{
	struct retired retired = { 0 };

	if (!shim_enter(&shim))
		return;
	struct tracked *tracked = fdtable_look(fd);
	if (tracked && tracked->state == SOCKET_PARKED) {
		parked_retire(&shim.reusing, tracked->reuse, RETIRED_ROOM, clock_ns(), &retired);
	}
	parking_leave(&retired);
}

COLD bool parking_give_up(enum reuse_retirement why)
{
	struct retired retired = { 0 };
	bool any = false, more = true;
	int saved = errno;

	while (more && parking_is_on() && shim_enter(&shim)) {
		more = parked_give_up(&shim.reusing, why, clock_ns(), &retired);
		any |= more;
		parking_leave(&retired);
	}
	errno = saved;
	return any;
}

/* Without the lock: who has it may find that it is so no more. */
static bool is_something_parked(void)
{
	return __atomic_load_n(&shim.reusing.parked_newest, __ATOMIC_RELAXED);
}

bool parking_made_room(int rc)
{
	return rc < 0 && errno == EMFILE && shim.settings.reuses && parking_give_up(RETIRED_ROOM);
}

/* The lowest number that is free tells how many the program has. */
APART void parking_room_for_files(void)
{
	enum { ENOUGH = 64 };
	struct rlimit files;
	int saved = errno;

	if (!is_something_parked() || !shim_enter(&shim))
		return;
	/* With the lock, as the number is ours for so long: a copy of a file of the program's would take the
	 * file's locks away when it is closed (fcntl(2), F_SETLK). */
	const struct reuse *any = shim.reusing.parked_newest;
	long count = shim.reusing.parked_count, lowest = any ? kernel.fcntl(any->fd, F_DUPFD_CLOEXEC, 0) : 0;
	if (any && lowest >= 0)
		kernel.close((int)lowest);
	shim_leave(&shim);
	if (any && (lowest < 0 || kernel_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&files, 0, 0) ||
		    (rlim_t)(lowest + count + ENOUGH) >= files.rlim_cur))
		parking_give_up(RETIRED_ROOM);
	errno = saved;
}

APART void parking_tidy(void)
{
	struct retired retired;
	uint64_t now_ns = clock_coarse_ns();

	if (!is_something_parked())
		return;
	if (resting_look(now_ns))
		parking_give_up(RETIRED_ROOM);
	if (now_ns < __atomic_load_n(&shim.reusing.parked_look_ns, __ATOMIC_RELAXED))
		return;
	retired_none(&retired);
	for (bool more = true; more && shim_enter(&shim);) {
		more = parked_expire(&shim.reusing, now_ns, &retired);
		parking_leave(&retired);
	}
}

COLD void parking_epoll_closed(int epoll)
{
	if (!shim_enter(&shim))
		return;
	for (int fd = fdtable_next(0); fd >= 0; fd = fdtable_next(fd + 1)) {
		struct tracked *tracked = fdtable_look(fd);
		struct reuse *reuse = tracked ? tracked->reuse : NULL;
		for (unsigned i = 0; reuse && i < reuse->watches; i++)
			if (reuse->watch[i].epoll == epoll)
				reuse->watches_unknown = true;
		if (reuse)
			reuse_note_watch(reuse, epoll, EPOLL_CTL_DEL, 0, 0);
	}
	shim_leave(&shim);
}

/* Another thread may have been at work on the lists when the process was forked. The table was whole at any
 * time: an fd of ours is entered before it is used, and leaves when it is about to be closed. */
ONCE void parking_in_child(void)
{
	keeper_in_child();
	for (int fd = shim.settings.reuses ? fdtable_next(0) : -1; fd >= 0; fd = fdtable_next(fd + 1)) {
		const struct tracked *tracked = fdtable_look(fd);
		const struct reuse *reuse = tracked->reuse;
		if (tracked->state == SOCKET_PARKED)
			kernel.close(fd);
		else if (reuse && reuse->kept && socket_cookie(reuse->fd) == reuse->cookie)
			kernel.close(reuse->fd);
		/* Nor is what its parent may lose. */
		if (tracked->space && tracked->space->destination->parked && tracked->reuse)
			reuse_risked(tracked->space->destination->parked, tracked->reuse);
	}
}

COLD void parking_stand_back(void)
{
	int saved = errno;

	if (shim.settings.reuses && process_is_ours_surely()) {
		parking_give_up(RETIRED_ROOM);
		keeper_stop();
	}
	errno = saved;
}

COLD void parking_stand_back_for_thread(void)
{
	parking_stand_back();
	if (shim.settings.reuses && !process_has_one_thread())
		parking_off("a thread of several has rights of its own: connections are no longer reused in "
			    "this process",
			    RETIRED_ROOM);
}

ONCE void parking_off(const char *why, enum reuse_retirement retirement)
{
	if (!parking_is_on() || shim.reusing.no_parking)
		return;
	int saved = errno;
	shim.reusing.no_parking = true;
	parking_give_up(retirement);
	keeper_stop();
	if (why)
		log_message(&shim.log, LOG_LEVEL_WARN, "reuse_off", why);
	errno = saved;
}
