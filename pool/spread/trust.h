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
 * an end by the peer at once without a byte of answer.
 *
 * All sources may be bad, and the kernel's own choice, which is not in the list, may be good: the destination
 * is behind another uplink, or lets nobody else in. So unless the rule is strict the kernel's choice is a
 * last resort (trust_prefers_kernel()):
 *
 *  - When the list has failed in vain (TRUST_IN_VAIN times in a row, or TRUST_PATIENCE if it was ever
 *    answered) the next connections are the kernel's. If it fails, too, the list is used as before, and so on
 *    in turns: no call makes more attempts than without.
 *  - But for one: where connect() fails soon, and not by a refusal, the same call is made once more for the
 *    kernel's choice, if that has not failed (turn_to_kernel() in attempt.c).
 *  - Where the list is of another interface than the one with the gateway, the kernel's choice comes first,
 *    and the list after TRUST_WARY answers (trust_be_wary()): few connections, a process for each, say, then
 *    go as without.
 *  - If it is answered the list is tried by one connection. If that fails the destination is *left* to the
 *    kernel's choice, for a time that doubles, as for a source set aside, and 16 times what the failure took.
 *    Then the next of the list tries it; whatever of it is answered ends that.
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

#include <stdbool.h>
#include <stdint.h>

enum {
	TRUST_PROBE_AFTER = 128, /* answers of others for one connection that tries a source set aside */
	TRUST_REST = 8,          /* and for the next after a failure */
	/* Where another source than this one is no help unless it must be, so many failures come first, and
	 * others are used for so long: `sticky`, and the kernel's own choice in `spill`. */
	TRUST_PATIENCE = 3,
	TRUST_PATIENT_REST = 64,
	TRUST_ASIDE_S = 1, /* doubled each time */
	TRUST_ASIDE_MOST_S = 300,
	TRUST_IN_VAIN = 2, /* failures of a list, or of its one source; then the kernel's choice is tried */
	TRUST_WARY = 16,   /* answers to the kernel's choice come first where the list is doubtful */
	TRUST_LEFT_COST = 16, /* times what it took to fail the list is not tried again */
};

/* Of a tuple space, while there is something to know. */
struct trust {
	uint64_t began_ns;      /* of the connection that is looked at */
	uint64_t look_ns;       /* not before */
	uint64_t until_ns;      /* set aside until */
	int fd;                 /* of the connection that is looked at, or -1 */
	int error;              /* of the last failure, 0: given up */
	uint32_t answers_then;  /* of the destination when that connection began */
	uint32_t rest_from;     /* answers of the destination when it was begun to be passed over */
	uint32_t probe_from;    /* not tried again before so many */
	uint32_t last_answers;  /* of the destination at the last failure: answers, */
	uint32_t last_served;   /* connections that served, */
	uint32_t last_failures; /* and failures, with that one */
	uint32_t charge_tick;   /* of the last failure */
	uint16_t charge;        /* failures of the last minute */
	uint8_t row;            /* failures with answers of others between them */
	uint8_t streak;         /* failures since an answer */
	uint8_t times_aside;    /* without a success */
	uint8_t stayed;         /* tests that it passed by silence, one after the other */
	uint8_t following;      /* connections that may follow the one in test */
	bool aside;
	bool resting;     /* passed over until others had some answers */
	bool waiting;     /* under way for long, while others were answered */
	bool over;        /* its connection was seen to have failed, and the program was not told yet */
	bool answered;    /* the connection that is looked at is up */
	bool turned_away; /* what fails is not connect(), but the connection's life after it */
	bool say;         /* that it was set aside is still to be logged */
};

/* Of a destination, while one of its sources has a struct trust, and for `sticky`. */
struct trust_of_all {
	uint64_t look_ns; /* when to look at one of its sources' connections, while `looking` */
	uint32_t answers; /* connections that came up, as far as is known */
	uint32_t served;  /* that brought bytes or stayed up */
	uint32_t failures;
	uint32_t known;     /* sources that have a struct trust; without any this goes, too */
	uint32_t sticky;    /* 1 + the index of the source for its address; 0: not worked out yet */
	const void *thread; /* the first that came, by lock_thread() */
	/* Of the list against the kernel's own choice, where that is not in it. */
	uint64_t left_until_ns;        /* left to the kernel until */
	uint32_t left_from;            /* and for so many answers */
	struct tuple_space *beside_of; /* that of the kernel's choice which was answered last */
	uint32_t beside;               /* answers to it since the last failure of the list */
	uint8_t vain;                  /* failures of the list, and no answer between */
	uint8_t vain_row;              /* those with answers to the kernel's choice between them */
	uint8_t times_left;            /* without an answer between */
	uint8_t answered_left;         /* answers to the list while it is left, since its last failure */
	int vain_error;                /* errno of the last of these */
	bool left;                     /* to the kernel's choice, but for single connections */
	bool list_served;              /* one of the list did */
	bool say_left;                 /* that is still to be logged */
	bool turned_away;              /* some fail in the way that shows only after connect() */
	bool say;                      /* something is to be logged */
	bool many_threads;             /* others came */
	bool answers_data;             /* bytes came over some */
};

enum trust_rank {
	TRUST_FULL,
	TRUST_TESTING,    /* its one connection in test came up; whether it serves is not known */
	TRUST_UNANSWERED, /* it did not come up yet */
	TRUST_DOUBTED,
	TRUST_ASIDE, /* not to be used */
};

/**
 * trust_of_all() - what is known of a destination's sources together
 * Return: NULL when memory is short
 */
struct trust_of_all *trust_of_all(struct ledger *ledger, struct destination *destination);

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
 * trust_be_wary() - the list of a new destination has sources of another interface alone
 */
void trust_be_wary(struct ledger *ledger, struct destination *destination);

/**
 * trust_prefers_kernel() - is the list to be passed over for the kernel's own choice?
 * @natural:	that, or the program's own source; NULL: not known
 */
bool trust_prefers_kernel(const struct destination *destination, const struct tuple_space *natural,
			  uint64_t now_ns);

/**
 * trust_may_ask_kernel() - the list's source has failed: may the kernel's choice be tried in the same call?
 * Says nothing of whether it is in the list: trust_last_resort()
 */
bool trust_may_ask_kernel(const struct destination *destination, int error);

/**
 * trust_last_resort() - is the kernel's choice another one than those of the list, that did not fail?
 */
bool trust_last_resort(const struct tuple_space *natural);

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

/**
 * trust_may_prefer_kernel() - does trust_prefers_kernel() have to be asked?
 */
static inline bool trust_may_prefer_kernel(const struct destination *destination)
{
	return unlikely(destination->trust) && (destination->doubted | destination->looking);
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
