// SPDX-License-Identifier: Apache-2.0
/* parked - the connections a program closed that are kept open for its next connect(). */
#include "parked.h"

#include "hot.h"
#include "kernel.h"
#include "restraint.h"
#include "socket_facts.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Not in <linux/tcp.h>; <netinet/tcp.h> has them but another struct tcp_info (net/tcp_states.h). */
enum { ESTABLISHED = 1 };

/* A share of the fds a process may have, and never more than this. The kernel's table of them has room up to
 * the highest number, and each fork copies it. */
enum { PARKED_MOST = 1024, SHARE_OF_FILES = 8, NUMBERS_FROM = 8192 };

/* What a server sends after the end of its reply is on its way for a moment; so is a close that it did not
 * announce. But it need not be waited for as long as with `raw`, where nothing else tells the end of a reply.
 */
enum { QUIET_ROUND_TRIPS = 2, QUIET_MOST_US = 5000 };

/* What was learned of a server holds for so long. */
enum { IDLE_LIMIT_LIFE_S = 60 };

/* A program that connects seldom is not to have a socket more for long. */
enum { BLANK_IDLE_MS = 1000 };

/* What a connection must not have had done to it: it cannot be put back, or names it alone. */
enum {
	UNLIKE_OTHERS = HAS_PORT | OWN_NO_PORT | OWN_RANGE | PINNED | REUSES_PORT | ABORTS_ON_CLOSE | DEFERRED
};

static struct parked_pool *pool_of(const struct reuse *reuse)
{
	const struct tuple_space *space = reuse->tracked->space;
	return space ? space->destination->parked : NULL;
}

void parked_refused(struct reuse *reuse, enum reuse_refusal refusal)
{
	struct parked_pool *pool = pool_of(reuse);
	if (!pool)
		return;
	pool->counts.refused[refusal]++;
	SPACE_REUSE_ADD(reuse->tracked->space, reuse_refused[refusal], 1);
}

static int first_refusal(struct shim *shim, const struct reuse *reuse, const struct parked_pool *pool,
			 uint64_t now_ns)
{
	const struct tracked *tracked = reuse->tracked;

	if (shim->no_parking)
		return REFUSED_OFF;
	/* More than the reference of the fd: a thread is in a call on it, and would get the next one's bytes.
	 */
	if (tracked->references > 1 || reuse->shared || reuse->forks != shim->forks ||
	    atomic_load(&reuse->feeding))
		return REFUSED_SHARED;
	/* CONNECTING: the program has not asked yet what came of it; the kernel will be (parked_quiet()). */
	if ((tracked->state != SOCKET_OPEN && tracked->state != SOCKET_CONNECTING) ||
	    tracked->flags & (WAS_SHUT | IN_CALL))
		return REFUSED_STATE;
	switch (guard_verdict(&reuse->guard)) {
	case GUARD_CLEAN:
		break;
	case GUARD_REFUSED:
		return guard_refusal(&reuse->guard) == GUARD_REASON_UNSEEN ? REFUSED_UNSEEN : REFUSED_GUARD;
	default:
		return REFUSED_OPEN;
	}
	if (tracked->flags & UNLIKE_OTHERS || reuse->options.others || reuse->watches_unknown)
		return REFUSED_OPTION;
	if (pool->paused_until_ns > now_ns)
		return REFUSED_PAUSED;
	if (reuse->uses >= reuse->limits->max_uses || now_ns - reuse->opened_ns >= reuse->limits->max_age_ns)
		return REFUSED_USED_UP;
	return -1;
}

/* The program's own fds get the lowest free numbers; ours come from the upper half of what it may have. */
static void ask_for_files(struct shim *shim)
{
	struct rlimit files;

	if (restraint_shut_in() || kernel_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&files, 0, 0))
		return;
	rlim_t share = files.rlim_cur / SHARE_OF_FILES;
	shim->parked_most = share < PARKED_MOST ? (uint32_t)share : PARKED_MOST;
	shim->parked_from = files.rlim_cur / 2 < NUMBERS_FROM ? (int)(files.rlim_cur / 2) : NUMBERS_FROM;
}

