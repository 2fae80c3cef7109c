// SPDX-License-Identifier: Apache-2.0
/* board - what processes of one user tell each other at once: which tuple spaces are past the knee.
 *
 * A process that makes one connection and ends has no time to find out for itself. So whoever does (see
 * slowness.h) writes a row into a small file beside the usage segments, and a process that meets a
 * destination for the first time reads it: one file of 2 KB, not the segments of all, and what others than
 * processes of this user hold is in it too. A row names a network namespace by its cookie, has an end, and a
 * sum over it: a torn, old or foreign one is none. Where no usage segments are
 * kept there is no board. */
#ifndef HEADROOM_POOL_LEDGER_BOARD_H
#define HEADROOM_POOL_LEDGER_BOARD_H

#include "pool/base/address.h"
#include "pool/base/arena.h"
#include "pool/base/lock.h"
#include "pool/segment/writer.h"

#include <stdbool.h>
#include <stdint.h>

enum { BOARD_ROWS = 32, BOARD_EVERY_MS = 250 };

struct board_row {
	uint64_t network; /* SO_NETNS_COOKIE */
	uint64_t until_ns;
	struct endpoint to;
	struct address source;
	uint64_t sum;
};
_Static_assert(sizeof(struct board_row) == 64, "layout of the file");

/* The lock guards it. */
struct board {
	struct lock *lock;
	struct arena *arena;
	const struct usage_writer *writer; /* says where it is, and of which network */
	struct board_row *rows; /* as read last; NULL: never */
	bool filled;            /* there is one that is not over */
	bool reading;           /* a thread is at it, without the lock */
	uint64_t until_ns;      /* read again after */
	uint64_t measured_ns;   /* a first connect() was measured last */
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

#endif
