// SPDX-License-Identifier: Apache-2.0
/* conduct - what the server of a destination was seen to do with connections, and what follows for reuse. */
#include "pool/reuse/conduct.h"

#include "pool/base/clock.h"

#define SECOND_NS 1000000000ull

enum {
	ENOUGH_DOUBLINGS = 12,
	MEAN_OF = 8,
	GAP_MOST_S = 10,
	ASKED_LIFE_S = 2,   /* what is forgotten unanswered counts no longer */
	DEVIATIONS = 4,     /* as for a retransmission (RFC 6298, 2.3) */
	TURNLESS_MOST = 64, /* << patience */
	/* Of many connections at once the new ones wait behind those that are kept; one alone waits behind
	 * other programs', or for a processor. */
	PATIENCE_OF_ONE = 1,
	PATIENCE_OF_MANY = 4,
	CROWD_S = 60,
	IN_VAIN_MOST = 6,  /* what waits is doubled for each */
	HELPED_ENOUGH = 4, /* so often in a row is not by chance */
};

/* A mean that moves by an eighth of the difference; the first value is the mean. */
static uint64_t mean(uint64_t old_ns, uint64_t new_ns)
{
	return old_ns ? old_ns - old_ns / MEAN_OF + new_ns / MEAN_OF : new_ns;
}

const struct conduct conduct_unknown = { .turn = CONDUCT_TURN_FIRST };

void conduct_connects(struct conduct *conduct, uint64_t now_ns)
{
	uint64_t gap_ns = clock_since(conduct->connected_ns, now_ns);

	if (conduct->connected_ns)
		conduct->gap_ns = mean(conduct->gap_ns,
				       gap_ns < GAP_MOST_S * SECOND_NS ? gap_ns : GAP_MOST_S * SECOND_NS);
	conduct->connected_ns = now_ns;
	conduct->connects++;
}

bool conduct_may_risk(const struct conduct *conduct, uint64_t now_ns)
{
	uint32_t doublings = conduct->proven / CONDUCT_PROOFS;

	return doublings >= ENOUGH_DOUBLINGS || conduct->at_risk < 1u << doublings ||
	       clock_since(conduct->at_risk_ns, now_ns) > ASKED_LIFE_S * SECOND_NS;
}

void conduct_risks(struct conduct *conduct, uint64_t now_ns)
{
	if (clock_since(conduct->at_risk_ns, now_ns) > ASKED_LIFE_S * SECOND_NS)
		conduct->at_risk = 0;
	conduct->at_risk++;
	conduct->at_risk_ns = now_ns;
}

void conduct_risked(struct conduct *conduct)
{
	if (conduct->at_risk)
		conduct->at_risk--;
}

bool conduct_goes_deep(const struct conduct *conduct, uint32_t depth, uint64_t now_ns)
{
	return !conduct->ended_depth || conduct->ended_until_ns <= now_ns || depth < conduct->ended_depth;
}

bool conduct_may_stake(const struct conduct *conduct, bool vouched, uint32_t depth, uint64_t idle_ns,
		       uint64_t now_ns)
{
	if (conduct->paused_until_ns > now_ns || conduct_owes(conduct) ||
	    !conduct_goes_deep(conduct, depth, now_ns) || !conduct_may_risk(conduct, now_ns))
		return false;
	return vouched ? !conduct_is_new_depth(conduct, depth) ||
				 idle_ns >= CONDUCT_FLOOR_IN_DOUBT_MS * CONDUCT_MS_NS
		       : conduct->proven >= CONDUCT_ONE_LOST_IN && depth <= conduct->depth;
}

void conduct_went_deep(struct conduct *conduct, uint32_t depth)
{
	if (depth > conduct->depth)
		conduct->depth = depth;
}

void conduct_ended_deep(struct conduct *conduct, uint32_t depth, uint64_t now_ns)
{
	bool another = conduct->ended_depth && conduct->ended_until_ns > now_ns;

	if (conduct_goes_deep(conduct, depth, now_ns)) {
		/* It does not close after so many, but by chance: that it was seen in time was chance, too.
		 */
		conduct->lost += another;
		conduct->ended_depth = depth;
	}
	if (conduct->depth >= depth)
		conduct->depth = depth ? depth - 1 : 0;
	conduct->ended_until_ns = now_ns + CONDUCT_LEARNED_LIFE_S * SECOND_NS;
}

