// SPDX-License-Identifier: Apache-2.0
/* board - what processes of one user tell each other at once: which tuple spaces are past the knee, and which
 * sources fail towards a destination.
 *
 * A process that makes one connection and ends has no time to find out for itself. So whoever does (see
 * slowness.h) writes a row into a small file beside the usage segments, and a process that meets a
 * destination for the first time reads it: one file of some KB, not the segments of all, and what others than
 * processes of this user hold is in it too. A row names a network namespace by its cookie, has an end, and a
 * sum over it: a torn, old or foreign one is none. Where no usage segments are
 * kept there is no board.
 *
 * That a source fails (see trust.h) is believed for some seconds, and for twice as long when it fails again
 * right after that, five minutes at most. Where processes come seldom, once a minute by a timer say, so that
 * it takes a while until the next one fails, it is believed until a hundred or so have come by. Who is served
 * by the source after that ends it. It is advice to who has no experience with the source: others are taken
 * first, as long as there are any of which nothing bad is known. */
#ifndef HEADROOM_POOL_LEDGER_BOARD_H
#define HEADROOM_POOL_LEDGER_BOARD_H

#include "pool/base/address.h"
#include "pool/base/arena.h"
#include "pool/base/hot.h"
#include "pool/base/lock.h"
#include "pool/segment/writer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct held;

enum {
	BOARD_ROWS = 64,
	BOARD_EVERY_MS = 250,
	BOARD_FAILING_S = 8,
	BOARD_FAILING_MOST_S = 300,
	BOARD_PROBE_AFTER = 256,    /* times what went by between its end and the next failure */
	BOARD_SELDOM_MOST_S = 7200, /* at most; and so long it is remembered after its end */
	BOARD_TELL_EVERY_MS = 50,
};

enum board_kind { BOARD_PAST_KNEE, BOARD_FAILING };

struct board_row {
	uint64_t network; /* SO_NETNS_COOKIE */
	uint64_t until_ns;
	struct endpoint to;
	struct address source;
	uint32_t kind;       /* enum board_kind */
	uint32_t believed_s; /* from its beginning to its end, of one that fails */
	uint64_t sum;
};
_Static_assert(sizeof(struct board_row) == 72, "layout of the file");

/* The lock guards it. */
struct board {
	struct lock *lock;
	struct arena *arena;
	const struct usage_writer *writer; /* says where it is, and of which network */
	struct board_row *rows;            /* as read last; NULL: never */
	unsigned count;                    /* of them that are ours and hold or are remembered: the first */
	bool failing;                      /* of a source that fails */
	bool recalls;                      /* of one that did, and is to be tried */
	bool reading;                      /* a thread is at it, without the lock */
	uint64_t until_ns;                 /* read again after */
	uint64_t measured_ns;              /* a first connect() was measured last */
	atomic_bool to_tell;               /* there is something to be told: board_tell() */
	bool served;                       /* namely that the source works again, not that it fails */
	uint64_t told_ns;
	struct endpoint told_to;
	struct address told_source;
};

/**
 * board_is_there() - is there a file to read or to write? The lock is held
 */
bool board_is_there(const struct board *board);

/**
 * board_has_rows() - does the board say anything of a network namespace? For who is not to read it in vain
 * @place:	directory it is in
 */
bool board_has_rows(const char *place, uint64_t network, uint64_t now_ns);

/**
 * board_refresh() - read it; call without the lock
 * @held:	the socket it is for
 */
void board_refresh(struct board *board, const struct held *held, uint64_t now_ns);

/**
 * board_until() - how long a tuple space is past the knee, as of the last reading; the lock is held
 * @source:	unset: whichever
 * Return: clock_ns() of the end; 0: nothing is known
 */
uint64_t board_until(const struct board *board, const struct endpoint *to, const struct address *source,
		     uint64_t now_ns);

/**
 * board_put() - tell others; call without the lock
 */
void board_put(struct board *board, const struct held *held, const struct endpoint *to,
	       const struct address *source, uint64_t until_ns, uint64_t now_ns);

/**
 * board_failing() - has another process found a source to fail, as of the last reading? The lock is held
 */
bool board_failing(const struct board *board, const struct endpoint *to, const struct address *source,
		   uint64_t now_ns);

/**
 * board_note_failure() - a source has failed; the lock is held, and board_tell() is to follow without it
 */
void board_note_failure(struct board *board, const struct endpoint *to, const struct address *source,
			uint64_t now_ns);

/**
 * board_note_served() - a source has served; the lock is held, and board_tell() is to follow without it
 */
void board_note_served(struct board *board, const struct endpoint *to, const struct address *source,
		       uint64_t now_ns);

/**
 * board_tell_now() - the rest of board_tell()
 */
void board_tell_now(struct board *board, uint64_t now_ns);

/**
 * board_tell() - write down what was noted, if anything was; call without the lock
 */
static inline void board_tell(struct board *board, uint64_t now_ns)
{
	if (unlikely(atomic_load_explicit(&board->to_tell, memory_order_relaxed)))
		board_tell_now(board, now_ns);
}

#endif