bool parked_may_enter(struct shim *shim, struct tracked *tracked, uint64_t now_ns)
{
	struct reuse *reuse = tracked->reuse;
	struct parked_pool *pool = pool_of(reuse);

	if (!pool)
		return false;
	if (!shim->parked_most)
		ask_for_files(shim);
	int refusal = first_refusal(shim, reuse, pool, now_ns);
	if (refusal < 0 && !shim->parked_most)
		refusal = REFUSED_ROOM;
	if (refusal >= 0)
		parked_refused(reuse, (enum reuse_refusal)refusal);
	return refusal < 0;
}

int parked_quiet(int fd, uint64_t sent, uint64_t received, uint32_t *rtt_us)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	if (kernel.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) ||
	    length < __builtin_offsetof(struct tcp_info, tcpi_min_rtt))
		return REFUSED_STATE;
	if (info.tcpi_state != ESTABLISHED)
		return REFUSED_STATE;
	/* The SYN is counted as a byte acknowledged (tcp_clean_rtx_queue(), net/ipv4/tcp_input.c). */
	if (info.tcpi_unacked || info.tcpi_notsent_bytes)
		return REFUSED_UNREAD;
	if (info.tcpi_bytes_received != received || info.tcpi_bytes_acked != sent + 1)
		return REFUSED_UNSEEN;
	/* Established, so no FIN; and all that came was read: recv(MSG_PEEK) would have no more to tell. */
	*rtt_us = info.tcpi_rtt;
	return -1;
}

static uint64_t share_of(uint64_t ns)
{
	return ns / 10 * 8;
}

/* How long it may be idle: not quite as long as the server was seen, or promised, to keep it open. */
static uint64_t idle_most(const struct reuse *reuse, const struct parked_pool *pool, uint64_t now_ns)
{
	uint64_t most = reuse->limits->idle_timeout_ns;
	uint64_t learned = now_ns < pool->idle_limit_until_ns ? share_of(pool->idle_limit_ns) : 0;
	uint64_t promised = share_of(reuse->guard.promised_idle_s * 1000000000ull);

	if (learned && learned < most)
		most = learned;
	return reuse->guard.promised_idle_s != GUARD_NO_PROMISE && promised < most ? promised : most;
}

/* When it has been idle for too long, or is too old. */
static uint64_t end_of(const struct reuse *reuse, const struct parked_pool *pool, uint64_t now_ns)
{
	if (!pool)
		return reuse->parked_ns + BLANK_IDLE_MS * 1000000ull;
	uint64_t idle_ns = reuse->parked_ns + idle_most(reuse, pool, now_ns);
	uint64_t old_ns = reuse->opened_ns + reuse->limits->max_age_ns;
	return old_ns < idle_ns ? old_ns : idle_ns;
}

bool parked_has_room(const struct retired *retired)
{
	return retired->count < sizeof(retired->fds) / sizeof(retired->fds[0]);
}

/* @pool: NULL of the blank */
static void take_out(struct shim *shim, struct reuse *reuse, struct parked_pool *pool)
{
	if (pool) {
		*(reuse->newer ? &reuse->newer->older : &pool->newest) = reuse->older;
		*(reuse->older ? &reuse->older->newer : &pool->oldest) = reuse->newer;
		pool->count--;
		SPACE_REUSE_ADD(reuse->tracked->space, reuse_parked, UINT32_MAX); /* one less */
	} else {
		shim->blank = NULL;
	}
	*(reuse->all_newer ? &reuse->all_newer->all_older : &shim->parked_newest) = reuse->all_older;
	if (reuse->all_older)
		reuse->all_older->all_newer = reuse->all_newer;
	shim->parked_count--;
}

static struct reuse *oldest_of_all(const struct shim *shim)
{
	struct reuse *reuse = shim->parked_newest;

	while (reuse && reuse->all_older)
		reuse = reuse->all_older;
	return reuse;
}

/* The oldest one makes room: closed by a reset it costs no port, while a close of the newest would. */
static void make_room(struct shim *shim, const struct reuse *reuse, struct parked_pool *pool, uint64_t now_ns,
		      struct retired *retired)
{
	struct reuse *oldest = pool->count >= reuse->limits->max_idle ? pool->oldest : NULL;

	if (!oldest && shim->parked_count >= shim->parked_most)
		oldest = pool->oldest ? pool->oldest : oldest_of_all(shim);
	if (!oldest || !parked_has_room(retired))
		return;
	parked_retire(shim, oldest, RETIRED_ROOM, now_ns, retired);
}