void conduct_hit(struct conduct *conduct)
{
	if (conduct->hits_since_loss < UINT32_MAX)
		conduct->hits_since_loss++;
	conduct->late_ones = 0;
}

/* Who sets a limit sets a round one: one digit and zeros, or a power of two. */
static bool is_round(uint32_t depth)
{
	uint32_t digits = depth;

	while (digits >= 10 && digits % 10 == 0)
		digits /= 10;
	return digits < 10 || !(depth & (depth - 1));
}

uint64_t conduct_quiet_ns(const struct conduct *conduct, enum ending_told told, uint64_t round_trip_ns,
			  uint32_t depth, uint64_t now_ns)
{
	uint64_t quiet_ns = told == TOLD_BY_SILENCE ? round_trip_ns * 2 : 0;

	if (conduct->late_until_ns > now_ns && conduct->late_ns > quiet_ns)
		quiet_ns = conduct->late_ns;
	uint64_t floor_ns =
		(told == TOLD_BY_PROTOCOL ? CONDUCT_FLOOR_MS : CONDUCT_FLOOR_IN_DOUBT_MS) * CONDUCT_MS_NS;
	bool by_depth = told != TOLD_BY_LENGTH;
	bool unknown = told != TOLD_BY_PROTOCOL && conduct->wordless < CONDUCT_WORDLESS;
	if (unknown)
		floor_ns = CONDUCT_LATE_MOST_MS * CONDUCT_MS_NS;
	if (unknown || conduct_is_learning(conduct, told) ||
	    (by_depth && conduct_is_new_depth(conduct, depth)))
		return quiet_ns < floor_ns ? floor_ns : quiet_ns;
	floor_ns = CONDUCT_FLOOR_MS * CONDUCT_MS_NS;
	return by_depth && depth > conduct->depth && is_round(depth) && quiet_ns < floor_ns ? floor_ns
											    : quiet_ns;
}

uint64_t conduct_idle_ns(const struct conduct *conduct, enum ending_told told, uint64_t said_ns,
			 uint64_t now_ns)
{
	uint64_t most_ns = said_ns, least_ns = CONDUCT_IDLE_LEAST_MS * CONDUCT_MS_NS;

	if (!said_ns) {
		most_ns = conduct->gap_ns * CONDUCT_IDLE_GAPS;
		/* Else it would go when it is about to be fit. */
		if (conduct_is_learning(conduct, told))
			least_ns = CONDUCT_IDLE_LEARNING_MS * CONDUCT_MS_NS;
		if (most_ns < least_ns)
			most_ns = least_ns;
		if (most_ns > CONDUCT_IDLE_MOST_MS * CONDUCT_MS_NS || !conduct->gap_ns)
			most_ns = CONDUCT_IDLE_MOST_MS * CONDUCT_MS_NS;
	}
	/* A server that closes what is idle does so by a timer of its own, which may be early. */
	if (conduct->idle_limit_ns && conduct->idle_limit_until_ns > now_ns &&
	    conduct->idle_limit_ns / 2 < most_ns)
		most_ns = conduct->idle_limit_ns / 2;
	return most_ns;
}

bool conduct_is_worth_it(const struct conduct *conduct)
{
	return conduct->gap_ns < CONDUCT_IDLE_MOST_MS * CONDUCT_MS_NS;
}

void conduct_seen_off(struct conduct *conduct)
{
	if (conduct->wordless < CONDUCT_WORDLESS)
		conduct->wordless++;
}

void conduct_stayed(struct conduct *conduct, uint64_t idle_ns)
{
	if (idle_ns >= CONDUCT_FLOOR_MS * CONDUCT_MS_NS && conduct->calm < CONDUCT_CALM_IN_DOUBT)
		conduct->calm++;
	if (idle_ns >= CONDUCT_LATE_MOST_MS * CONDUCT_MS_NS)
		conduct_seen_off(conduct);
}

enum evidence conduct_closed(struct conduct *conduct, uint64_t idle_ns, uint64_t now_ns)
{
	uint64_t until_ns = now_ns + CONDUCT_LEARNED_LIFE_S * SECOND_NS;

