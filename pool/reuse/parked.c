// SPDX-License-Identifier: Apache-2.0
/* parked - the connections a program closed that are kept open for its next connect(). */
#include "pool/reuse/parked.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/restraint.h"
#include "pool/reuse/leaving.h"
#include "pool/reuse/list.h"
#include "pool/reuse/second.h"
#include "pool/reuse/stake.h"
#include "pool/socket/backlog.h"
#include "pool/socket/facts.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* To ask takes some microseconds. Where nobody listens, as far as is known here, that takes longer: the
 * kernel may look for a module (inet_diag_lock_handler(), net/ipv4/inet_diag.c). */
enum { BACKLOG_LOOK_US = 500, BACKLOG_WATCH_MS = 2, BACKLOG_CROWD_S = 10, BACKLOG_UNKNOWN_S = 60 };

/* Redis and memcached send nothing but answers, each in one piece of work with its command: what follows an
 * answer can only be the end of the connection, after seconds (redis.conf, timeout; memcached, idle_timeout).
 * After a command without an answer the guard waits for that of another. */
static enum ending_told told_by(const struct guard *guard)
{
	switch (guard->kind) {
	case GUARD_REDIS:
	case GUARD_MEMCACHED:
		return TOLD_BY_PROTOCOL;
	case GUARD_RAW:
		return guard->speaks == GUARD_HTTP ? TOLD_BY_LENGTH : TOLD_BY_SILENCE;
	default:
		return TOLD_BY_LENGTH;
	}
}

static uint64_t share_of(uint64_t ns)
{
	return ns / 10 * 8;
}

/* How long it may be idle: not quite as long as the server was seen, or promised, to keep it open. */
static uint64_t idle_most(const struct reuse *reuse, const struct parked_pool *pool, uint64_t now_ns)
{
	uint64_t most =
		conduct_idle_ns(&pool->conduct, told_by(&reuse->guard), reuse_idle_said_ns(reuse), now_ns);
	uint64_t promised = share_of(reuse->guard.promised_idle_s * 1000000000ull);

	return reuse->guard.promised_idle_s != GUARD_NO_PROMISE && promised < most ? promised : most;
}

/* From when on one that may hold a worker is in the way of a new one to another destination. */
static uint64_t in_the_way_ns(const struct reusing *reusing, const struct parked_pool *pool, uint64_t now_ns)
{
	const struct parked_pool *asked = reusing->asked_last;

	return asked && asked != pool ? conduct_yields_elsewhere_ns(&asked->conduct, now_ns) : UINT64_MAX;
}

/* From when on it is in the way of any. */
static uint64_t yields_ns(const struct reusing *reusing, const struct reuse *reuse,
			  const struct parked_pool *pool, uint64_t now_ns)
{
	if (!reuse_may_hold_a_worker(reuse))
		return UINT64_MAX;
	uint64_t here_ns = conduct_yields_ns(&pool->conduct, now_ns);
	uint64_t elsewhere_ns = in_the_way_ns(reusing, pool, now_ns);
	return here_ns < elsewhere_ns ? here_ns : elsewhere_ns;
}

/* Is the server on this host? To an address of its own it connects from that, or by the loopback. */
static bool is_near(const struct reuse *reuse)
{
	const struct tuple_space *space = reuse->tracked->space;
	const struct address *to = &space->destination->to.ip;

	return address_is_loopback(to) || address_equal(&space->source, to);
}

/* Does somebody wait to be accepted? Not asked for more often than has to be. */
static bool somebody_waits(const struct reuse *reuse, struct parked_pool *pool, uint64_t now_ns)
{
	if (now_ns < pool->backlog_ns || !reuse_may_hold_a_worker(reuse) || !is_near(reuse))
		return false;
	long waiting = backlog_ask(&reuse->tracked->space->destination->to);
	pool->backlog_ns = now_ns + (waiting < 0    ? BACKLOG_UNKNOWN_S * 1000 * CONDUCT_MS_NS
				     : waiting == 0 ? BACKLOG_LOOK_US * 1000ull
						    : 0);
	if (waiting <= 0)
		pool->waits_since_ns = 0;
	return waiting > 0;
}

