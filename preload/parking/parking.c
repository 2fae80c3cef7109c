// SPDX-License-Identifier: Apache-2.0
/* parking - fds and parked connections: park at close(), hand out at connect(), get out of the way. */
#include "preload/parking/parking.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/resting.h"
#include "pool/reuse/parked.h"
#include "pool/reuse/swap.h"
#include "pool/socket/facts.h"
#include "preload/base/fdtable.h"
#include "preload/base/process.h"
#include "preload/parking/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

/* A blocking connect() waits for so long for a connection to become ready, rather than have another made. A
 * non-blocking one waits no longer than a connect() takes, but for the first few, by which a server is known.
 */
enum { WAIT_MOST_US = 2000, WAIT_NONBLOCKING_US = 1000 };

bool parking_is_on(void)
{
	return shim.settings.reuses && process_is_ours();
}

/* The numbers leave the table under the lock, before they are closed. */
static void leave_table(const struct retired *retired)
{
	for (unsigned i = 0; i < retired->count; i++)
		fdtable_take(retired->fds[i].fd);
}

static void tell(const struct distrust *distrust)
{
	char place[ENDPOINT_TEXT_MAX], text[ENDPOINT_TEXT_MAX + 128];

	endpoint_format(&distrust->to, place);
	snprintf(text, sizeof(text), "%s %s: no reuse for %u s", place, evidence_text(distrust->evidence),
		 distrust->seconds);
	log_message(&shim.log, LOG_LEVEL_WARN, "reuse_paused", text);
}

/* Lets the lock go, and does what had to wait for that. */
static void leave(struct retired *retired)
{
	struct distrust distrust = shim.reusing.distrust;

	shim.reusing.distrust.evidence = EVIDENCE_NONE;
	leave_table(retired);
	shim_leave(&shim);
	parked_close(retired);
	if (distrust.evidence != EVIDENCE_NONE)
		tell(&distrust);
}

/* A non-blocking connect() whose outcome the program read by poll() or SO_ERROR is still to be told of once
 * (connect(2)). The next program with this connection is told by us. */
static void settle_connect(int fd, const struct tracked *tracked)
{
	struct sockaddr_storage sa;

	if (tracked->state == SOCKET_CONNECTING)
		kernel.connect(fd, &sa,
			       endpoint_to_sockaddr(&tracked->space->destination->to, tracked->family, &sa));
}

/* Return: our own fd of the connection, or the reason why it is not to be parked, as -1 - enum reuse_refusal.
 * The lock is held: none of these calls can block, and no fork is to see them half done. */
static int keep(int fd, const struct held *held, uint32_t *rtt_us)
{
	struct reuse *reuse = held->tracked->reuse;
	long own = kernel.fcntl(fd, F_DUPFD_CLOEXEC, shim.reusing.parked_from);
	int refusal = -1;

	if (own < 0)
		return -1 - REFUSED_FDS;
	uint64_t cookie = socket_cookie((int)own);
	long status = kernel.fcntl((int)own, F_GETFL, 0);
	/* Closed twice by the program, at the same time: the number may be a stranger's. */
	if (!cookie || (reuse->cookie && reuse->cookie != cookie))
		refusal = REFUSED_STATE;
	else if (status < 0 || swap_signals((int)own, status))
		refusal = REFUSED_OPTION;
	else
		refusal = parked_quiet((int)own, reuse->guard.sent, reuse->guard.received, rtt_us);
	if (refusal < 0 && reuse->forks != shim.sockets.forks)
		refusal = REFUSED_SHARED;
	if (refusal < 0 && !swap_out(fd, reuse))
		refusal = REFUSED_OPTION;
	if (refusal < 0 && !fdtable_set((int)own, held->tracked))
		refusal = REFUSED_FDS;
	if (refusal >= 0) {
		kernel.close((int)own);
		return -1 - refusal;
	}
	reuse->cookie = cookie;
	reuse->status = (int)status;
	settle_connect((int)own, held->tracked);
	return (int)own;
}