	if (idle_ns > CONDUCT_LATE_MOST_MS * CONDUCT_MS_NS) {
		if (!conduct->idle_limit_ns || conduct->idle_limit_until_ns <= now_ns ||
		    idle_ns < conduct->idle_limit_ns) {
			conduct->idle_limit_ns = idle_ns;
			conduct->idle_limit_until_ns = until_ns;
		}
		return EVIDENCE_NONE;
	}
	conduct->calm = 0;
	conduct->proven /= 2;
	if (conduct->late_until_ns <= now_ns || idle_ns + idle_ns / 4 > conduct->late_ns)
		conduct->late_ns = idle_ns + idle_ns / 4;
	conduct->late_until_ns = until_ns;
	return ++conduct->late_ones >= CONDUCT_LATE_ONES ? EVIDENCE_CLOSES : EVIDENCE_NONE;
}

enum evidence conduct_lost(struct conduct *conduct, bool again)
{
	bool rare = conduct->hits_since_loss >= CONDUCT_ONE_LOST_IN;

	if (!again)
		conduct->lost++;

	conduct->hits_since_loss = conduct->proven = 0;
	return rare ? EVIDENCE_NONE : EVIDENCE_LOST;
}

unsigned conduct_pause(struct conduct *conduct, uint64_t now_ns)
{
	unsigned seconds = CONDUCT_PAUSE_S;

	for (unsigned i = 0; i < conduct->pauses && seconds < CONDUCT_PAUSE_MOST_S; i++)
		seconds *= 2;
	if (seconds >= CONDUCT_PAUSE_MOST_S)
		seconds = CONDUCT_PAUSE_MOST_S;
	else
		conduct->pauses++;
	conduct->paused_until_ns = now_ns + seconds * SECOND_NS;
	conduct->calm = conduct->late_ones = conduct->wordless = 0;
	conduct->asked_new = conduct->proven = 0;
	conduct->open_until_ns = 0;
	return seconds;
}

void conduct_asked(struct conduct *conduct, bool handed_out, uint64_t now_ns)
{
	/* What was forgotten unanswered is not waited for for ever. */
	if (clock_since(conduct->asked_new_ns, now_ns) > ASKED_LIFE_S * SECOND_NS)
		conduct->asked_new = 0;
	if (conduct->asked_new)
		conduct->crowd_until_ns = now_ns + CROWD_S * SECOND_NS;
	if (handed_out)
		return;
	if (!conduct->asked_new++) {
		conduct->asked_new_ns = now_ns;
		conduct->answered_meanwhile = 0;
	}
}

/* A first answer that takes longer may have waited for a worker. While none was handed out, the soonest
 * answer is all that is known of those that do not wait. */
static uint64_t queue_ns(const struct conduct *conduct)
{
	return CONDUCT_QUEUE_MS * CONDUCT_MS_NS +
	       (conduct->answers ? conduct->answer_ns + conduct->answer_off_ns * DEVIATIONS
				 : conduct->answer_least_ns * 2);
}

/* One more new connection waited for a worker that one which is kept had. */
static void shorten_turn(struct conduct *conduct, uint64_t now_ns)
{
	conduct->turn = conduct->turn > 4 ? conduct->turn / 4 : 1;
	conduct->at_once = 0;
	if (conduct->patience < (conduct->crowd_until_ns > now_ns ? PATIENCE_OF_MANY : PATIENCE_OF_ONE))
		conduct->patience++;
}

/* What is known of connections handed out grows old where there are none. */
static void try_again(struct conduct *conduct)
{
	conduct->turnless = conduct->turn > 1 ? 0 : conduct->turnless + 1;
	if (conduct->turnless < TURNLESS_MOST << conduct->patience)
		return;
	conduct->turnless = 0;
	conduct->turn = 2;
}

/* A new connection got its first answer after so long: was it one too many for the server's workers? */
static void learn_turn(struct conduct *conduct, uint64_t took_ns, uint64_t now_ns)
{
	/* How soon it answers one that waits for nothing is not known yet. */
	if (conduct->answers < CONDUCT_TURN_SAMPLES) {
		try_again(conduct);
		return;
	}
	if (took_ns > queue_ns(conduct)) {
		shorten_turn(conduct, now_ns);
	} else if (++conduct->at_once >= CONDUCT_TURN_SAMPLES << conduct->patience) {
		conduct->at_once = 0;
		if (conduct->turn < CONDUCT_TURN_USES)
			conduct->turn *= 2;
		else if (conduct->patience)
			conduct->patience--;
	}
	try_again(conduct);
}

