// SPDX-License-Identifier: Apache-2.0
/* renew - a connection that was handed out and ended without an answer: another takes its place, unseen. */
#include "preload/fds/renew.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/connect/attempt.h"
#include "pool/connect/ending.h"
#include "pool/reuse/parked.h"
#include "pool/reuse/reuse.h"
#include "pool/reuse/serve.h"
#include "pool/reuse/stake.h"
#include "pool/reuse/swap.h"
#include "pool/socket/binding.h"
#include "pool/socket/facts.h"
#include "pool/socket/progress.h"
#include "preload/base/fdtable.h"
#include "preload/base/process.h"
#include "preload/fds/closing.h"
#include "preload/fds/patience.h"
#include "preload/fds/used.h"
#include "preload/parking/parking.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum {
	/* A server that ends an idle connection does so while the request is on its way. One that ends it
	 * later may have died of the request. */
	REPEAT_WITHIN_MS = 1000,
	REPLACED_AGAIN_US = 200 /* another thread is at it */
};

struct anew {
	int fd;
	unsigned most_ms; /* how long to wait for the connection; 0: not at all */
	bool in_time;     /* what is not there by then is of no use */
	struct sockaddr_storage sa;
	socklen_t length;
};

/* Too large for the stack of a small thread. */
struct scratch {
	struct arena arena;  /* what it lies in */
	struct fresh fresh;  /* the program's socket */
	struct tracked like; /* the dead connection */
	struct tracked made; /* what the new socket begins as */
	struct endpoint to;
	enum why why;
	struct used used; /* where IT_WAS_USED */
	long error;       /* what came of connect() then */
	struct anew anew;
	struct watch set[REUSE_EPOLLS_MAX]; /* how the program set its watches */
	char text[1024];
};

/* Not of the shim's memory: in a child that a signal handler forks meanwhile that is gone. */
APART static struct scratch *scratch_make(void)
{
	struct arena arena = { 0 };
	struct scratch *scratch = arena_alloc(&arena, sizeof(*scratch));

	if (scratch) {
		scratch->arena = arena;
		scratch->used.rest = -1;
	}
	return scratch;
}

APART static void scratch_release(struct scratch *scratch)
{
	struct arena arena = scratch->arena;

	arena_release(&arena);
}

/* The socket is non-blocking: never does a program hang in a send() because of us. */
static long call_connect(void *argument)
{
	const struct anew *a = argument;
	struct timespec most = { .tv_sec = a->most_ms / 1000, .tv_nsec = a->most_ms % 1000 * 1000000l };
	struct pollfd wait = { .fd = a->fd, .events = POLLOUT };

	long rc = kernel.connect(a->fd, &a->sa, a->length);
	if (rc != -EINPROGRESS || !a->most_ms)
		return rc;
	if (kernel.ppoll(&wait, 1, &most) != 1)
		return a->in_time ? -ETIMEDOUT : rc;
	/* It tells what came of the first (connect(2)). */
	rc = kernel.connect(a->fd, &a->sa, a->length);
	return rc == -EISCONN ? 0 : rc;
}

/* A socket like the program's. This and the next are of frames of their own: connect_anew() is not to have
 * them below attempt_run(). Return: its fd, or a negative errno */