static void enter_list(struct shim *shim, struct reuse *reuse, uint64_t until_ns)
{
	reuse->all_newer = NULL;
	reuse->all_older = shim->parked_newest;
	if (shim->parked_newest)
		shim->parked_newest->all_newer = reuse;
	shim->parked_newest = reuse;
	if (!shim->parked_count++ || until_ns < shim->parked_look_ns)
		shim->parked_look_ns = until_ns;
}

void parked_enter(struct shim *shim, struct reuse *reuse, int fd, uint32_t rtt_us, uint64_t now_ns,
		  struct retired *retired)
{
	struct parked_pool *pool = pool_of(reuse);

	make_room(shim, reuse, pool, now_ns, retired);
	if (reuse->handed_out)
		pool->failures = 0;
	reuse->watches = 0;
	reuse->handed_out = reuse->connect_to_come = false;
	reuse->fd = fd;
	reuse->parked_ns = now_ns;
	uint64_t quiet_us = (uint64_t)QUIET_ROUND_TRIPS * rtt_us;
	if (reuse->guard.kind != GUARD_RAW && quiet_us > QUIET_MOST_US)
		quiet_us = QUIET_MOST_US;
	reuse->ready_ns = now_ns + quiet_us * 1000;
	reuse->tracked->state = SOCKET_PARKED;
	reuse->newer = NULL;
	reuse->older = pool->newest;
	if (pool->newest)
		pool->newest->newer = reuse;
	else
		pool->oldest = reuse;
	pool->newest = reuse;
	pool->count++;
	SPACE_REUSE_ADD(reuse->tracked->space, reuse_parked, 1);
	enter_list(shim, reuse, end_of(reuse, pool, now_ns));
}

bool parked_wants_blank(const struct shim *shim, const struct tracked *fresh)
{
	const struct reuse *reuse = fresh->reuse;

	return !shim->blank && shim->parked_count < shim->parked_most && reuse && !fresh->flags &&
	       !reuse->tried && !reuse->options.set && !reuse->options.others && !reuse->watches &&
	       !reuse->watches_unknown;
}

void parked_enter_blank(struct shim *shim, struct reuse *reuse, int fd, int status, uint64_t now_ns)
{
	reuse->fd = fd;
	reuse->status = status;
	reuse->parked_ns = now_ns;
	reuse->tracked->state = SOCKET_PARKED;
	shim->blank = reuse;
	enter_list(shim, reuse, end_of(reuse, NULL, now_ns));
}

struct reuse *parked_take_blank(struct shim *shim, int family)
{
	struct reuse *blank = shim->blank;

	if (!blank || blank->tracked->family != family)
		return NULL;
	take_out(shim, blank, NULL);
	return blank;
}

/* The server closed a connection that was idle for so long. */
static void learn_idle_limit(struct tuple_space *space, uint64_t idle_ns, uint64_t now_ns)
{
	struct parked_pool *pool = space->destination->parked;
	bool known = pool->idle_limit_ns && now_ns < pool->idle_limit_until_ns;

	if (known && idle_ns >= pool->idle_limit_ns)
		return;
	pool->idle_limit_ns = idle_ns;
	pool->idle_limit_until_ns = now_ns + IDLE_LIMIT_LIFE_S * 1000000000ull;
	USAGE_PUT(space->use->reuse_idle_limit_ms, (uint32_t)(idle_ns / 1000000));
}

void parked_let_go(struct shim *shim, struct reuse *reuse, enum reuse_retirement why, uint64_t now_ns,
		   struct retired *retired)
{
	struct tracked *tracked = reuse->tracked;
	struct parked_pool *pool = pool_of(reuse);

	if (pool) {
		pool->counts.retired[why]++;
		SPACE_REUSE_ADD(tracked->space, reuse_retired[why], 1);
		if (why == RETIRED_FIN)
			learn_idle_limit(tracked->space, now_ns - reuse->parked_ns, now_ns);
	}
	if (why != RETIRED_LOST) {
		retired->fds[retired->count].fd = reuse->fd;
		retired->fds[retired->count++].cookie = reuse->cookie;
	}
	if (tracked->space) {
		space_ended(tracked->space, why == RETIRED_FIN ? ENDED_BY_PEER : ENDED_BY_RESET, now_ns);
		tracked->space = NULL;
	}
	tracked->state = SOCKET_FRESH;
	tracked_put(shim, tracked);
}