/* For the keeper: calls nothing of libc that needs thread-local storage of its own. */
static bool tend(uint64_t now_ns)
{
	struct retired retired = { 0 };
	bool rests = resting();

	bool more = rests ? parked_give_up(&shim.reusing, RETIRED_ROOM, now_ns, &retired)
			  : parked_expire(&shim.reusing, now_ns, &retired);
	leave_table(&retired);
	shim_leave(&shim);
	parked_close(&retired);
	return more || (!rests && resting_look(now_ns));
}

APART bool parking_park(int fd, const struct held *held)
{
	struct retired retired = { 0 };
	uint64_t now_ns = clock_ns();
	uint32_t rtt_us = 0;
	int own = -1;

	resting_look(now_ns);
	if (!shim_enter_held(&shim, held))
		return false;
	struct reuse *reuse = held->tracked->reuse;
	reuse_closes(&shim.reusing, held->tracked, now_ns);
	if (!resting() && parked_may_enter(&shim.reusing, held->tracked, now_ns)) {
		own = keep(fd, held, &rtt_us);
		if (own >= 0)
			parked_enter(&shim.reusing, reuse, own, rtt_us, now_ns, &retired);
		else
			parked_refused(reuse, (enum reuse_refusal)(-1 - own));
	}
	uint64_t until_ns = shim.reusing.parked_look_ns;
	leave(&retired);
	/* Nobody would end it on time. */
	if (own >= 0 && !keeper_see_to(until_ns, tend))
		parking_off("no thread can be made that closes parked connections on time: none is kept",
			    RETIRED_ROOM);
	return own >= 0;
}

/* Return: a number of ours for the socket that is about to be replaced, or -1 if it is not kept. */
static int keep_blank(int fd, const struct tracked *tracked, const struct fresh *fresh)
{
	struct reuse *reuse = tracked->reuse;

	if (!parked_wants_blank(&shim.reusing, tracked) || (fresh->status & ~O_NONBLOCK) != O_RDWR)
		return -1;
	if (!reuse->cookie)
		reuse->cookie = socket_cookie(fd);
	return reuse->cookie ? (int)kernel.fcntl(fd, F_DUPFD_CLOEXEC, shim.reusing.parked_from) : -1;
}

struct tracked *parking_enter_number(int fd, struct tracked *with, const struct fresh *fresh)
{
	struct tracked *stale = fdtable_take(fd);
	struct reuse *reuse = with->reuse;

	/* The page of the number is there: the fresh socket was in it. */
	if (!fdtable_set(fd, with))
		tracked_put(&shim.sockets, with);
	if (reuse) {
		reuse->fd = -1;
		reuse->watches = fresh->watches;
		memcpy(reuse->watch, fresh->watch, sizeof(reuse->watch));
	}
	return stale;
}

/* The program's socket has no number of its own any more. */
static void let_go_fresh(struct tracked *tracked, const struct fresh *fresh, int blank, uint64_t now_ns)
{
	if (tracked && blank >= 0 && fdtable_set(blank, tracked)) {
		parked_enter_blank(&shim.reusing, tracked->reuse, blank, fresh->status, now_ns);
		return;
	}
	if (blank >= 0)
		kernel.close(blank);
	if (tracked)
		tracked_put(&shim.sockets, tracked);
}

static void hand_out(int fd, struct reuse *reuse, const struct fresh *fresh, int blank, uint64_t now_ns)
{
	guard_reset(&reuse->guard);
	reuse->uses++;
	reuse->forks = shim.sockets.forks;
	reuse->handed_out = true;
	reuse->received_since = reuse->answered = reuse->repeated = reuse->cut = false;
	reuse->request.size = reuse->request.sent = 0;
	if (!reuse->request.bytes && guard_repeats(&reuse->guard))
		reuse->request.bytes = arena_alloc(&shim.arena, REUSE_REQUEST_MAX);
	reuse->asked_ns = 0;
	reuse->connect_to_come = fresh->status & O_NONBLOCK;
	reuse->tracked->space->destination->parked->counts.hits++;
	conduct_hit(&reuse->tracked->space->destination->parked->conduct);
	reuse_risks(reuse->tracked->space->destination->parked, reuse, now_ns);
	conduct_stayed(&reuse->tracked->space->destination->parked->conduct,
		       clock_since(reuse->parked_ns, now_ns));
	SPACE_REUSE_ADD(reuse->tracked->space, reuse_hits, 1);
	reuse->tracked->state = SOCKET_OPEN;
	reuse->tracked->watched = WATCHED | FIRST_SEND;
	let_go_fresh(parking_enter_number(fd, reuse->tracked, fresh), fresh, blank, now_ns);
}