void conduct_answered(struct conduct *conduct, bool handed_out, uint64_t asked_ns, uint64_t now_ns)
{
	if (handed_out) {
		uint64_t took_ns = clock_since(asked_ns, now_ns);
		uint64_t off_ns = took_ns > conduct->answer_ns ? took_ns - conduct->answer_ns
							       : conduct->answer_ns - took_ns;
		if (conduct->answers)
			conduct->answer_off_ns = mean(conduct->answer_off_ns, off_ns);
		conduct->answer_ns = mean(conduct->answer_ns, took_ns);
		conduct->answers++;
		conduct->answered_meanwhile++;
		if (conduct->proven < UINT32_MAX)
			conduct->proven++;
		return;
	}
	conduct_gave_up(conduct);
	uint64_t took_ns = clock_since(asked_ns, now_ns);
	if (!conduct->answer_least_ns || took_ns < conduct->answer_least_ns)
		conduct->answer_least_ns = took_ns;
	learn_turn(conduct, took_ns, now_ns);
	/* Those that still wait asked after this one, as far as is known. */
	conduct->asked_new_ns = now_ns;
	conduct->answered_meanwhile = 0;
}

void conduct_gave_up(struct conduct *conduct)
{
	if (conduct->asked_new)
		conduct->asked_new--;
}

/* An answer that takes longer is not on its way any more, as far as is known. */
static uint64_t patience_ns(const struct conduct *conduct)
{
	return CONDUCT_WAIT_LEAST_MS * CONDUCT_MS_NS + conduct->answer_ns * CONDUCT_WAIT_TIMES;
}

bool conduct_is_silent(const struct conduct *conduct, uint64_t asked_ns, uint64_t now_ns)
{
	return clock_since(asked_ns, now_ns) > patience_ns(conduct);
}

uint64_t conduct_queue_most_ns(const struct conduct *conduct, uint64_t now_ns)
{
	uint64_t waited_ns = clock_since(conduct->asked_new_ns, now_ns), most_ns = patience_ns(conduct);

	return conduct->asked_new && conduct->answered_meanwhile >= CONDUCT_WAIT_HITS &&
			       waited_ns > most_ns && waited_ns < ASKED_LIFE_S * SECOND_NS
		       ? most_ns
		       : 0;
}

uint64_t conduct_yields_ns(const struct conduct *conduct, uint64_t now_ns)
{
	if (!conduct->asked_new || clock_since(conduct->asked_new_ns, now_ns) >= ASKED_LIFE_S * SECOND_NS)
		return UINT64_MAX;
	return conduct->asked_new_ns + queue_ns(conduct);
}

uint64_t conduct_asks_for_ns(const struct conduct *conduct)
{
	return queue_ns(conduct) << conduct->in_vain;
}

uint64_t conduct_yields_elsewhere_ns(const struct conduct *conduct, uint64_t now_ns)
{
	return conduct_yields_ns(conduct, now_ns) == UINT64_MAX
		       ? UINT64_MAX
		       : conduct->asked_new_ns + conduct_asks_for_ns(conduct);
}

void conduct_made_way(struct conduct *conduct, uint64_t now_ns)
{
	/* Once for all that wait. */
	if (conduct->made_way_ns < conduct->asked_new_ns)
		conduct->made_way_ns = now_ns;
}

bool conduct_helped(struct conduct *conduct, uint64_t now_ns)
{
	if (!conduct->made_way_ns)
		return false;
	/* As long as an answer takes that waits for nothing. */
	bool helped = clock_since(conduct->made_way_ns, now_ns) <= queue_ns(conduct);
	conduct->made_way_ns = 0;
	conduct->helped = helped ? conduct->helped + 1 : 0;
	if (!helped && conduct->in_vain < IN_VAIN_MOST)
		conduct->in_vain++;
	if (conduct->helped < HELPED_ENOUGH)
		return false;
	conduct->helped = conduct->in_vain = 0;
	return true;
}

void conduct_stood_in_the_way(struct conduct *conduct, uint64_t now_ns)
{
	shorten_turn(conduct, now_ns);
}

const char *evidence_text(enum evidence evidence)
{
	static const char *const texts[EVIDENCES] = {
		[EVIDENCE_DATA] = "sent what nobody had asked for",
		[EVIDENCE_REPLY] = "sent more than was asked for, or a reply that cannot be understood",
		[EVIDENCE_LOST] = "closed a connection that was reused without an answer",
		[EVIDENCE_SILENCE] = "did not answer on a connection that was reused",
		[EVIDENCE_CLOSES] = "closes its connections right after its answers",
		[EVIDENCE_QUEUE] = "let new connections wait while it served those that were reused",
	};
	return texts[evidence];
}
