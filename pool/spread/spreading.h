// SPDX-License-Identifier: Apache-2.0
/* spreading - what outgoing connections need of the process: the state of this wing, and where those below
 * are. */
#ifndef HEADROOM_POOL_SPREAD_SPREADING_H
#define HEADROOM_POOL_SPREAD_SPREADING_H

#include "pool/base/address.h"
#include "pool/base/lock.h"
#include "pool/ledger/board.h"
#include "pool/ledger/ledger.h"
#include "pool/routes/interfaces.h"
#include "pool/rules/source_list.h"
#include "pool/socket/tracked.h"
#include "pool/spread/events.h"
#include "pool/spread/knee.h"

#include <stdint.h>

enum { ASIDE_MAX = 64, AUTO_LISTS_MAX = 16 };

/* A source that cannot be bound, and when it may be tried again. */
struct aside {
	struct address source;
	uint64_t until_ns;
};

/* The lock guards it. What every connect() touches stands first, side by side. */
struct spreading {
	struct lock *lock;
	struct ledger *ledger;
	struct sockets *sockets;
	struct board *board;
	unsigned aside_count, auto_count;
	uint64_t random;
	struct knee knee;
	uint64_t links_until_ns;
	struct links links; /* of this machine's interfaces, where sources are named */
	bool links_unseen;  /* no fd could be had to read them for the first time */
	struct journal journal;
	struct aside *aside;            /* ASIDE_MAX */
	struct source_list *auto_lists; /* AUTO_LISTS_MAX: what `auto` found, each distinct list once */
};

/**
 * spreading_start() - at the process's beginning, and in a forked child: nothing is known yet
 * @spreading:	with the pointers to other states filled in
 */
void spreading_start(struct spreading *spreading);

/**
 * spreading_random() - a pseudo-random number; for spreading only
 */
uint32_t spreading_random(struct spreading *spreading);

/**
 * spreading_failed() / spreading_turned_away() - trust_failed() and trust_turned_away(), to be told to
 * others, too: board_tell() is to follow, without the lock
 */
void spreading_failed(struct spreading *spreading, struct tuple_space *space, int error, uint64_t now_ns);
void spreading_turned_away(struct spreading *spreading, struct tuple_space *space, uint64_t now_ns);

#endif
