// SPDX-License-Identifier: Apache-2.0
/* conduct - what the server of a destination was seen to do with connections, and what follows for reuse.
 *
 * Theory of operation
 *
 * A program that reuses connections itself knows that one may be dead, and asks again. One that does not know
 * of it cannot, so a server gets no credit:
 *  - What it does some milliseconds after its answer (a close, a second answer) is learned. A connection is
 *    handed out only when it has been idle for longer than the latest such event, and for a millisecond or
 *    two at least while nothing is known.
 *  - A server may say more than its answer, or pause where nothing but silence tells the end. For want of a
 *    processor such a pause may be long. So the first ones are not handed out so soon: how they end tells
 *    whether there was more to come.
 *  - Trust grows with what went well: of connections that are handed out and not answered yet there is one at
 *    first, and twice as many after each CONDUCT_PROOFS answers. If all of them die at once, no more are lost
 *    than that. What may be asked again (renew.h) is not at risk.
 *  - A server may close after so many answers. How many a connection has lived through is its depth: the
 *    first one that goes deeper than any before it is given the whole quiet time (CONDUCT_DEPTHS of them, and
 *    from there on at round numbers), and none goes as deep as where one ended. If another ends before that,
 *    soon after an answer, the server closes by chance, and it was by chance that nothing was lost: that is
 * paid for like a request that was lost.
 *  - Where a protocol has requests that may be asked again, those go first. What may not be goes out on a
 *    connection that was used only after CONDUCT_ONE_LOST_IN answers, unless the rule vouches for it.
 *  - A request that was lost is paid for: nothing is at risk until CONDUCT_ONE_LOST_IN connections were made
 *    for each.
 *  - Evidence that it does not keep to what the guard believes counts at once: reuse pauses for the
 *    destination, each time for twice as long. A lost request is such evidence, unless ten thousand went
 *    well since the last one.
 *  - Where new connections of the program wait for their first answer while those that are handed out get
 *    theirs, the server has few workers, and connections that are kept keep them busy. None is kept
 *    while one waits, and each for fewer uses the more of them waited, down to none at all. If that does not
 *    help it is evidence, too.
 *  - The new connection may be to another destination, which is the same server by another name. What is kept
 *    yields to it as well, later if that was in vain before, and is kept for fewer uses where it never was.
 *  - How long a connection is kept follows the rate: some multiples of the time between two connects. */
#ifndef HEADROOM_POOL_REUSE_CONDUCT_H
#define HEADROOM_POOL_REUSE_CONDUCT_H

#include <stdbool.h>
#include <stdint.h>

#define CONDUCT_MS_NS 1000000ull

enum {
	CONDUCT_FLOOR_MS = 1,  /* of the quiet time, while nothing is known of a server */
	CONDUCT_CALM_ONES = 8, /* so many connections stayed quiet for that long: now something is known */
	/* The same, where only the length of an answer, or silence, tells its end. */
	CONDUCT_FLOOR_IN_DOUBT_MS = 2,
	CONDUCT_CALM_IN_DOUBT = 16,
	/* And CONDUCT_LATE_MOST_MS at first, in doubt, until so many were idle for as long, or were
	 * seen off (leaving.h), without another word. */
	CONDUCT_WORDLESS = 16,
	CONDUCT_PROOFS = 8,
	CONDUCT_DEPTHS = 16,
	CONDUCT_LATE_MOST_MS = 20, /* what it does later has to do with idleness, and not with the answer */
	CONDUCT_LEARNED_LIFE_S = 60,
	CONDUCT_LATE_ONES = 4, /* so many closed after their answers with no hit between: not worth trying */
	CONDUCT_PAUSE_S = 30,  /* the first one */
	CONDUCT_PAUSE_MOST_S = 3600,
	CONDUCT_ONE_LOST_IN = 10000,
	CONDUCT_IDLE_GAPS = 16,    /* a connection is kept for so many times the time between two connects, */
	CONDUCT_IDLE_LEAST_MS = 2, /* at least this, */
	CONDUCT_IDLE_LEARNING_MS = 6, /* or this, while little is known, */
	CONDUCT_IDLE_MOST_MS = 100,   /* and at most this, where the rule says nothing */
	CONDUCT_WAIT_LEAST_MS =
		40,             /* a first answer that takes longer than that (less may be a busy machine), */
	CONDUCT_WAIT_TIMES = 8, /* and so many times as long as on connections handed out, */
	CONDUCT_WAIT_HITS = 8,  /* while so many of those got theirs, waits for a worker */
	CONDUCT_QUEUE_MS = 3,   /* one that takes longer by that than those, may wait for one */
	CONDUCT_TURN_USES = 32, /* a connection that holds a worker is kept for so many at most, */
	CONDUCT_TURN_FIRST = 16,  /* for so many at first, */
	CONDUCT_TURN_SAMPLES = 4, /* and for twice as many after so many first answers that came at once:
				     more, after some did not */
};

