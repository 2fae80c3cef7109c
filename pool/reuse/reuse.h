// SPDX-License-Identifier: Apache-2.0
/* reuse - what is known of a connection that may be parked, and of the parked ones of a destination.
 *
 * Theory of operation
 *
 * A socket of a destination whose rule names a guard gets a struct reuse at its connect(). From then on every
 * byte the program sends or takes is shown to the guard. At close() of its last fd the connection is parked
 * if the guard says that its exchange is complete and the kernel says that nothing else is under way: our own
 * fd of it stays open, the program's is closed as it asked. The next connect() to that destination gets the
 * youngest parked connection put under its fd, after another look at it.
 *
 * The program's own socket, which the connection takes the place of, is left over: to make and unmake a
 * socket costs the kernel more than all the rest of a hand-out. If it is as it was made, it is kept as the
 * `blank`, for the program's next socket().
 *
 * The program believes in a fresh connection, so every doubt ends in a real close. What hooks cannot see
 * (stdio inside libc, io_uring, raw system calls) shows in the kernel's own byte counts, which must be equal
 * to the guard's.
 *
 * The server never has more connections of the program than it would have without us, but for those that
 * linger: a connect() that cannot be served from the pool takes one out of it first. Those that have been
 * idle for too long are closed on time by a thread of ours (keeper.h), as the program would have closed them.
 * What the server does with them decides for how long (conduct.h).
 *
 * Who does what:
 *
 *   pool/guard/             is the exchange complete? Fed with the bytes, makes no system call
 *   reuse.c                 what is known of one connection besides its record
 *   keep.c, serve.c         may it be parked; which one is handed out
 *   stake.c                 may what the program is about to ask go out on it
 *   parked.c, list.c        when is one let go; who is in
 *   blank.c                 the program's socket that is left over
 *   prompt.c                small pieces are not held back for longer than on a new connection
 *   second.c, retired.c     our number beside the program's, for a while; our numbers that are to be closed
 *   option_log.c, swap.c    make a parked connection like the program's socket, and put it under its number
 *   conduct.c               what the server was seen to do, and what follows: quiet time, idle time, pauses
 *   leaving.c               the end of a connection: a FIN, and no TIME_WAIT
 *   preload/parking/        the fd numbers of all that; the thread that ends what is parked on time
 *   preload/fds/renew.c     another connection in the place of one that ended
 *   preload/hooks/          io.c shows the bytes to the guard, epoll.c remembers epoll_ctl(), files.c gives
 *                           fds back on EMFILE
 *
 * A fork, spawn, exec, unshare(), setns(), a change of rights give the pool up first
 * (parking_stand_back()), also by syscall() (`syscall_seen`, a bit for each number). A forked child closes
 * what is parked, without a reset, which would end its parent's. */
#ifndef HEADROOM_POOL_REUSE_REUSE_H
#define HEADROOM_POOL_REUSE_REUSE_H

#include "pool/guard/guard.h"
#include "pool/reuse/option_log.h"
#include "pool/reuse/pool.h"
#include "pool/reuse/prompt.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { REUSE_EPOLLS_MAX = 4, REUSE_REQUEST_MAX = 8192 };

/* What was sent in this use, as long as it is not answered. */
struct request {
	char *bytes;   /* REUSE_REQUEST_MAX of them, or NULL */
	size_t size;   /* of them filled */
	uint64_t sent; /* all that was sent, whether kept or not */
};

/* How the program watches an fd: epoll_ctl(2). */
struct watch {
	int epoll;
	uint32_t events;
	uint64_t data;
};

/* One connection, or a socket that may become one. Guarded by the shim's lock, but for what `feeding` guards.
 */
struct reuse {
	struct tracked *tracked;
	const struct reuse_limits *limits;
	struct reuse *newer, *older;         /* while parked: of the same destination */
	struct reuse *all_newer, *all_older; /* and of the process */
	bool leaving;                        /* it has been let go, and waits for the server to close, too */
	bool kept;                           /* the program has it, and `fd` is still ours: second.h */
	int fd;                              /* ours, while parked or kept; else -1 */
	unsigned forks;                      /* of the process, when this one was made */
	uint64_t cookie;                     /* SO_COOKIE: tells it from a stranger under the number */
	int status;                          /* F_GETFL, while parked: nobody else has the socket then */
	uint64_t opened_ns, parked_ns, ready_ns;
	uint64_t asked_ns; /* the first request of this use was sent; 0: not yet */
	uint32_t uses;
	uint32_t depth;       /* so many answers it has given */
	uint64_t idle_ns;     /* so long it had been idle when it was handed out */
	bool shared;          /* was duplicated or passed */
	bool tried;           /* a connect() was made, whatever came of it */
	bool handed_out;      /* in use a second time or later */
	bool received_since;  /* something was received in this use of it, or its end */
	bool answered;        /* and the conduct of the server has it of it */
	bool cut;             /* it ended in an answer */
	bool at_risk;         /* and counts this one among those that may be lost */
	bool replacing;       /* another takes its place under the program's number, */
	bool replaced;        /* or has taken it */
	bool connect_to_come; /* a non-blocking connect() is to be told once that it worked */
	bool watches_unknown; /* it may be in an epoll set that `watch` does not have */
	uint8_t watches;
	struct watch watch[REUSE_EPOLLS_MAX];
	struct option_log options;
	uint8_t prompt; /* so often its pieces are still to go at once: prompt.h */
	bool repeated;  /* it took the place of one that ended without an answer, and its request was repeated
			 */
	struct request request; /* guarded by `feeding` */
	atomic_bool feeding;    /* a thread shows bytes to the guard */
	struct guard guard;
};

