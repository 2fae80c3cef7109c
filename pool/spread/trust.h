// SPDX-License-Identifier: Apache-2.0
/* trust - how far a source is trusted towards a destination, by what came of its connections.
 *
 * Theory of operation
 *
 * The fewest ports in use draws the next connection. A source that fails has the fewest: a way back that is
 * missing, a server that does not let it in. So what came of a connection counts in the choice:
 *
 *  - A source is *in test* until it has served: until bytes came, or a connection stayed up for longer than a
 *    refusal takes, which is a second where others brought bytes: the server may be short of processors. In
 *    test it may have one connection whose end nobody knows while others can serve. While no source has
 *    served, what is more than one each goes to the kernel's own choice, if that is in the list: without the
 *    shim it would have gone there too.
 *  - With several threads silence says little: the machine may have stood still, and all of them come at
 *    once. Then a test is followed by others, each with twice as many connections (SILENT_TESTS).
 *  - A failure counts as a port in use for as long as a TIME_WAIT would. After it the source is passed over
 *    until others had some answers, and is in test again.
 *  - A second failure, with answers of others between, sets it *aside*, for a time that doubles. After that,
 *    and not before others had TRUST_PROBE_AFTER answers, one connection tries it.
 *
 * So a destination of which all sources fail (the server is down) sets nothing aside: there are no answers
 * of others. A failure is: an errno that tells of the network, a connect() that is given up while under way,
 * an end by the peer at once without a byte of answer. Where all of the list fail the kernel's own choice may
 * be good: resort.h.
 *
 * Who tells of a connection that is under way? connect() again, SO_ERROR if it is not 0, close(); many
 * programs ask nothing of these. So one of each source's is looked at by TCP_INFO when the next source is
 * chosen, and there is doubt: see trust_look(). A program that blocks in connect() is told by its result:
 * such a source is in test no longer.
 *
 * A source that nobody doubts has no struct trust, and costs a connect() the count of those without an
 * answer, `doubt` of its tuple space.
 *
 * Where outcomes are learned:
 *
 *   connect() came through, or failed at once           settle_call() in settle.c
 *   connect() again, SO_ERROR                           pending.c
 *   close() while under way, an error nobody read       ending.c, by socket_ending()
 *   the peer's end at once, without a byte              ending.c; closing.c has it asked (one TCP_INFO)
 *                                                       until the source has served, while any is in doubt,
 *                                                       and for one end in 16
 *   a connection under way of which nobody tells        trust_look() before the next choice: TCP_INFO of
 *                                                       one connection for each source in doubt */
#ifndef HEADROOM_POOL_SPREAD_TRUST_H
#define HEADROOM_POOL_SPREAD_TRUST_H

#include "pool/base/hot.h"
#include "pool/ledger/ledger.h"
#include "pool/spread/events.h"
#include "pool/spread/trust_record.h"

#include <stdbool.h>
#include <stdint.h>

enum trust_rank {
	TRUST_FULL,
	TRUST_TESTING,    /* its one connection in test came up; whether it serves is not known */
	TRUST_UNANSWERED, /* it did not come up yet */
	TRUST_DOUBTED,
	TRUST_ASIDE, /* not to be used */
};

/**
 * trust_begins_slowly() - a connection is going to be made from a source that was chosen, and there is doubt
 * @fd:		its socket
 */
void trust_begins_slowly(struct ledger *ledger, struct tuple_space *space, int fd, uint64_t now_ns);

/**
 * trust_connected() - connect() has returned success
 */
void trust_connected(struct ledger *ledger, struct tuple_space *space, int fd, uint64_t now_ns);

/**
 * trust_failed() - connect() failed, at once or later
 * @error:	errno, or 0 if the program gave it up. Errors that tell nothing of the network are no
 * failures.
 * Return: is it one, where there are other sources?
 */
bool trust_failed(struct ledger *ledger, struct tuple_space *space, int error, uint64_t now_ns);

/**
 * trust_turned_away() - the peer ended a connection at once, without a byte
 * Return: as trust_failed()
 */
bool trust_turned_away(struct ledger *ledger, struct tuple_space *space, uint64_t now_ns);

/**
 * trust_served() - a connection ended that had come up, and was not turned away
 * @news:	that it had come up was not known
 * @data:	bytes came
 */
void trust_served(struct ledger *ledger, struct tuple_space *space, bool news, bool data, uint64_t now_ns);

/**
 * trust_rank() - may a source be used?
 * @patient:	see TRUST_PATIENCE
 */
enum trust_rank trust_rank(struct ledger *ledger, struct tuple_space *space, bool patient, uint64_t now_ns);

/**
 * trust_may_try() - may a source that is set aside be tried, as no other is left?
 */
bool trust_may_try(const struct tuple_space *space, uint64_t now_ns);

/**
 * trust_charge() - what its failures count in the choice, in ports
 */
uint32_t trust_charge(const struct tuple_space *space, uint64_t now_ns);

/**
 * trust_look() - ask the kernel about connections under way; call without the lock
 * @destination:	with a user, so that it stays
 */
void trust_look(struct ledger *ledger, const struct held *held, struct destination *destination,
		uint64_t now_ns);

/**
 * trust_say() - log what sources were set aside for; the lock is held
 */
void trust_say(struct journal *journal, struct events *events, struct destination *destination,
	       uint64_t now_ns);

/**
 * space_is_doubted() - has a source of its destination failed of late? Costs nothing where none has at any.
 */
static inline bool space_is_doubted(const struct ledger *ledger, const struct tuple_space *space)
{
	return unlikely(ledger->doubted) && space->destination->doubted;
}

/* One of 16, at random: where sources take turns every 16th connection is of the same one for ever. The
 * constants are those of Numerical Recipes, 7.1. */
static inline bool trust_picks(struct ledger *ledger)
{
	ledger->ends = ledger->ends * 1664525u + 1013904223u;
	return ledger->ends >> 28 == 0;
}

/**
 * trust_wants_to_know() - is an end by the peer to be looked into? Where no source is in doubt, one of 16 is.
 */
static inline bool trust_wants_to_know(struct ledger *ledger, const struct tuple_space *space)
{
	return space->doubt & TRUST_UNSERVED ||
	       (space->load && (space_is_doubted(ledger, space) || trust_picks(ledger)));
}

/* What the ledger is to know of it. */
extern const struct ledger_tenant trust_tenant;

#endif