bool parked_is_waited_for(const struct reuse *reuse, uint64_t now_ns)
{
	struct parked_pool *pool = reuse_pool(reuse);

	if (!pool || !somebody_waits(reuse, pool, now_ns))
		return false;
	if (!pool->waits_since_ns)
		pool->waits_since_ns = now_ns;
	if (reuse->asked_ns <= pool->waits_since_ns)
		return false;
	/* The next one is for who waits then. */
	pool->waits_since_ns = 0;
	pool->crowd_until_ns = now_ns + BACKLOG_CROWD_S * 1000 * CONDUCT_MS_NS;
	return true;
}

/* When to look while it is idle, if somebody waited for one lately. */
static uint64_t watch_ns(const struct reuse *reuse, const struct parked_pool *pool, uint64_t now_ns)
{
	return pool->crowd_until_ns > now_ns && reuse_may_hold_a_worker(reuse)
		       ? now_ns + BACKLOG_WATCH_MS * CONDUCT_MS_NS
		       : UINT64_MAX;
}

/* When it has been idle for too long, or is too old. Of the blank, what leaves and what the program has that
 * is set.
 */
static uint64_t end_of(const struct reusing *reusing, const struct reuse *reuse,
		       const struct parked_pool *pool, uint64_t now_ns)
{
	if (reuse->leaving || reuse->kept || !pool)
		return reuse->ready_ns;
	if (pool->conduct.paused_until_ns > now_ns)
		return 0;
	uint64_t idle_ns = reuse->parked_ns + idle_most(reuse, pool, now_ns);
	uint64_t old_ns = reuse->opened_ns + reuse->limits->max_age_ns;
	uint64_t way_ns = yields_ns(reusing, reuse, pool, now_ns);
	uint64_t until_ns = old_ns < idle_ns ? old_ns : idle_ns;
	return way_ns < until_ns ? way_ns : until_ns;
}

static struct reuse *oldest_of_all(const struct reusing *reusing)
{
	struct reuse *reuse = reusing->parked_newest;

	while (reuse && reuse->all_older)
		reuse = reuse->all_older;
	return reuse;
}

static void let_leave(struct reusing *reusing, struct reuse *reuse, enum reuse_retirement why,
		      uint64_t now_ns, struct retired *retired);

/* The oldest one makes room: it is the next whose time is over. */
static void make_room(struct reusing *reusing, const struct reuse *reuse, struct parked_pool *pool,
		      uint64_t now_ns, struct retired *retired)
{
	struct reuse *oldest = pool->count >= reuse->limits->max_idle ? pool->oldest : NULL;

	if (!oldest && reusing->parked_count >= reusing->parked_most)
		oldest = pool->oldest ? pool->oldest : oldest_of_all(reusing);
	if (!oldest || !retired_has_room(retired))
		return;
	let_leave(reusing, oldest, RETIRED_ROOM, now_ns, retired);
}

void parked_enter(struct reusing *reusing, struct reuse *reuse, int fd, uint32_t rtt_us, uint64_t now_ns,
		  struct retired *retired)
{
	struct parked_pool *pool = reuse_pool(reuse);

	make_room(reusing, reuse, pool, now_ns, retired);
	if (reuse->guard.kind == GUARD_MEMCACHED)
		pool->conduct.open_until_ns = now_ns + CONDUCT_LEARNED_LIFE_S * 1000000000ull;
	reuse->watches = 0;
	reuse->handed_out = reuse->connect_to_come = false;
	reuse->fd = fd;
	reuse->parked_ns = now_ns;
	reuse->ready_ns = now_ns + conduct_quiet_ns(&pool->conduct, told_by(&reuse->guard), rtt_us * 1000ull,
						    stake_depth(reuse), now_ns);
	reuse->tracked->state = SOCKET_PARKED;
	reuse->newer = NULL;
	reuse->older = pool->newest;
	if (pool->newest)
		pool->newest->newer = reuse;
	else
		pool->oldest = reuse;
	pool->newest = reuse;
	pool->count++;
	reusing->holders += reuse_may_hold_a_worker(reuse);
	reusing->parkings++;
	SPACE_REUSE_ADD(reuse->tracked->space, reuse_parked, 1);
	uint64_t until_ns = end_of(reusing, reuse, pool, now_ns), look_ns = watch_ns(reuse, pool, now_ns);
	list_enter(reusing, reuse, look_ns < until_ns ? look_ns : until_ns);
}