/* The pool of the destination that it is connected to; NULL: it is not. */
static inline struct parked_pool *reuse_pool(const struct reuse *reuse)
{
	const struct tuple_space *space = reuse->tracked->space;
	return space ? space->destination->parked : NULL;
}

/* How long the rule lets it be idle; 0: the rule says nothing. */
static inline uint64_t reuse_idle_said_ns(const struct reuse *reuse)
{
	return reuse->limits->given & REUSE_IDLE_TIMEOUT ? reuse->limits->idle_timeout_ns : 0;
}

/* A server may have a worker for each connection, and few of them (Apache, gunicorn, inetd): while one is
 * kept, who waits for a worker waits on. redis and memcached serve all at once; of others the rule may say
 * so. */
static inline bool reuse_may_hold_a_worker(const struct reuse *reuse)
{
	return reuse->guard.kind != GUARD_REDIS && reuse->guard.kind != GUARD_MEMCACHED &&
	       !(reuse->limits->given & (REUSE_MAX_USES | REUSE_MAX_AGE));
}

/**
 * reuse_of() - what is known of a tracked socket beyond struct tracked, made if new; the lock is held
 *
 * Made with the first option set, if any rule reuses, or at connect().
 * Return: NULL when memory is short
 */
struct reuse *reuse_of(struct reusing *reusing, struct tracked *tracked);

/**
 * reuse_forget() - the socket's record goes; the lock is held
 */
void reuse_forget(struct reusing *reusing, struct tracked *tracked);

/**
 * reuse_begin() - a socket is about to be connected for real; the lock is held
 *
 * With a guard in the rule, what it sends and receives is watched from here on (tracked.h).
 */
void reuse_begin(struct reusing *reusing, struct tracked *tracked, const struct endpoint *to,
		 const struct rule *rule);

/**
 * reuse_connects() - connect() of a socket that the pool did not serve: reuse_begin(), if it is not
 *connected; the lock is held Return: true if it was served before, and the program is to be told so: 0, once,
 *as by the kernel when a connect() that was under way has worked (connect(2))
 */
bool reuse_connects(struct reusing *reusing, struct tracked *tracked, const struct endpoint *to,
		    const struct rule *rule);

/**
 * reuse_note_listener() - the program listens here; the lock is held
 *
 * Its connections to itself are never parked: a thread of it may serve one at a time, and wait for its end,
 * while another waits for that thread and makes no call that would let go what is parked.
 */
void reuse_note_listener(struct reusing *reusing, const struct endpoint *local);

/* One call's worth of bytes in pieces, as readv(2) has them. */
struct iovec;

/**
 * reuse_sent(), reuse_received() - show bytes to the guard, without the lock
 * @held:	a reference to the socket's record
 * @size:	in bytes, of all pieces together; the rest of them is not looked at
 * Return: is it a piece of a request or an answer that was not the first, or is not the last, on a connection
 * that was handed out? Then prompt_push() or prompt_acknowledge()
 */
bool reuse_sent(struct reusing *reusing, const struct held *held, const struct iovec *pieces, size_t size);
bool reuse_received(struct reusing *reusing, const struct held *held, const struct iovec *pieces,
		    size_t size);

/**
 * reuse_next() - something is about to be sent on a connection that was handed out, and answered since
 *
 * If its exchange is complete, what follows is as on one that was handed out just now.
 */
void reuse_next(struct reusing *reusing, const struct held *held);

/**
 * reuse_risks(), reuse_risked() - what the connection is asked may be lost, or not any more; the lock is held
 */
void reuse_risks(struct parked_pool *pool, struct reuse *reuse, uint64_t now_ns);
void reuse_risked(struct parked_pool *pool, struct reuse *reuse);

/**
 * reuse_unseen() - bytes went where no guard can look
 */
void reuse_unseen(const struct held *held);

/**
 * reuse_ended() - the program got the end of the stream, or an error
 *
 * Before the last byte of a reply on a connection that was handed out, that is a failure of ours, and speaks
 * against the server.
 */
void reuse_ended(struct reusing *reusing, const struct held *held, uint64_t now_ns);

/**
 * reuse_closes() - the program closes the socket; the lock is held
 *
 * Without an answer on a connection that was handed out, after some time: it gave up, and that speaks against
 * the server.
 */
void reuse_closes(struct reusing *reusing, struct tracked *tracked, uint64_t now_ns);

/**
 * reuse_note_watch() - epoll_ctl() succeeded; the lock is held
 * @operation:	EPOLL_CTL_ADD, _MOD or _DEL
 */
void reuse_note_watch(struct reuse *reuse, int epoll, int operation, uint32_t events, uint64_t data);

/**
 * reuse_refusal_name(), reuse_retirement_name() - for counters and log lines: lower case and `_`
 */
const char *reuse_refusal_name(enum reuse_refusal refusal);
const char *reuse_retirement_name(enum reuse_retirement retirement);

#endif
