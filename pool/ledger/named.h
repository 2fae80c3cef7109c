// SPDX-License-Identifier: Apache-2.0
/* named - TIME_WAITs at ports that the program has named itself, by bind(ip, PORT).
 *
 * A port that connect() picks is none that is in TIME_WAIT, unless tcp_tw_reuse lets it be taken again. A
 * socket that is bound to a port takes the TIME_WAIT of the same four numbers over at once, whatever that
 * says (__inet_hash_connect() asks __inet_check_established() without a place for the old one,
 * net/ipv4/inet_hashtables.c; tcp_twsk_unique(), net/ipv4/tcp_ipv4.c; tests/kernel_facts/named_port.c). Then
 * there is one port in use, not two. So what was left behind at a named port is remembered, and counted out
 * when the port is connected again.
 *
 * Of TIME_WAITs at a port that connect() had picked before the program named it nothing is known: those stay
 * counted for their 60 s. */
#ifndef HEADROOM_POOL_LEDGER_NAMED_H
#define HEADROOM_POOL_LEDGER_NAMED_H

#include "pool/ledger/ledger.h"

/**
 * named_is_any() - was a TIME_WAIT left at any named port? Asked without the lock, too
 */
static inline bool named_is_any(const struct ledger *ledger)
{
	return __atomic_load_n(&ledger->named, __ATOMIC_RELAXED);
}

/**
 * named_waits() - a connection from a named port has ended, and its TIME_WAIT was just entered; the lock is
 * held
 */
void named_waits(struct ledger *ledger, const struct tuple_space *space, uint16_t port);

/**
 * named_taken() - a connection from a named port was begun: what was left there is counted out. The lock is
 * held
 */
void named_taken(struct ledger *ledger, struct tuple_space *space, uint16_t port, uint64_t now_ns);

#endif