/* What is learned from how a connection was found. Return: evidence against the server, or none. */
static enum evidence learn(const struct reuse *reuse, enum reuse_retirement why, uint64_t idle_ns,
			   uint64_t now_ns)
{
	struct tuple_space *space = reuse->tracked->space;
	struct conduct *conduct = &space->destination->parked->conduct;

	if (why == RETIRED_DATA)
		return EVIDENCE_DATA;
	if (why == RETIRED_IDLE || why == RETIRED_AGE)
		conduct_stayed(conduct, idle_ns);
	if (why != RETIRED_FIN && why != RETIRED_RESET)
		return EVIDENCE_NONE;
	if (idle_ns <= CONDUCT_LATE_MOST_MS * CONDUCT_MS_NS)
		conduct_ended_deep(conduct, reuse->depth, now_ns);
	enum evidence evidence = conduct_closed(conduct, idle_ns, now_ns);
	USAGE_PUT(space->use->reuse_idle_limit_ms, (uint32_t)(conduct->idle_limit_ns / CONDUCT_MS_NS));
	return evidence;
}

/* Our close sends a FIN, as the program's would have, and the port waits as it would have. */
static enum ending ending_of(enum reuse_retirement why)
{
	switch (why) {
	case RETIRED_FIN:
		return ENDED_BY_PEER;
	case RETIRED_RESET:
	case RETIRED_DATA: /* left unread (RFC 2525, 2.17) */
		return ENDED_BY_RESET;
	case RETIRED_LOST:
		return ENDED_UNSEEN;
	default:
		return ENDED_TIME_WAIT;
	}
}

static void count_retired(struct reusing *reusing, const struct reuse *reuse, enum reuse_retirement why,
			  uint64_t now_ns)
{
	struct tuple_space *space = reuse->tracked->space;

	space->destination->parked->counts.retired[why]++;
	SPACE_REUSE_ADD(space, reuse_retired[why], 1);
	pool_distrust(reusing, space->destination,
		      learn(reuse, why, clock_since(reuse->parked_ns, now_ns), now_ns), now_ns);
}

void parked_let_go(struct reusing *reusing, struct reuse *reuse, enum reuse_retirement why, uint64_t now_ns,
		   struct retired *retired)
{
	struct tracked *tracked = reuse->tracked;
	struct parked_pool *pool = reuse_pool(reuse);

	if (retired)
		retired_add(retired, reuse);
	if (pool && !reuse->leaving)
		count_retired(reusing, reuse, why, now_ns);
	if (tracked->space) {
		space_ended(tracked->space, ending_of(why), now_ns);
		tracked->space = NULL;
	}
	tracked->state = SOCKET_FRESH;
	tracked_put(reusing->sockets, tracked);
}

void parked_retire(struct reusing *reusing, struct reuse *reuse, enum reuse_retirement why, uint64_t now_ns,
		   struct retired *retired)
{
	if (reuse->kept) {
		second_retire(reusing, reuse, retired);
		return;
	}
	list_leave(reusing, reuse, reuse->leaving ? NULL : reuse_pool(reuse));
	parked_let_go(reusing, reuse, why, now_ns, retired);
}

/* The same for one that nobody is in a hurry about. It stays in the list of all, until the server has closed
 * it, too. */
static void let_leave(struct reusing *reusing, struct reuse *reuse, enum reuse_retirement why,
		      uint64_t now_ns, struct retired *retired)
{
	struct parked_pool *pool = reuse_pool(reuse);

	if (!pool || reuse->kept || restraint_shut_in() || reusing->leaving_count >= LEAVING_MOST ||
	    !parked_is_there(reuse) || !leaving_begins(reuse->fd)) {
		parked_retire(reusing, reuse, why, now_ns, retired);
		return;
	}
	list_leave(reusing, reuse, pool);
	count_retired(reusing, reuse, why, now_ns);
	reuse->leaving = true;
	reusing->leaving_count++;
	reuse->parked_ns = now_ns;
	reuse->ready_ns = now_ns + LEAVING_LOOK_MS * CONDUCT_MS_NS;
	list_enter(reusing, reuse, reuse->ready_ns);
}