void parked_retire(struct shim *shim, struct reuse *reuse, enum reuse_retirement why, uint64_t now_ns,
		   struct retired *retired)
{
	take_out(shim, reuse, pool_of(reuse));
	parked_let_go(shim, reuse, why, now_ns, retired);
}

static bool fits(const struct reuse *reuse, const struct tracked *fresh)
{
	const struct tracked *parked = reuse->tracked;

	/* A port that was asked for and not given yet is any port: that of the connection will do. */
	if (parked->family != fresh->family || fresh->flags & ((UNLIKE_OTHERS & ~DEFERRED) | WAS_SHUT))
		return false;
	if ((parked->flags ^ fresh->flags) & HAS_SOURCE ||
	    (fresh->flags & HAS_SOURCE && !address_equal(&parked->bound, &fresh->bound)))
		return false;
	static const struct option_log none;
	return option_log_can_become(&reuse->options, fresh->reuse ? &fresh->reuse->options : &none);
}

struct reuse *parked_take(struct shim *shim, struct parked_pool *pool, struct tracked *fresh, uint64_t now_ns,
			  struct retired *retired)
{
	struct reuse *next;

	for (struct reuse *reuse = pool->newest; reuse; reuse = next) {
		next = reuse->older;
		bool idle = now_ns - reuse->parked_ns >= idle_most(reuse, pool, now_ns);
		bool old = now_ns - reuse->opened_ns >= reuse->limits->max_age_ns;
		if ((idle || old) && parked_has_room(retired)) {
			parked_retire(shim, reuse, idle ? RETIRED_IDLE : RETIRED_AGE, now_ns, retired);
		} else if (!idle && !old && reuse->ready_ns <= now_ns && fits(reuse, fresh)) {
			take_out(shim, reuse, pool);
			return reuse;
		}
	}
	return NULL;
}

bool parked_is_there(const struct reuse *reuse)
{
	return socket_cookie(reuse->fd) == reuse->cookie;
}

int parked_alive(const struct reuse *reuse)
{
	char byte;

	if (!parked_is_there(reuse))
		return RETIRED_LOST;
	long rc = kernel.recv(reuse->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (rc == -EAGAIN)
		return -1;
	return rc == 0 ? RETIRED_FIN : rc > 0 ? RETIRED_DATA : RETIRED_RESET;
}

void parked_expire(struct shim *shim, uint64_t now_ns, struct retired *retired)
{
	uint64_t look_ns = UINT64_MAX;
	struct reuse *next;

	if (!shim->parked_count || now_ns < shim->parked_look_ns)
		return;
	for (struct reuse *reuse = shim->parked_newest; reuse; reuse = next) {
		next = reuse->all_older;
		struct parked_pool *pool = pool_of(reuse);
		uint64_t until_ns = end_of(reuse, pool, now_ns);
		if (until_ns <= now_ns && parked_has_room(retired)) {
			bool old = pool && now_ns - reuse->opened_ns >= reuse->limits->max_age_ns;
			parked_retire(shim, reuse, old ? RETIRED_AGE : RETIRED_IDLE, now_ns, retired);
		} else if (until_ns < look_ns) {
			look_ns = until_ns;
		}
	}
	shim->parked_look_ns = look_ns;
}

bool parked_give_up(struct shim *shim, enum reuse_retirement why, uint64_t now_ns, struct retired *retired)
{
	bool any = shim->parked_newest;

	while (shim->parked_newest && parked_has_room(retired))
		parked_retire(shim, shim->parked_newest, why, now_ns, retired);
	return any;
}

void parked_lost(struct shim *shim, struct reuse *reuse, uint64_t now_ns)
{
	parked_retire(shim, reuse, RETIRED_LOST, now_ns, NULL);
}

void parked_close(struct retired *retired)
{
	static const struct linger reset = { .l_onoff = 1 };

	for (unsigned i = 0; i < retired->count; i++) {
		int fd = retired->fds[i].fd;
		/* Closed where no hook sees it, the number may be the program's now. */
		if (socket_cookie(fd) != retired->fds[i].cookie)
			continue;
		kernel.setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		kernel.close(fd);
	}
	retired->count = 0;
}