static bool may_be_swapped(const struct tracked *fresh)
{
	return fresh && fresh->state == SOCKET_FRESH && !(fresh->flags & IN_CALL) && fresh->fds == 1 &&
	       fresh->references == 1 &&
	       !(fresh->reuse && (fresh->reuse->shared || fresh->reuse->forks != shim.sockets.forks));
}

/* The lock is held: the program's number stays that of its socket, as its other threads cannot close it
 * meanwhile, and no fork sees an fd of ours that is not in the table. Return: was one handed out? */
static bool try_all(int fd, struct tracked *tracked, struct parked_pool *pool, uint64_t now_ns, long *result,
		    struct retired *retired)
{
	static struct fresh fresh; /* by the lock: too large for the stack of a small thread */
	struct reuse *reuse;

	if (!swap_look(fd, tracked->reuse, &fresh))
		return false;
	while (parked_has_room(retired) &&
	       (reuse = parked_take(&shim.reusing, pool, tracked, now_ns, retired))) {
		int dead = parked_alive(reuse), own = reuse->fd;
		int blank = dead < 0 ? keep_blank(fd, tracked, &fresh) : -1;
		if (dead < 0 && swap_in(&fresh, own, reuse->status, &reuse->options)) {
			dead = RETIRED_ROOM;
			if (blank >= 0)
				kernel.close(blank);
		}
		fdtable_take(own);
		if (dead >= 0) {
			if (!parked_has_room(retired)) {
				leave_table(retired);
				parked_close(retired);
			}
			parked_let_go(&shim.reusing, reuse, (enum reuse_retirement)dead, now_ns, retired);
			continue;
		}
		hand_out(fd, reuse, &fresh, blank, now_ns);
		kernel.close(own);
		*result = fresh.status & O_NONBLOCK ? -EINPROGRESS : 0;
		return true;
	}
	return false;
}

/* How long is it worth to wait for a connection that is parked and not ready yet? */
static uint64_t wait_ns(int fd, const struct tracked *fresh, const struct parked_pool *pool,
			uint64_t waited_ns, uint64_t now_ns)
{
	uint64_t ready_in_ns = parked_ready_in_ns(pool, fresh, now_ns);
	uint64_t most_ns = WAIT_MOST_US * 1000ull;

	if (ready_in_ns > most_ns)
		return 0;
	if (kernel.fcntl(fd, F_GETFL, 0) & O_NONBLOCK)
		most_ns = WAIT_NONBLOCKING_US * 1000ull;
	return waited_ns + ready_in_ns <= most_ns ? ready_in_ns : 0;
}

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

/* One look at the pool. Return: was the connect() served? Else: *wait: try again in so many ns, if not 0. */
static bool hand_out_once(int fd, const struct endpoint *to, const struct rule *rule, bool again,
			  uint64_t waited, long *result, uint64_t *wait)
{
	struct retired retired = { 0 };
	uint64_t now_ns = clock_ns();
	bool served = false;

	*wait = 0;
	if (!shim_enter(&shim))
		return false;
	struct tracked *tracked = fdtable_look(fd);
	struct destination *destination = ledger_find(&shim.ledger, to, rule, now_ns);
	struct parked_pool *pool = destination ? destination->parked : NULL;
	if (pool && !again) {
		conduct_connects(&pool->conduct, now_ns);
		look_at_queue(destination, now_ns);
	}
	if (pool && pool->count && pool->conduct.paused_until_ns <= now_ns && !shim.reusing.no_parking &&
	    conduct_may_risk(&pool->conduct, now_ns) && may_be_swapped(tracked)) {
		served = try_all(fd, tracked, pool, now_ns, result, &retired);
		if (!served)
			*wait = wait_ns(fd, tracked, pool, waited, now_ns);
	}
	if (pool && !served && !*wait)
		parked_make_way(&shim.reusing, pool, now_ns, &retired);
	leave(&retired);
	return served;
}