/* Has the server more to say? @over: it has ended it, and says no more. Told again it is no news. */
static void learn_from_end(struct reusing *reusing, const struct reuse *reuse, bool over, uint64_t now_ns)
{
	if (told_by(&reuse->guard) == TOLD_BY_PROTOCOL)
		return;
	int dead = parked_alive(reuse);
	if (dead < 0 && over)
		conduct_seen_off(&reuse_pool(reuse)->conduct);
	else if (dead == RETIRED_DATA)
		pool_distrust(reusing, reuse->tracked->space->destination, EVIDENCE_DATA, now_ns);
}

/* Return: when to look again; UINT64_MAX: it is gone. */
static uint64_t see_off(struct reusing *reusing, struct reuse *reuse, uint64_t now_ns,
			struct retired *retired)
{
	bool over = leaving_is_over(reuse->fd);

	learn_from_end(reusing, reuse, over, now_ns);
	if (!over && clock_since(reuse->parked_ns, now_ns) < LEAVING_MOST_MS * CONDUCT_MS_NS) {
		reuse->ready_ns = now_ns + LEAVING_LOOK_MS * CONDUCT_MS_NS;
		return reuse->ready_ns;
	}
	struct tuple_space *space = reuse->tracked->space;
	space_ended(space, over ? ENDED_BY_RESET : ENDED_TIME_WAIT, now_ns);
	reuse->tracked->space = NULL;
	parked_retire(reusing, reuse, RETIRED_IDLE, now_ns, retired);
	retired->fds[retired->count - 1].reset = over;
	return UINT64_MAX;
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

struct reuse *parked_take(struct reusing *reusing, struct parked_pool *pool, struct tracked *fresh,
			  uint64_t now_ns, struct retired *retired, uint64_t *ready_ns)
{
	struct reuse *next;

	*ready_ns = UINT64_MAX;
	for (struct reuse *reuse = pool->newest; reuse; reuse = next) {
		next = reuse->older;
		bool idle = now_ns - reuse->parked_ns >= idle_most(reuse, pool, now_ns);
		bool old = now_ns - reuse->opened_ns >= reuse->limits->max_age_ns;
		if ((idle || old) && retired->count + 1 < RETIRED_AT_ONCE) {
			let_leave(reusing, reuse, idle ? RETIRED_IDLE : RETIRED_AGE, now_ns, retired);
		} else if (reuse->ready_ns < *ready_ns && fits(reuse, fresh)) {
			if (!idle && !old && reuse->ready_ns <= now_ns) {
				list_leave(reusing, reuse, pool);
				return reuse;
			}
			if (reuse->ready_ns > now_ns)
				*ready_ns = reuse->ready_ns;
		}
	}
	return NULL;
}

void parked_make_way(struct reusing *reusing, struct parked_pool *pool, uint64_t now_ns,
		     struct retired *retired)
{
	if (pool->oldest && retired_has_room(retired))
		let_leave(reusing, pool->oldest, RETIRED_ROOM, now_ns, retired);
}

uint64_t parked_look_for(struct reusing *reusing, const struct parked_pool *pool, uint64_t now_ns)
{
	uint64_t look_ns = now_ns + conduct_asks_for_ns(pool ? &pool->conduct : &conduct_unknown);

	if (!reusing->holders || look_ns >= reusing->parked_look_ns)
		return 0;
	reusing->parked_look_ns = look_ns;
	return look_ns;
}

/* One that is about to be let go: is it for a new one to another destination? */
static void note_made_way(struct reusing *reusing, const struct reuse *reuse, uint64_t now_ns)
{
	struct parked_pool *pool = reuse_pool(reuse);

	if (!pool || reuse->leaving || reuse->kept || !reuse_may_hold_a_worker(reuse) ||
	    in_the_way_ns(reusing, pool, now_ns) > now_ns)
		return;
	conduct_made_way(&reusing->asked_last->conduct, now_ns);
	reusing->made_way = pool;
}

bool parked_is_there(const struct reuse *reuse)
{
	return socket_cookie(reuse->fd) == reuse->cookie;
}

/* Nobody else has the socket: what is taken out of its error is nobody else's. */
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

/* The end of its time: what the server did with it until then is learned. */
static enum reuse_retirement end_by_time(const struct reuse *reuse, uint64_t now_ns)
{
	int dead = reuse_pool(reuse) ? parked_alive(reuse) : -1;