APART static long make_like(struct scratch *scratch)
{
	const struct tracked *like = &scratch->like;
	struct tracked *facts = &scratch->made;
	long fd =
		kernel_private_fd(kernel.socket(like->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (fd < 0)
		return fd;
	*facts = (struct tracked){ .family = like->family,
				   .flags = like->flags & HAS_SOURCE,
				   .bound = like->bound };
	long rc = option_log_replay((int)fd, &scratch->fresh.options);
	if (!rc && facts->flags & HAS_SOURCE)
		rc = binding_set_no_port((int)fd, 1) ?: binding_to((int)fd, like->family, &like->bound);
	if (!rc)
		return fd;
	kernel.close((int)fd);
	return rc;
}

/* The lock is held. Return: its record, ready for attempt_run(); NULL if there is no memory */
APART static struct tracked *enter_like(struct scratch *scratch, int fd, const struct rule *rule)
{
	struct tracked *tracked = fdtable_track(fd, &scratch->made);

	if (!tracked)
		return NULL;
	struct reuse *reuse = reuse_of(&shim.reusing, tracked);
	if (reuse)
		reuse->options = scratch->fresh.options;
	reuse_begin(&shim.reusing, tracked, &scratch->to, rule);
	return tracked;
}

/* A new socket like the program's, connected to the same destination. Return: its fd, or a negative errno;
 * *asked: the server was, and did not want it. */
APART static long connect_anew(struct scratch *scratch, unsigned most_ms, bool *asked)
{
	const struct endpoint *to = &scratch->to;
	const struct fresh *fresh = &scratch->fresh;
	struct anew *a = &scratch->anew;
	long fd = make_like(scratch), rc = 0;

	if (fd < 0)
		return fd;
	*a = (struct anew){ .fd = (int)fd,
			    .most_ms = most_ms,
			    .in_time = patience_ends(fresh->status, scratch->why) };
	a->length = endpoint_to_sockaddr(to, scratch->like.family, &a->sa);
	if (shim_enter(&shim)) {
		const struct rule *rule = settings_rule_for(&shim.settings, to, shim.process);
		struct tracked *tracked = enter_like(scratch, a->fd, rule);
		if (!tracked) {
			shim_leave(&shim);
			rc = -ENOMEM;
		} else {
			*asked = true;
			if (scratch->why == IT_WAS_USED)
				used_let_go(&scratch->used);
			rc = attempt_run(&shim.spreading, tracked, a->fd, to, rule, call_connect, a);
		}
	}
	bool connects = rc >= 0 || rc == -EINPROGRESS;
	if (connects && (fresh->status & O_NONBLOCK || !kernel.fcntl(a->fd, F_SETFL, fresh->status)))
		return fd;
	*asked &= !connects;
	kernel.close(a->fd);
	return connects ? -EBADF : rc;
}

/* The new connection has the old one's past: the guard and the conduct have the request. */
static void take_over(struct reuse *reuse, struct reuse *old, uint64_t now_ns)
{
	struct request request = old->request;
	const struct iovec sent = { .iov_base = request.bytes, .iov_len = request.size };

	old->request = reuse->request;
	reuse->request = request;
	reuse->repeated = true;
	reuse->asked_ns = now_ns;
	guard_sent(&reuse->guard, sent.iov_base, sent.iov_len);
}

/* What the end of the old one tells of the server. The lock is held. */
static void note_replaced(const struct tracked *old, enum why why, uint64_t now_ns)
{
	struct parked_pool *pool = old->space->destination->parked;
	enum evidence evidence = EVIDENCE_NONE;

	reuse_risked(pool, old->reuse);
	if (why == IT_WAS_USED) {
		pool->counts.retired[RETIRED_ROOM]++;
		SPACE_REUSE_ADD(old->space, reuse_retired[RETIRED_ROOM], 1);
		return;
	}
	pool->counts.replaced++;
	uint64_t idle_ns = clock_since(old->reuse->parked_ns, now_ns);
	if (why == IT_IS_DEAD_REPEAT || idle_ns <= CONDUCT_LATE_MOST_MS * CONDUCT_MS_NS)
		conduct_ended_deep(&pool->conduct, old->reuse->depth, now_ns);
	if (why == IT_IS_DEAD_REPEAT)
		evidence = conduct_lost(&pool->conduct, true);
	else
		evidence = conduct_closed(&pool->conduct, idle_ns, now_ns);
	pool_distrust(&shim.reusing, old->space->destination, evidence, now_ns);
}

/* Another thread may have changed meanwhile how it is watched. The lock is held. */
static void watched_meanwhile(struct scratch *scratch, const struct reuse *old)
{
	struct fresh *fresh = &scratch->fresh;

	if (old->watches == fresh->watches &&
	    !memcmp(old->watch, scratch->set, fresh->watches * sizeof(*fresh->watch)))
		return;
	fresh->watches = old->watches;
	memcpy(fresh->watch, old->watch, sizeof(fresh->watch));
}

/* The lock is held. */
static bool swap(int anew, const struct tracked *old, struct scratch *scratch)
{
	bool elsewhere = old->reuse->forks != *shim.sockets.forks, was_used = scratch->why == IT_WAS_USED;

	watched_meanwhile(scratch, old->reuse);
	/* It goes on for a moment, for those who wait for it: no set is to tell of that. */
	if (was_used)
		used_stays(&scratch->used, anew);
	if (swap_place(&scratch->fresh, anew, elsewhere || was_used) >= 0)
		return true;
	if (was_used)
		used_stays_not(&scratch->used);
	return false;
}

static enum ending ending_of(const struct scratch *scratch)
{
	return scratch->why != IT_WAS_USED ? ENDED_BY_PEER
	       : scratch->used.over        ? ENDED_BY_RESET
					   : ENDED_TIME_WAIT;
}

/* Puts a new connection under the program's number, if that is still the dead one's. The lock is held. A
 * child may have the dead one, too: for it nothing changes. */
static bool put_in_place(int fd, int anew, const struct tracked *dead, struct scratch *scratch)
{
	struct tracked *tracked = fdtable_look(anew), *old = fdtable_look(fd);

	if (!tracked || old != dead || old->fds != 1 || !swap(anew, old, scratch))
		return false;
	uint64_t now_ns = clock_ns();
	fdtable_take(anew);
	if (old->space) {
		note_replaced(old, scratch->why, now_ns);
		space_ended(old->space, ending_of(scratch), now_ns);
		old->space = NULL;
	}
	if (scratch->why == IT_IS_DEAD_REPEAT && tracked->reuse)
		take_over(tracked->reuse, old->reuse, now_ns);
	old->state = SOCKET_FRESH;
	old->reuse->replaced = true;
	if (tracked->reuse)
		serve_number(tracked->reuse, &scratch->fresh);
	fdtable_replace(fd, old, tracked);
	tracked_put(&shim.sockets, old);
	kernel.close(anew);
	return true;
}

/* Return: was the dead connection taken apart? Then its socket is as it was before connect() (connect(2)). */
static bool disconnect(int fd, const struct held *dead)
{
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct tracked *tracked = dead->tracked;

	if (!shim_enter_held(&shim, dead))
		return false;
	/* Nobody else has the socket, nor can close the number while the lock is held. */
	bool gone = fdtable_look(fd) == tracked && tracked->fds == 1 && tracked->space && tracked->reuse &&
		    !tracked->reuse->shared && tracked->reuse->forks == *shim.sockets.forks &&
		    !kernel.connect(fd, &nobody, sizeof(nobody));
	if (gone) {
		reuse_risked(tracked->space->destination->parked, tracked->reuse);
		tracked->space->destination->parked->counts.replaced++;
	}
	shim_leave(&shim);
	if (gone) {
		ending_apart(&shim.spreading, dead, fd, ENDED_BY_PEER);
	}
	return gone;
}

/* Connects the dead connection's own socket once more, where another cannot be had. An epoll set may show it
 * as ended for a moment, so this comes second. */
APART static bool connect_itself(int fd, const struct held *dead, struct scratch *scratch, int status)
{
	const struct endpoint *to = &scratch->to;
	struct anew *a = &scratch->anew;
	const struct rule *rule = settings_rule_for(&shim.settings, to, shim.process);

	*a = (struct anew){ .fd = fd,
			    .most_ms = patience_ms(fd, status, IT_IS_DEAD),
			    .in_time = patience_ends(status, IT_IS_DEAD) };
	a->length = endpoint_to_sockaddr(to, scratch->like.family, &a->sa);
	if (!disconnect(fd, dead) || !shim_enter_held(&shim, dead))
		return false;
	if (fdtable_look(fd) != dead->tracked) {
		shim_leave(&shim);
		return false;
	}
	reuse_begin(&shim.reusing, dead->tracked, to, rule);
	if (!(status & O_NONBLOCK))
		kernel.fcntl(fd, F_SETFL, status | O_NONBLOCK);
	long rc = attempt_run(&shim.spreading, dead->tracked, fd, to, rule, call_connect, a);
	if (!(status & O_NONBLOCK))
		kernel.fcntl(fd, F_SETFL, status);
	return rc >= 0 || rc == -EINPROGRESS;
}

/* What was sent in vain, once more. Return: false if not all of it was taken. */
static bool repeat(int fd, const struct request *request)
{
	size_t done = 0;

	while (done < request->size) {
		long rc = kernel.sendto(fd, request->bytes + done, request->size - done,
					MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
		if (rc <= 0)
			return false;
		done += (size_t)rc;
	}
	return true;
}

/* Of a frame of its own: connect_anew() is not to have it below it. */
APART static void close_unused(int anew)
{
	struct closing closing;
	bool known = closing_begin_unparked(anew, &closing);

	kernel.close(anew);
	if (known)
		closing_end(&closing);
}

/* Makes a new connection in the place of a dead one. Return: did it work? */
static bool connect_another(int fd, struct held *dead, struct scratch *scratch)
{
	const struct fresh *fresh = &scratch->fresh;
	bool repeats = scratch->why == IT_IS_DEAD_REPEAT, may_itself = scratch->why == IT_IS_DEAD;
	bool asked = false, placed = false;

	int anew = (int)connect_anew(scratch, patience_ms(fd, fresh->status, scratch->why), &asked);
	if (anew < 0) {
		scratch->error = asked ? anew : 0;
		used_give_up(&scratch->used, dead);
		return !asked && may_itself && connect_itself(fd, dead, scratch, fresh->status);
	}
	/* Nobody else sends on it: this thread is in the call. */
	bool ready = !repeats || repeat(anew, &scratch->like.reuse->request);
	/* As late as can be. */
	swap_see(&scratch->fresh, scratch->text, sizeof(scratch->text));
	if (ready && shim_enter_held(&shim, dead)) {
		placed = put_in_place(fd, anew, dead->tracked, scratch);
		shim_leave(&shim);
	}
	if (placed) {
		used_end(&scratch->used);
		return true;
	}
	used_give_up(&scratch->used, dead);
	close_unused(anew);
	/* Ended already. */
	if (scratch->why == IT_WAS_USED)
		scratch->error = -ECONNRESET;
	return may_itself && connect_itself(fd, dead, scratch, fresh->status);
}

/* Has this thread the connection for itself, and did it end before an answer? Then: what it was like. */
static bool may_be_renewed(int fd, const struct held *dead, struct scratch *scratch, bool *known)
{
	if (!shim_enter_held(&shim, dead))
		return false;
	struct tracked *tracked = dead->tracked;
	struct reuse *reuse = tracked->reuse;
	/* Who has shut it down has no use for one that is not, and waits for its end. */
	bool good = reuse && !(tracked->flags & WAS_SHUT) && tracked->space && fdtable_look(fd) == tracked &&
		    tracked->fds == 1 && reuse->handed_out && !reuse->received_since && !reuse->repeated &&
		    !reuse->shared && !reuse->replacing;
	if (good && reuse->guard.asked) {
		scratch->why = IT_IS_DEAD_REPEAT;
		good = reuse->request.size == reuse->request.sent && guard_may_repeat(&reuse->guard) &&
		       clock_since(reuse->asked_ns, clock_ns()) <= REPEAT_WITHIN_MS * CONDUCT_MS_NS;
	}
	/* What no hook saw being sent (dprintf(), stdio) would be missing on another. */
	if (good && socket_sent_more(fd, reuse->guard.sent))
		good = false;
	if (good) {
		scratch->like = *tracked;
		scratch->to = tracked->space->destination->to;
		/* What is not known to be set on it would not be set on another. */
		*known = swap_look(fd, reuse, &scratch->fresh) && !reuse->options.others;
		memcpy(scratch->set, scratch->fresh.watch, sizeof(scratch->set));
		reuse->replacing = true;
	}
	shim_leave(&shim);
	if (good && *known)
		*known = swap_see(&scratch->fresh, scratch->text, sizeof(scratch->text));
	return good;
}

/* The end of what may_be_renewed() began. */
static void replacing_ends(const struct held *dead)
{
	if (!shim_enter_held(&shim, dead))
		return;
	dead->tracked->reuse->replacing = false;
	shim_leave(&shim);
}

static bool renew(int fd, struct held *dead)
{
	struct scratch *scratch = scratch_make();
	bool known, renewed = false;

	if (!scratch)
		return false;
	if (may_be_renewed(fd, dead, scratch, &known)) {
		long status = kernel.fcntl(fd, F_GETFL, 0);
		renewed = known ? connect_another(fd, dead, scratch)
				: scratch->why == IT_IS_DEAD &&
					  connect_itself(fd, dead, scratch, status < 0 ? 0 : (int)status);
		replacing_ends(dead);
	}
	scratch_release(scratch);
	return renewed;
}

/* The same for one that was used, before anything is sent on it. Return: as of renew_before_send(). */
APART static int make_new(int fd, struct held *used)
{
	struct scratch *scratch = scratch_make();
	bool known;

	if (!scratch)
		return 0;
	if (may_be_renewed(fd, used, scratch, &known)) {
		/* One that somebody else may have is not ours to end. */
		if (known && scratch->why == IT_IS_DEAD &&
		    used->tracked->reuse->forks == *shim.sockets.forks) {
			scratch->why = IT_WAS_USED;
			scratch->used.fd = fd;
			connect_another(fd, used, scratch);
		}
		replacing_ends(used);
	}
	int error = (int)scratch->error;
	scratch_release(scratch);
	return error;
}

/* What is under the number now. Return: false if nothing is: the reference stays the old one. */
static bool hold_anew(int fd, struct held *held)
{
	struct held anew;

	if (!fdtable_hold(fd, &anew))
		return false;
	fdtable_release(held);
	*held = anew;
	return true;
}

static bool renew_and_hold(int fd, struct held *held)
{
	return renew(fd, held) && hold_anew(fd, held);
}

/* The first request of this use cannot be answered any more, nor asked again. A call that sent on would have
 * the program killed by SIGPIPE, as the look has taken the error; or it would get what somebody else was
 * answered. */
APART static int lost_before_send(const struct held *held, bool asked, long there)
{
	bool foreign = there > 0 && !asked, dead = there < 0 && there != -EAGAIN;

	if (!held->tracked->reuse->handed_out || (!foreign && !dead))
		return 0;
	reuse_ended(&shim.reusing, held, clock_ns());
	return dead ? (int)there : -ECONNRESET;
}

APART int renew_before_send(int fd, const struct iovec *pieces, size_t count)
{
	struct held held;
	char byte;
	int saved = errno, error = 0;

	if (!fdtable_hold(fd, &held))
		return 0;
	if (held.tracked->watched & LATER_SEND)
		reuse_next(&shim.reusing, &held);
	const struct reuse *reuse = held.tracked->reuse;
	if (reuse && !reuse->received_since) {
		/* An answer to a request that is not whole is the guard's to judge. */
		if (!socket_is_quiet(fd)) {
			long there = kernel.recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
			bool asked = reuse->guard.asked;
			if ((!asked || there <= 0) && !renew(fd, &held))
				error = lost_before_send(&held, asked, there);
		} else if (!reuse->guard.asked && reuse->handed_out &&
			   (!count || !stake_allows(&shim.reusing, &held, pieces, count))) {
			error = make_new(fd, &held);
		}
	} else {
		held.tracked->watched &= (uint8_t)~FIRST_SEND;
	}
	fdtable_release(&held);
	errno = saved;
	return error;
}

/* A call for no bytes gives 0, too. */
static bool is_end(int fd, ssize_t rc, int error)
{
	char byte;

	if (rc < 0)
		return error == ECONNRESET || error == EPIPE || error == ENOTCONN;
	return kernel.recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Has another thread put another connection under the number, or is about to? Then this one's end is not for
 * the program to see. */
static bool is_replaced(int fd, struct held *held)
{
	const struct timespec pause = { .tv_nsec = REPLACED_AGAIN_US * 1000l };
	uint64_t until_ns = clock_ns() + 2 * PATIENCE_MOST_MS * CONDUCT_MS_NS;
	bool replacing = true, replaced = false;

	/* A thread that left its call by siglongjmp() never comes to the end of it. */
	while (replacing && clock_ns() < until_ns) {
		if (!shim_enter_held(&shim, held))
			return false;
		const struct reuse *reuse = held->tracked->reuse;
		replaced = reuse && reuse->replaced;
		replacing = reuse && reuse->replacing && !replaced;
		shim_leave(&shim);
		if (replacing)
			kernel.ppoll(NULL, 0, &pause);
	}
	return replaced && hold_anew(fd, held);
}

COLD bool renew_after_end(int fd, struct held *held, ssize_t rc)
{
	int saved = errno;

	if (!(held->tracked->watched & FIRST_SEND) || (rc < 0 && saved == EAGAIN))
		return false;
	if (is_replaced(fd, held)) {
		errno = saved;
		return true;
	}
	if (!is_end(fd, rc, saved))
		return false;
	bool renewed = renew_and_hold(fd, held);
	errno = saved;
	return renewed;
}

COLD bool renew_after_error(int fd, struct held *held)
{
	int saved = errno;
	bool renewed = held->tracked->watched & FIRST_SEND && renew_and_hold(fd, held);

	errno = saved;
	return renewed;
}