/* Other threads may have taken what this one waited for. */
APART bool parking_hand_out(int fd, const struct endpoint *to, const struct rule *rule, long *result)
{
	uint64_t wait, waited = 0;

	parking_tidy();
	for (bool again = false; !hand_out_once(fd, to, rule, again, waited, result, &wait); again = true) {
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

APART int parking_socket(int family, int type, int protocol)
{
	struct retired retired = { 0 };
	int fd = -1;

	if (!shim.reusing.blank || (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM ||
	    (protocol && protocol != IPPROTO_TCP) || !process_is_ours() || !shim_enter(&shim))
		return -1;
	struct reuse *blank = parked_take_blank(&shim.reusing, family);
	if (blank) {
		int own = blank->fd;
		bool there = parked_is_there(blank);
		if (there && blank->forks == shim.sockets.forks)
			fd = lend(blank->tracked, own, blank->status, type);
		fdtable_take(own);
		if (fd >= 0) {
			blank->fd = -1;
			blank->tracked->state = SOCKET_FRESH;
			kernel.close(own);
		} else {
			parked_let_go(&shim.reusing, blank, there ? RETIRED_ROOM : RETIRED_LOST, clock_ns(),
				      &retired);
		}
	}
	leave(&retired);
	return fd;
}

/* Notes what rules a connection out, now or when it is made. */
static void note(int fd, bool shared, bool watches_unknown)
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
		}
		shim_leave(&shim);
	}
	fdtable_release(&held);
}

COLD void parking_shared(int fd)
{
	note(fd, true, false);
}

COLD void parking_watches_unknown(int fd)
{
	note(fd, false, true);
}

COLD void parking_lost(int fd)
{
	if (!shim_enter(&shim))
		return;
	struct tracked *tracked = fdtable_look(fd);
	if (tracked && tracked->state == SOCKET_PARKED)
		fdtable_lose(fd);
	shim_leave(&shim);
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
	leave(&retired);
}

COLD bool parking_give_up(enum reuse_retirement why)
{
	struct retired retired = { 0 };
	bool any = false, more = true;
	int saved = errno;

	while (more && parking_is_on() && shim_enter(&shim)) {
		more = parked_give_up(&shim.reusing, why, clock_ns(), &retired);
		any |= more;
		leave(&retired);
	}
	errno = saved;
	return any;
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

	if (!shim.reusing.parked_newest)
		return;
	long lowest = kernel.fcntl(shim.reusing.parked_newest->fd, F_DUPFD_CLOEXEC, 0);
	if (lowest >= 0)
		kernel.close((int)lowest);
	if (lowest < 0 || kernel_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&files, 0, 0) ||
	    (rlim_t)lowest + shim.reusing.parked_count + ENOUGH >= files.rlim_cur)
		parking_give_up(RETIRED_ROOM);
	errno = saved;
}

APART void parking_tidy(void)
{
	struct retired retired = { 0 };
	uint64_t now_ns = clock_coarse_ns();

	if (!shim.reusing.parked_newest)
		return;
	if (resting_look(now_ns))
		parking_give_up(RETIRED_ROOM);
	if (now_ns < shim.reusing.parked_look_ns)
		return;
	for (bool more = true; more && shim_enter(&shim);) {
		more = parked_expire(&shim.reusing, now_ns, &retired);
		leave(&retired);
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
COLD void parking_in_child(void)
{
	keeper_in_child();
	for (int fd = shim.settings.reuses ? fdtable_next(0) : -1; fd >= 0; fd = fdtable_next(fd + 1)) {
		const struct tracked *tracked = fdtable_look(fd);
		if (tracked->state == SOCKET_PARKED)
			kernel.close(fd);
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

COLD void parking_off(const char *why, enum reuse_retirement retirement)
{
	int saved = errno;

	if (parking_is_on() && !shim.reusing.no_parking) {
		shim.reusing.no_parking = true;
		parking_give_up(retirement);
		keeper_stop();
		if (why)
			log_message(&shim.log, LOG_LEVEL_WARN, "reuse_off", why);
	}
	errno = saved;
}