/* Why reuse pauses. */
enum evidence {
	EVIDENCE_NONE,
	EVIDENCE_DATA,    /* bytes came that nobody had asked for */
	EVIDENCE_REPLY,   /* more bytes than the guard saw asked for, or a bad reply */
	EVIDENCE_LOST,    /* a connection handed out ended without an answer */
	EVIDENCE_SILENCE, /* the program gave up waiting for the first answer on one */
	EVIDENCE_CLOSES,  /* the server closes its connections right after its answers */
	EVIDENCE_QUEUE,   /* new connections wait while those handed out are served */
	EVIDENCES
};

struct conduct {
	uint64_t paused_until_ns;
	uint64_t late_ns, late_until_ns; /* the latest event after an answer */
	uint64_t idle_limit_ns,
		idle_limit_until_ns;   /* the shortest idleness after which it closed; 0: none seen */
	uint64_t connected_ns, gap_ns; /* the last connect(); the mean time between two */
	uint64_t asked_new_ns;         /* since when new connections wait for their first answer */
	uint64_t answer_ns;            /* mean time to the first answer on connections handed out */
	uint64_t answer_off_ns;        /* mean of how far one is off that */
	uint64_t answer_least_ns;      /* the shortest of all on new ones */
	uint64_t crowd_until_ns;       /* some were asked while a new one waited */
	uint32_t asked_new;            /* new connections that wait for it */
	uint32_t answered_meanwhile;   /* connections handed out that got theirs since asked_new_ns */
	uint32_t answers;              /* all of them */
	uint32_t hits_since_loss;
	uint32_t proven;      /* answers on connections handed out, since something spoke against it */
	uint32_t lost;        /* requests that were lost, and could not be asked again, or might have been */
	uint64_t connects;    /* connect() calls, from the pool or not */
	uint32_t depth;       /* so many answers a connection has lived through, and answered again */
	uint32_t ended_depth; /* after so many one ended; 0: none did */
	uint64_t ended_until_ns;
	uint32_t at_risk;       /* handed out, and not answered yet */
	uint64_t at_risk_ns;    /* since the last of them was */
	uint64_t open_until_ns; /* memcached: its commands are answered without a login */
	uint32_t turn;          /* so many uses of a connection that holds a worker; 1: none is kept */
	uint16_t at_once;       /* new connections in a row that were answered as soon as those handed out, */
	uint16_t turnless;      /* or, while the turn is 1, of any kind */
	uint8_t patience;       /* for a longer turn CONDUCT_TURN_SAMPLES << patience are wanted */
	uint64_t made_way_ns;   /* what is kept to other destinations was let go for one that waits; 0: it was
				   not */
	uint8_t in_vain;        /* so often it was not for that */
	uint8_t helped;         /* or it was, in a row */
	uint8_t calm, late_ones, pauses;
	uint8_t wordless; /* connections that ended, or were idle for long, without another word */
};

/* Nothing is known yet. */
extern const struct conduct conduct_unknown;

/**
 * conduct_connects() - a connect() to the destination, from the pool or not
 */
void conduct_connects(struct conduct *conduct, uint64_t now_ns);

/**
 * conduct_may_risk() - may another connection be handed out, beside those that are not answered yet?
 */
bool conduct_may_risk(const struct conduct *conduct, uint64_t now_ns);

/**
 * conduct_owes() - was more lost than one request for each CONDUCT_ONE_LOST_IN connections?
 */
static inline bool conduct_owes(const struct conduct *conduct)
{
	return conduct->lost && conduct->connects < (uint64_t)conduct->lost * CONDUCT_ONE_LOST_IN;
}

/**
 * conduct_goes_deep() - may what cannot be asked again go out on a connection after so many answers?
 *
 * No if one ended there, or before.
 */
bool conduct_goes_deep(const struct conduct *conduct, uint32_t depth, uint64_t now_ns);

/**
 * conduct_is_new_depth() - was none seen to go on after so many answers?
 */
static inline bool conduct_is_new_depth(const struct conduct *conduct, uint32_t depth)
{
	return depth > conduct->depth && conduct->depth < CONDUCT_DEPTHS;
}

/**
 * conduct_may_stake() - may what cannot be asked again go out on a connection that was handed out?
 * @vouched:	the rule says that it may, or the protocol has nothing else
 * @depth:	so many answers the connection has given
 * @idle_ns:	so long it had been idle then
 */
bool conduct_may_stake(const struct conduct *conduct, bool vouched, uint32_t depth, uint64_t idle_ns,
		       uint64_t now_ns);

/**
 * conduct_went_deep() - one that had given so many answers has given another
 */
void conduct_went_deep(struct conduct *conduct, uint32_t depth);

/**
 * conduct_ended_deep() - the server ended one after so many answers, and soon after the last
 */
void conduct_ended_deep(struct conduct *conduct, uint32_t depth, uint64_t now_ns);

/**
 * conduct_hit() - a connection is handed out
 */
void conduct_hit(struct conduct *conduct);

/**
 * conduct_risks(), conduct_risked() - what is asked on a connection that was handed out may be lost; or not
 * any more: it was answered, may be asked again, or was lost
 */
void conduct_risks(struct conduct *conduct, uint64_t now_ns);
void conduct_risked(struct conduct *conduct);

