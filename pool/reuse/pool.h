// SPDX-License-Identifier: Apache-2.0
/* pool - the parked connections of one destination, and of the process, and what reuse did there. */
#ifndef HEADROOM_POOL_REUSE_POOL_H
#define HEADROOM_POOL_REUSE_POOL_H

#include "pool/base/arena.h"
#include "pool/base/lock.h"
#include "pool/ledger/ledger.h"
#include "pool/reuse/conduct.h"
#include "pool/socket/tracked.h"

#include <stdbool.h>
#include <stdint.h>

/* Why a connection was closed for real although its rule has a guard. */
enum reuse_refusal {
	REFUSED_GUARD,   /* the guard refused it: protocol, state, a word of one side */
	REFUSED_OPEN,    /* an exchange is under way, or none was made */
	REFUSED_SHARED,  /* another fd, another process or an epoll set may hold it */
	REFUSED_OPTION,  /* an option or binding that cannot be put back */
	REFUSED_STATE,   /* not established, or shut down */
	REFUSED_UNREAD,  /* bytes wait to be read, or to be sent */
	REFUSED_UNSEEN,  /* the kernel counted bytes that no hook saw */
	REFUSED_ROOM,    /* as many parked as may be, or connects follow one another too slowly for one to be
			    kept */
	REFUSED_USED_UP, /* max_uses or max_age */
	REFUSED_PAUSED,  /* reuse failed for this destination; off for a while */
	REFUSED_FDS,     /* no fd number for it */
	REFUSED_OFF,     /* the program ends, changed its network, or uses io_uring */
	REUSE_REFUSALS
};

/* Why a parked connection was let go. */
enum reuse_retirement {
	RETIRED_IDLE, /* idle_timeout, or the idle limit learned from the server */
	RETIRED_AGE,  /* max_age */
	RETIRED_FIN,  /* the server closed it */
	RETIRED_RESET,
	RETIRED_DATA, /* bytes came that nobody had asked for */
	RETIRED_ROOM, /* another took its place, or the program needs the fd */
	RETIRED_EXIT,
	RETIRED_LOST, /* its fd was closed or replaced where no hook sees it */
	REUSE_RETIREMENTS
};

struct reuse_counts {
	uint64_t hits, misses; /* connect() calls that got a parked connection, or a new one */
	uint64_t refused[REUSE_REFUSALS], retired[REUSE_RETIREMENTS];
	uint64_t first_use_failures; /* handed out, and dead before the first byte of a reply */
	uint64_t replaced;           /* found dead at the first send, and connected anew unseen */
};

struct reuse;

/* Of one destination; made with its first connection that may be parked, gone with the destination. */
struct parked_pool {
	struct reuse *newest, *oldest;
	uint32_t count;
	uint64_t backlog_ns;     /* who waits to be accepted is not asked for before that */
	uint64_t waits_since_ns; /* somebody was seen to; 0: nobody was, at the last look */
	uint64_t crowd_until_ns; /* somebody waited for a worker that was kept busy, and may do so again */
	struct conduct conduct;
	struct reuse_counts counts;
};

enum { LISTENERS_MAX = 64 };

/* Reuse pauses for a destination: what there is to tell of it. */
struct distrust {
	enum evidence evidence; /* EVIDENCE_NONE: nothing */
	unsigned seconds;
	struct endpoint to;
};

/* All of the process. The lock guards it. */
struct reusing {
	struct lock *lock;
	struct arena *arena;
	struct ledger *ledger;
	struct sockets *sockets;
	struct reuse *parked_newest; /* all parked connections of the process */
	struct reuse *blank;         /* among them a socket that nobody has connected, or NULL */
	struct parked_pool
		*asked_last; /* of the destination that a new connection was asked at last, or NULL */
	struct parked_pool
		*made_way; /* of one at which one was let go for such a connection to another, or NULL */
	uint32_t parked_count, parked_most, leaving_count;
	uint32_t holders;        /* parked ones that may hold a worker of their server */
	uint64_t parkings;       /* how many there were */
	int parked_from;         /* their fd numbers start here */
	bool no_parking;         /* from now on, whatever the rules say */
	uint64_t parked_look_ns; /* when the first of them is idle for too long */
	struct distrust distrust;
	struct reuse_counts dropped; /* at destinations that are no longer there */
	struct endpoint *listeners;  /* LISTENERS_MAX: the last ones of the program, if any rule reuses */
	unsigned listener_count;     /* of all there were */
};

/**
 * pool_start() - at the process's beginning, and in a forked child: nothing is parked
 * @reusing:	with the pointers to other states filled in
 */
void pool_start(struct reusing *reusing);

/**
 * pool_distrust() - reuse for a destination pauses, if there is evidence; the lock is held
 */
void pool_distrust(struct reusing *reusing, struct destination *destination, enum evidence evidence,
		   uint64_t now_ns);

/**
 * pool_asked(), pool_answered() - a new connection that may wait for a worker of the server was asked for the
 * first time, and is answered; the lock is held
 *
 * If the answer came as soon as what is kept to another one was let go, and not once only, it was in the way.
 */
void pool_asked(struct reusing *reusing, struct parked_pool *pool, uint64_t now_ns);
void pool_answered(struct reusing *reusing, struct parked_pool *pool, uint64_t now_ns);

/**
 * pool_add_counts() - add what reuse did at a destination
 */
void pool_add_counts(const struct destination *destination, struct reuse_counts *sum);

/* What the ledger is to know of it, but for `self`. */
extern const struct ledger_tenant pool_tenant;

#endif
