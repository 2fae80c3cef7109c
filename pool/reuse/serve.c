// SPDX-License-Identifier: Apache-2.0
/* serve - a connect() that the pool may serve: which connection, made like the program's socket, and put
 * under its number. */
#include "pool/reuse/serve.h"

#include "pool/base/clock.h"
#include "pool/base/kernel.h"
#include "pool/reuse/blank.h"
#include "pool/reuse/stake.h"
#include "pool/reuse/swap.h"

#include <fcntl.h>
#include <string.h>

/* A blocking connect() waits for so long for a connection to become ready, rather than have another made. A
 * non-blocking one waits no longer than a connect() takes, but for the first few, by which a server is known.
 */
enum { WAIT_MOST_US = 2500, WAIT_NONBLOCKING_US = 1000 };

/* Return: in ns. */
static uint64_t most_to_wait_ns(int status, const struct conduct *conduct)
{
	bool shortly = status & O_NONBLOCK && conduct->calm >= CONDUCT_CALM_IN_DOUBT;
	return (shortly ? WAIT_NONBLOCKING_US : WAIT_MOST_US) * 1000ull;
}

/* Nobody else has the socket, nor is at work on it. */
static bool may_be_swapped(const struct reusing *reusing, const struct tracked *fresh)
{
	return fresh && fresh->state == SOCKET_FRESH && !(fresh->flags & IN_CALL) && fresh->fds == 1 &&
	       fresh->references == 1 &&
	       !(fresh->reuse && (fresh->reuse->shared || fresh->reuse->forks != *reusing->sockets->forks));
}

void serve_number(struct reuse *reuse, const struct fresh *fresh)
{
	reuse->watches = fresh->watches;
	memcpy(reuse->watch, fresh->watch, sizeof(reuse->watch));
}

/* The connection's next use. */
static void begin_use(struct reusing *reusing, struct reuse *reuse, const struct fresh *fresh,
		      uint64_t now_ns)
{
	struct parked_pool *pool = reuse_pool(reuse);

	guard_reset(&reuse->guard);
	reuse->uses++;
	reuse->forks = *reusing->sockets->forks;
	reuse->handed_out = true;
	reuse->prompt = PROMPT_SEGMENTS;
	reuse->received_since = reuse->answered = reuse->repeated = reuse->cut = reuse->replacing = false;
	reuse->request.size = reuse->request.sent = 0;
	if (!reuse->request.bytes && guard_repeats(&reuse->guard))
		reuse->request.bytes = arena_alloc(reusing->arena, REUSE_REQUEST_MAX);
	reuse->asked_ns = 0;
	reuse->connect_to_come = fresh->status & O_NONBLOCK;
	pool->counts.hits++;
	conduct_hit(&pool->conduct);
	if (!stake_by_request(reuse))
		reuse_risks(pool, reuse, now_ns);
	reuse->idle_ns = clock_since(reuse->parked_ns, now_ns);
	conduct_stayed(&pool->conduct, clock_since(reuse->parked_ns, now_ns));
	SPACE_REUSE_ADD(reuse->tracked->space, reuse_hits, 1);
	reuse->tracked->state = SOCKET_OPEN;
	reuse->tracked->watched = WATCHED | FIRST_SEND;
	serve_number(reuse, fresh);
}

/* Return: -1 if the connection is under the program's number, else why it is to be let go, as an enum
 * reuse_retirement. */
static int put_in(struct reusing *reusing, struct reuse *reuse, struct tracked *fresh,
		  const struct fresh *like, struct served *served)
{
	int dead = parked_alive(reuse);

	if (dead >= 0)
		return dead;
	served->blank = blank_keep(reusing, fresh, like->fd, like->status);
	if (!swap_in(like, reuse->fd, reuse->status, &reuse->options))
		return -1;
	if (served->blank >= 0 && !fresh->reuse->kept)
		kernel.close(served->blank);
	served->blank = -1;
	return RETIRED_ROOM;
}

bool serve_connect(struct reusing *reusing, struct parked_pool *pool, struct tracked *fresh, int fd,
		   uint64_t waited_ns, uint64_t now_ns, struct served *served, struct retired *retired)
{
	static struct fresh like; /* by the lock: too large for the stack of a small thread */
	uint64_t ready_ns = UINT64_MAX;
	struct reuse *reuse;

	*served = (struct served){ .own = -1, .blank = -1 };
	if (!pool->count || pool->conduct.paused_until_ns > now_ns || reusing->no_parking ||
	    (!stake_by_request(pool->newest) && !conduct_may_risk(&pool->conduct, now_ns)) ||
	    !may_be_swapped(reusing, fresh) || !swap_look(fd, fresh->reuse, &like) ||
	    swap_reports_once(&like))
		return false;
	while (retired_has_room(retired) &&
	       (reuse = parked_take(reusing, pool, fresh, now_ns, retired, &ready_ns))) {
		int own = reuse->fd, dead = put_in(reusing, reuse, fresh, &like, served);
		if (dead >= 0) {
			parked_let_go(reusing, reuse, (enum reuse_retirement)dead, now_ns, retired);
			continue;
		}
		begin_use(reusing, reuse, &like, now_ns);
		served->reuse = reuse;
		served->own = own;
		served->status = like.status;
		return true;
	}
	if (ready_ns != UINT64_MAX &&
	    waited_ns + (ready_ns - now_ns) <= most_to_wait_ns(like.status, &pool->conduct))
		served->wait_ns = ready_ns - now_ns;
	return false;
}