/* What tells that an answer is complete. */
enum ending_told {
	TOLD_BY_PROTOCOL, /* and nothing can come after it */
	TOLD_BY_LENGTH,   /* but a server may send more, or close */
	TOLD_BY_SILENCE,  /* nothing does: for two round trips nothing comes */
};

/**
 * conduct_quiet_ns() - how long a connection must have been idle to be handed out
 * @round_trip_ns:	of the connection
 * @depth:	so many answers it has given
 */
uint64_t conduct_quiet_ns(const struct conduct *conduct, enum ending_told told, uint64_t round_trip_ns,
			  uint32_t depth, uint64_t now_ns);

/**
 * conduct_is_learning() - would it help to know what the server does in the first milliseconds?
 */
static inline bool conduct_is_learning(const struct conduct *conduct, enum ending_told told)
{
	return conduct->calm < (told == TOLD_BY_PROTOCOL ? CONDUCT_CALM_ONES : CONDUCT_CALM_IN_DOUBT);
}

/**
 * conduct_idle_ns() - how long a connection may be kept
 * @said_ns:	what the rule says; 0: nothing
 */
uint64_t conduct_idle_ns(const struct conduct *conduct, enum ending_told told, uint64_t said_ns,
			 uint64_t now_ns);

/**
 * conduct_is_worth_it() - do the program's connects follow one another fast enough for one to be kept, where
 * the rule does not say for how long?
 */
bool conduct_is_worth_it(const struct conduct *conduct);

/**
 * conduct_stayed() - a connection was as it had been left
 * @idle_ns:	for so long
 */
void conduct_stayed(struct conduct *conduct, uint64_t idle_ns);

/**
 * conduct_seen_off() - the server has ended one after us, and had no more to say
 */
void conduct_seen_off(struct conduct *conduct);

/**
 * conduct_closed() - the server had closed one
 * @idle_ns:	when that was seen, after its answer
 * Return: EVIDENCE_CLOSES, if that was one too many, or EVIDENCE_NONE
 */
enum evidence conduct_closed(struct conduct *conduct, uint64_t idle_ns, uint64_t now_ns);

/**
 * conduct_lost() - a connection that was handed out ended without an answer
 * @again:	what it was asked is asked once more, unseen
 * Return: EVIDENCE_LOST, if that was more than one in CONDUCT_ONE_LOST_IN, or EVIDENCE_NONE
 */
enum evidence conduct_lost(struct conduct *conduct, bool again);

/**
 * conduct_pause() - after evidence: no reuse for a while
 * Return: for how many seconds
 */
unsigned conduct_pause(struct conduct *conduct, uint64_t now_ns);

/**
 * conduct_is_silent() - was a request on a connection handed out left unanswered for too long?
 * @asked_ns:	when it was sent; the program gives up at @now_ns
 */
bool conduct_is_silent(const struct conduct *conduct, uint64_t asked_ns, uint64_t now_ns);

/**
 * conduct_asked() / conduct_answered() - a connection had its first request sent, or its first bytes received
 * @handed_out:	it came from the pool
 * @asked_ns:	when the request was sent
 */
void conduct_asked(struct conduct *conduct, bool handed_out, uint64_t now_ns);
void conduct_answered(struct conduct *conduct, bool handed_out, uint64_t asked_ns, uint64_t now_ns);

/**
 * conduct_gave_up() - a new connection ended without an answer
 */
void conduct_gave_up(struct conduct *conduct);

/**
 * conduct_queue_most_ns() - how long a new connection may wait for its first answer, before the server is
 * known to be short of workers Return: 0 if none is known to have waited for so long while others were served
 */
uint64_t conduct_queue_most_ns(const struct conduct *conduct, uint64_t now_ns);

/**
 * conduct_yields_ns() - from when on no connection is kept, as a new one may wait for its worker
 * Return: UINT64_MAX if none waits
 */
uint64_t conduct_yields_ns(const struct conduct *conduct, uint64_t now_ns);

/**
 * conduct_asks_for_ns() - a new connection that waits for so long may wait for the worker of one that is kept
 * to another destination
 *
 * Two destinations may be one server by two names.
 */
uint64_t conduct_asks_for_ns(const struct conduct *conduct);

/**
 * conduct_yields_elsewhere_ns() - from when on none is kept to others; as of conduct_yields_ns()
 */
uint64_t conduct_yields_elsewhere_ns(const struct conduct *conduct, uint64_t now_ns);

/**
 * conduct_made_way() - what was kept to another destination was let go for a new one that waits here
 */
void conduct_made_way(struct conduct *conduct, uint64_t now_ns);

/**
 * conduct_helped() - a new one is answered: had it waited for that?
 * Return: true if so once more, so that it is not by chance
 */
bool conduct_helped(struct conduct *conduct, uint64_t now_ns);

/**
 * conduct_stood_in_the_way() - of those that were let go then
 */
void conduct_stood_in_the_way(struct conduct *conduct, uint64_t now_ns);

/**
 * evidence_text() - for the log: "the server ..."
 */
const char *evidence_text(enum evidence evidence);

#endif
