// SPDX-License-Identifier: Apache-2.0
/* ending - enter the end of a connection into the ledger. */
#ifndef HEADROOM_POOL_CONNECT_ENDING_H
#define HEADROOM_POOL_CONNECT_ENDING_H

#include "pool/socket/facts.h"
#include "pool/spread/spreading.h"

/**
 * ending_enter() - a tracked socket's last fd was closed
 * @facts:	what socket_ending() saw just before
 *
 * Writes log lines if use fell; call without the lock. @put: give the reference back, too.
 */
void ending_enter(struct spreading *spreading, const struct held *held, const struct ending_facts *facts,
		  bool put);

/**
 * ending_apart() - connect() to AF_UNSPEC has taken a connection apart (connect(2)), and what an attempt
 * bound is taken back; without the lock
 */
void ending_apart(struct spreading *spreading, const struct held *held, int fd, enum ending how);

/**
 * ending_given_up() - shutdown() has taken a connection apart that was under way; the same
 */
void ending_given_up(struct spreading *spreading, const struct held *held, int fd);

/**
 * ending_unseen() - a tracked socket turned out to be gone; the lock is held
 */
void ending_unseen(struct tracked *tracked, uint64_t now_ns);

/**
 * ending_with_process() - the process ends, and with it a connection: that is no event of its own
 */
void ending_with_process(struct spreading *spreading, const struct held *held,
			 const struct ending_facts *facts);

#endif