	if (dead >= 0)
		return (enum reuse_retirement)dead;
	bool old = reuse_pool(reuse) && now_ns - reuse->opened_ns >= reuse->limits->max_age_ns;
	return old ? RETIRED_AGE : RETIRED_IDLE;
}

/* Return: when to look again; UINT64_MAX: it is gone. */
static uint64_t end_of_time(struct reusing *reusing, struct reuse *reuse, uint64_t now_ns,
			    struct retired *retired)
{
	if (reuse->leaving)
		return see_off(reusing, reuse, now_ns, retired);
	if (reuse->kept) {
		second_retire(reusing, reuse, retired);
		return UINT64_MAX;
	}
	enum reuse_retirement why = end_by_time(reuse, now_ns);
	if (why != RETIRED_IDLE && why != RETIRED_AGE) {
		parked_retire(reusing, reuse, why, now_ns, retired);
		return UINT64_MAX;
	}
	let_leave(reusing, reuse, why, now_ns, retired);
	return UINT64_MAX;
}

/* One that is parked. Return: when to look again, if not for anything else; UINT64_MAX: it is gone, or there
 * is no need. */
static uint64_t watch(struct reusing *reusing, struct reuse *reuse, uint64_t now_ns, struct retired *retired)
{
	struct parked_pool *pool = reuse_pool(reuse);

	if (!pool || reuse->leaving || reuse->kept || pool->crowd_until_ns <= now_ns)
		return UINT64_MAX;
	if (retired_has_room(retired) && somebody_waits(reuse, pool, now_ns)) {
		let_leave(reusing, reuse, RETIRED_ROOM, now_ns, retired);
		return UINT64_MAX;
	}
	return watch_ns(reuse, pool, now_ns);
}

bool parked_expire(struct reusing *reusing, uint64_t now_ns, struct retired *retired)
{
	uint64_t look_ns = UINT64_MAX;
	struct reuse *next;

	if (!reusing->parked_newest || now_ns < reusing->parked_look_ns)
		return false;
	reusing->parked_look_ns = UINT64_MAX; /* lowered by those that stay for a while as they leave */
	for (struct reuse *reuse = reusing->parked_newest; reuse; reuse = next) {
		next = reuse->all_older;
		uint64_t until_ns = end_of(reusing, reuse, reuse_pool(reuse), now_ns);
		if (until_ns <= now_ns && retired_has_room(retired)) {
			note_made_way(reusing, reuse, now_ns);
			until_ns = end_of_time(reusing, reuse, now_ns, retired);
		} else {
			uint64_t watch_again_ns = watch(reusing, reuse, now_ns, retired);
			until_ns = watch_again_ns < until_ns ? watch_again_ns : until_ns;
		}
		if (until_ns < look_ns)
			look_ns = until_ns;
	}
	if (look_ns < reusing->parked_look_ns)
		reusing->parked_look_ns = look_ns;
	return look_ns <= now_ns;
}

bool parked_give_up(struct reusing *reusing, enum reuse_retirement why, uint64_t now_ns,
		    struct retired *retired)
{
	bool any = reusing->parked_newest;

	while (reusing->parked_newest && retired_has_room(retired))
		parked_retire(reusing, reusing->parked_newest, why, now_ns, retired);
	return any;
}

void parked_lost(struct reusing *reusing, struct reuse *reuse, uint64_t now_ns)
{
	parked_retire(reusing, reuse, RETIRED_LOST, now_ns, NULL);
}
