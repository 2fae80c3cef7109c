// SPDX-License-Identifier: Apache-2.0
/* heritage - what a process that forks again and again finds out once for all its children.
 *
 * A server that forks for each connection: each child would look where the counts of its kind are kept, in
 * which network namespace it is, what the port range is and whether there is a board, and that takes longer
 * than its connection. So the parent looks, before its 8th fork, its 16th, and so on; once it has found that
 * many of its name end soon (recent.h) it looks again when what it knows is HERITAGE_LIFE_MS old. A child
 * takes over what is no older, if it still is the same user when it first connects.
 *
 * A process looks for its children every 250 ms at most, and maps the file that they are counted in: a child
 * opens no file, and no /proc is read. What a forked child costs is mostly pages: each that it touches first
 * is 1 to 3 us. So all that it writes at its start is in one page (shim.h), and libheadroom.so is linked
 * without crtbegin.o. */
#ifndef HEADROOM_POOL_LEDGER_HERITAGE_H
#define HEADROOM_POOL_LEDGER_HERITAGE_H

#include "pool/ports/range.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ledger;
struct recent;

enum { HERITAGE_FORKS = 8, HERITAGE_LIFE_MS = 250, HERITAGE_PATH_MAX = 256 };

/* Of the parent; a child has its copy. */
struct heritage {
	atomic_bool whole;  /* another thread may fork while it is written */
	atomic_uint *forks; /* of this process; see shim_count_forks() */
	unsigned uid;
	_Atomic(uint64_t) until_ns; /* 0: there is none */
	uint64_t network_namespace, network_cookie;
	struct port_range range;
	uint64_t range_until_ns;
	bool board;                    /* there is something on it, to be read by who needs it */
	struct recent *recent;         /* the file of the counts, mapped; NULL: it is not */
	char place[HERITAGE_PATH_MAX]; /* directory of the counts, see recent.h */
};

/**
 * heritage_count_fork() - this process is about to fork, whether or not it uses the shim
 * Return: for the how many-th time
 */
unsigned heritage_count_fork(struct ledger *ledger);

/**
 * heritage_before_fork() - for a process that does; call without the lock
 * @forks:	from heritage_count_fork(); fewer than HERITAGE_FORKS: nothing is looked at
 */
void heritage_before_fork(struct ledger *ledger, unsigned forks);

/**
 * heritage_take() - in a forked child: begin with what the parent found out, if it is not too old
 */
void heritage_take(struct ledger *ledger);

/**
 * heritage_drop() - it does not hold here: this process looks for itself; the lock is held, or nobody else is
 * there
 */
void heritage_drop(struct ledger *ledger);

/**
 * heritage_let_go() - what is mapped is not needed: this process does not count with those of its kind
 */
void heritage_let_go(struct heritage *heritage);

/**
 * heritage_is_ours() - has this process the user still that it was forked as?
 */
bool heritage_is_ours(const struct ledger *ledger);

#endif
