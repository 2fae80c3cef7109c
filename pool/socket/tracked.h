// SPDX-License-Identifier: Apache-2.0
/* tracked - what is known of one TCP socket of the program. */
#ifndef HEADROOM_POOL_SOCKET_TRACKED_H
#define HEADROOM_POOL_SOCKET_TRACKED_H

#include "pool/base/address.h"
#include "pool/base/arena.h"
#include "pool/base/hot.h"
#include "pool/base/lock.h"
#include "pool/log/log.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum socket_state {
	SOCKET_FRESH,      /* not connected */
	SOCKET_CONNECTING, /* connect() is under way, or was left to the kernel; a port is taken */
	SOCKET_OPEN,       /* connected; a port is taken */
	SOCKET_BROKEN,     /* an asynchronous connect() failed and the program read the error; no port */
	SOCKET_PARKED,     /* ours for now, and the program does not know of it: see parked.h */
};

/* What the program did to the socket, and what we did. Set by hooks; asked from the kernel for an fd whose
 * making was not seen. */
enum socket_flag {
	HAS_PORT = 1u << 0,        /* bound to a port by the program */
	HAS_SOURCE = 1u << 1,      /* bound to a source by the program; `bound` holds it */
	OWN_NO_PORT = 1u << 2,     /* the program set IP_BIND_ADDRESS_NO_PORT */
	OWN_RANGE = 1u << 3,       /* the program set IP_LOCAL_PORT_RANGE */
	PINNED = 1u << 4,          /* a routing option: its source is not ours to choose (routes/options.h) */
	REUSES_PORT = 1u << 5,     /* SO_REUSEPORT: bind(ip, 0) is not deferred */
	ABORTS_ON_CLOSE = 1u << 6, /* SO_LINGER with time 0: close() sends RST */
	FIN_SENT_FIRST = 1u << 7,  /* shutdown() by us while the peer had not closed */
	DEFERRED = 1u << 8,        /* bind(ip, 0) was done without a port */
	SOURCE_BY_US = 1u << 9,    /* bound to a source by us, for spreading */
	RANGE_BY_US = 1u << 10,    /* IP_LOCAL_PORT_RANGE set by us */
	NO_PORT_BY_US = 1u << 11,  /* IP_BIND_ADDRESS_NO_PORT set by us */
	IN_CALL = 1u << 12,        /* an attempt is under way in some thread */
	CLOSED_IN_CALL = 1u << 13, /* and another thread closed the fd meanwhile */
	BOUND_ONCE =
		1u << 15, /* we did, at some time: the kernel then keeps a source past a failed connect() */
	WAS_SHUT = 1u << 14, /* shutdown() in some direction: recv() no longer tells who closed */
	/* TCP Fast Open: it may be told to be open before the peer has answered. Or SO_RCVLOWAT: what poll()
	 * is silent about need not be nothing. */
	LOOK_CLOSELY = 1u << 16,
	HELD_ELSEWHERE = 1u << 17, /* another process may hold it: sent to it (SCM_RIGHTS), or got from it */
	HAS_CLASS = 1u << 18,  /* IP_TOS or IPV6_TCLASS: `traffic_class` holds it; it may bear on the route */
	UNUSUAL = 1u << 19,    /* before it was connected something was done to it that shown_port.h minds */
	PART_BY_US = 1u << 20, /* RANGE_BY_US, and only a part of the range: see knee.h */
	NO_TIME_WAIT = 1u << 22, /* TCP_LINGER2 below 0: closed by us first it leaves none (tcp(7)) */
	PORT_SHOWN = 1u << 21,   /* HAS_PORT, as the program asked for that of bind(ip, 0): shown_port.h */
	TELL_TURNED_AWAY = 1u << 31, /* of no socket: for socket_ending() */
};

/* What the calls that send and receive have to do: see reuse.h. */
enum watching {
	WATCHED = 1,    /* its bytes are shown to a guard */
	FIRST_SEND = 2, /* handed out, and not answered since */
	LATER_SEND = 4, /* handed out, and answered since: what is sent next is another first one, where a
			 * request stands for itself */
};

struct tuple_space;
struct reuse;

/* One socket; several fds may refer to it. Guarded by the shim's lock. */
struct tracked {
	uint64_t cookie; /* SO_COOKIE, while DEFERRED or PORT_SHOWN: tells it from another socket under its fd
			    number */
	struct tuple_space *space; /* where it is counted, while CONNECTING or OPEN; may be NULL then */
	struct address bound;
	union {
		struct tracked *next_spare; /* of an unused record */
		struct reuse *reuse;        /* of a used one: see reuse.h; NULL for most */
	};
	union {
		const void *caller; /* while IN_CALL: the thread whose attempt it is, by lock_thread() */
		unsigned forks; /* before the first: sockets.forks as it was made, or its port was shown */
	};
	uint32_t references; /* fds, and hooks at work on it */
	uint32_t fds;        /* fd numbers that stand for it */
	uint32_t flags;      /* enum socket_flag */
	uint8_t state;
	uint8_t family;        /* AF_INET or AF_INET6 */
	uint8_t watched;       /* enum watching: read without the lock */
	uint8_t traffic_class; /* see routes/options.h */
};
_Static_assert(sizeof(struct tracked) == 64, "one cache line");

/* What the wings above are told of a record. The lock is held. */
struct tracked_tenant {
	/* It goes, and its `reuse` is set. */
	void (*forget_reuse)(void *self, struct tracked *tracked);
	/* Its number is another file's by now, as no hook saw it closed; the number's reference is to be
	 * given back. */
	void (*lost)(void *self, struct tracked *tracked);
	void *self;
};

/* All of the process. The lock guards it. */
struct sockets {
	struct lock *lock;
	struct arena *arena;
	const struct log *log;
	struct tracked *spare;      /* unused records */
	atomic_uint deferred_count; /* sockets to be given a port before others can see them */
	uint64_t deferrals;
	atomic_uint *forks; /* processes that may hold our fds were made; see shim_count_forks() */
	struct tracked_tenant tenant;
};

/**
 * tracked_new() - a record for a socket, with one reference
 * Return: NULL when memory is short
 */
struct tracked *tracked_new(struct sockets *sockets, int family);

/**
 * tracked_forget() - the rest of tracked_put() for a record that others know of
 */
void tracked_forget(struct sockets *sockets, struct tracked *tracked);

/**
 * tracked_lost() - a number that stood for the record was closed unseen, and is out of the table; the lock is
 * held. Gives the number's reference back: of all that end so, and of what is parked, one place sees to
 * (shim.c).
 */
void tracked_lost(struct sockets *sockets, struct tracked *tracked);

/**
 * tracked_put() - drop a reference; the last one frees the record
 */
static inline void tracked_put(struct sockets *sockets, struct tracked *tracked)
{
	if (--tracked->references)
		return;
	if (unlikely(tracked->flags & DEFERRED || tracked->reuse))
		tracked_forget(sockets, tracked);
	tracked->next_spare = sockets->spare;
	sockets->spare = tracked;
}

#endif
