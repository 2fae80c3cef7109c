// SPDX-License-Identifier: Apache-2.0
/* test_conduct - what is learned of a server, and when reuse pauses. */
#include "tests/unit/check.h"

#include "pool/reuse/conduct.h"

#define MS     1000000ull
#define SECOND 1000000000ull
#define NOW    (1000 * SECOND)

TestSuite(conduct, .init = limit_time);

static void calm(struct conduct *conduct)
{
	for (unsigned i = 0; i < CONDUCT_CALM_IN_DOUBT; i++)
		conduct_stayed(conduct, MS);
}

static void wordless(struct conduct *conduct)
{
	for (unsigned i = 0; i < CONDUCT_WORDLESS; i++)
		conduct_seen_off(conduct);
}

Test(conduct, a_millisecond_of_quiet_until_something_is_known)
{
	struct conduct conduct = { 0 };
	wordless(&conduct);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 20000, 0, NOW), 2 * MS);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_LENGTH, 20000, 0, NOW), 2 * MS);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 2 * MS, 0, NOW), 4 * MS);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_PROTOCOL, 2 * MS, 0, NOW), MS);
	for (unsigned i = 0; i < CONDUCT_CALM_ONES - 1; i++)
		conduct_stayed(&conduct, MS);
	conduct_stayed(&conduct, MS - 1);
	check(conduct_is_learning(&conduct, TOLD_BY_PROTOCOL));
	conduct_stayed(&conduct, MS);
	check(!conduct_is_learning(&conduct, TOLD_BY_PROTOCOL));
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_PROTOCOL, 20000, 0, NOW), 0);
	check(conduct_is_learning(&conduct, TOLD_BY_LENGTH));
	/* Not gone as soon as it is fit. */
	conduct.gap_ns = 20000;
	check_number(conduct_idle_ns(&conduct, TOLD_BY_LENGTH, 0, NOW), CONDUCT_IDLE_LEARNING_MS * MS);
	check_number(conduct_idle_ns(&conduct, TOLD_BY_PROTOCOL, 0, NOW), CONDUCT_IDLE_LEAST_MS * MS);
	conduct.gap_ns = 0;
	for (unsigned i = CONDUCT_CALM_ONES; i < CONDUCT_CALM_IN_DOUBT; i++)
		conduct_stayed(&conduct, MS);
	check(!conduct_is_learning(&conduct, TOLD_BY_LENGTH));
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 20000, 0, NOW), 40000);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_LENGTH, 20000, 0, NOW), 0);
}

/* What takes long between two pieces of an answer tells it, or there is none. */
Test(conduct, where_more_may_come_after_an_answer_it_is_long_until_that_is_known)
{
	struct conduct conduct = { 0 };
	calm(&conduct);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 20000, 0, NOW), CONDUCT_LATE_MOST_MS * MS);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 20 * MS, 0, NOW), 40 * MS);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_LENGTH, 20000, 0, NOW), CONDUCT_LATE_MOST_MS * MS);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_PROTOCOL, 20000, 0, NOW), 0);
	for (unsigned i = 0; i < CONDUCT_WORDLESS - 1; i++)
		conduct_stayed(&conduct, CONDUCT_LATE_MOST_MS * MS);
	conduct_stayed(&conduct, CONDUCT_LATE_MOST_MS * MS - 1);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 20000, 0, NOW), CONDUCT_LATE_MOST_MS * MS);
	conduct_seen_off(&conduct);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 20000, 0, NOW), 40000);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_LENGTH, 20000, 0, NOW), 0);
	conduct_pause(&conduct, NOW);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 20000, 0, NOW), CONDUCT_LATE_MOST_MS * MS);
}

/* Who closes after so many answers does so after a round number of them. */
Test(conduct, the_first_at_a_round_depth_is_quiet_for_a_millisecond)
{
	struct conduct conduct = { .depth = 99 };
	calm(&conduct);
	wordless(&conduct);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_PROTOCOL, 0, 99, NOW), 0);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_PROTOCOL, 0, 100, NOW), MS);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 20000, 100, NOW), MS);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_LENGTH, 0, 100, NOW), 0);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_PROTOCOL, 0, 128, NOW), MS);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_PROTOCOL, 0, 120, NOW), 0);
	conduct_went_deep(&conduct, 100);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_PROTOCOL, 0, 100, NOW), 0);
}

/* One that was seen in time might have cost a request. */
Test(conduct, who_closes_by_chance_is_paid_for)
{
	struct conduct conduct = { .connects = 100 };
	conduct_ended_deep(&conduct, 10, NOW);
	conduct_ended_deep(&conduct, 10, NOW);
	conduct_ended_deep(&conduct, 12, NOW);
	check(!conduct_owes(&conduct));
	conduct_ended_deep(&conduct, 7, NOW + CONDUCT_LEARNED_LIFE_S * SECOND);
	check(!conduct_owes(&conduct));
	conduct_ended_deep(&conduct, 6, NOW + CONDUCT_LEARNED_LIFE_S * SECOND);
	check(conduct_owes(&conduct));
	conduct.connects = CONDUCT_ONE_LOST_IN;
	check(!conduct_owes(&conduct));
}

Test(conduct, what_it_does_after_its_answer_is_waited_for)
{
	struct conduct conduct = { 0 };
	calm(&conduct);
	wordless(&conduct);
	check_number(conduct_closed(&conduct, 4 * MS, NOW), EVIDENCE_NONE);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 20000, 0, NOW), 5 * MS);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_PROTOCOL, 20000, 0, NOW), 5 * MS);
	conduct_hit(&conduct);
	check_number(conduct_closed(&conduct, 2 * MS, NOW), EVIDENCE_NONE);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 20000, 0, NOW), 5 * MS);
	calm(&conduct);
	check_number(
		conduct_quiet_ns(&conduct, TOLD_BY_SILENCE, 20000, 0, NOW + CONDUCT_LEARNED_LIFE_S * SECOND),
		40000);
}

Test(conduct, one_that_closes_after_each_answer_is_not_worth_trying)
{
	struct conduct conduct = { 0 };
	for (unsigned i = 0; i < CONDUCT_LATE_ONES - 1; i++)
		check_number(conduct_closed(&conduct, MS, NOW), EVIDENCE_NONE);
	conduct_hit(&conduct);
	for (unsigned i = 0; i < CONDUCT_LATE_ONES - 1; i++)
		check_number(conduct_closed(&conduct, MS, NOW), EVIDENCE_NONE);
	check_number(conduct_closed(&conduct, MS, NOW), EVIDENCE_CLOSES);
}

Test(conduct, what_it_does_when_idle_bounds_the_idleness)
{
	struct conduct conduct = { 0 };
	calm(&conduct);
	check_number(conduct_closed(&conduct, 80 * MS, NOW), EVIDENCE_NONE);
	check_number(conduct_idle_ns(&conduct, TOLD_BY_PROTOCOL, SECOND, NOW), 40 * MS);
	check_number(conduct_closed(&conduct, 90 * MS, NOW), EVIDENCE_NONE);
	check_number(conduct_idle_ns(&conduct, TOLD_BY_PROTOCOL, SECOND, NOW), 40 * MS);
	check_number(conduct_quiet_ns(&conduct, TOLD_BY_PROTOCOL, 0, 0, NOW), 0);
	check_number(
		conduct_idle_ns(&conduct, TOLD_BY_PROTOCOL, SECOND, NOW + CONDUCT_LEARNED_LIFE_S * SECOND),
		SECOND);
}

Test(conduct, a_connection_is_kept_for_some_multiples_of_the_gap)
{
	struct conduct conduct = { 0 };
	uint64_t now_ns = NOW;
	calm(&conduct);
	check_number(conduct_idle_ns(&conduct, TOLD_BY_PROTOCOL, 0, now_ns), CONDUCT_IDLE_MOST_MS * MS);
	for (unsigned i = 0; i < 3; i++)
		conduct_connects(&conduct, now_ns += MS);
	check_number(conduct_idle_ns(&conduct, TOLD_BY_PROTOCOL, 0, now_ns), CONDUCT_IDLE_GAPS * MS);
	check_number(conduct_idle_ns(&conduct, TOLD_BY_PROTOCOL, SECOND, now_ns), SECOND);
	check(conduct_is_worth_it(&conduct));
	for (unsigned i = 0; i < 100; i++)
		conduct_connects(&conduct, now_ns += 1000);
	check_number(conduct_idle_ns(&conduct, TOLD_BY_PROTOCOL, 0, now_ns), CONDUCT_IDLE_LEAST_MS * MS);
	for (unsigned i = 0; i < 100; i++)
		conduct_connects(&conduct, now_ns += 200 * MS);
	check_number(conduct_idle_ns(&conduct, TOLD_BY_PROTOCOL, 0, now_ns), CONDUCT_IDLE_MOST_MS * MS);
	check(!conduct_is_worth_it(&conduct));
}

Test(conduct, one_lost_request_in_ten_thousand)
{
	struct conduct conduct = { 0 };
	check_number(conduct_lost(&conduct, true), EVIDENCE_LOST);
	check(!conduct_owes(&conduct));
	for (unsigned i = 0; i < CONDUCT_ONE_LOST_IN; i++)
		conduct_hit(&conduct);
	check_number(conduct_lost(&conduct, true), EVIDENCE_NONE);
	check_number(conduct_lost(&conduct, true), EVIDENCE_LOST);
}

Test(conduct, each_pause_is_twice_as_long_up_to_an_hour)
{
	struct conduct conduct = { 0 };
	unsigned wanted = CONDUCT_PAUSE_S;
	for (unsigned i = 0; i < 20; i++, wanted *= 2) {
		if (wanted > CONDUCT_PAUSE_MOST_S)
			wanted = CONDUCT_PAUSE_MOST_S;
		check_number(conduct_pause(&conduct, NOW), wanted);
		check_number(conduct.paused_until_ns, NOW + wanted * SECOND);
	}
}

Test(conduct, a_pause_makes_a_server_unknown)
{
	struct conduct conduct = { .open_until_ns = NOW + SECOND, .proven = 100 };
	calm(&conduct);
	conduct_pause(&conduct, NOW);
	check(conduct_is_learning(&conduct, TOLD_BY_LENGTH));
	check_number(conduct.open_until_ns, 0);
	check_number(conduct.proven, 0);
}

/* New connections wait in the server's queue while those that are handed out are served. */
Test(conduct, a_server_with_few_workers)
{
	struct conduct conduct = { 0 };
	uint64_t now_ns = NOW;
	conduct_asked(&conduct, false, now_ns);
	for (unsigned i = 0; i < CONDUCT_WAIT_HITS; i++) {
		conduct_asked(&conduct, true, now_ns);
		conduct_answered(&conduct, true, now_ns, now_ns + MS / 10);
		now_ns += 6 * MS;
	}
	check(!conduct_queue_most_ns(&conduct, NOW + 40 * MS));
	check(conduct_queue_most_ns(&conduct, now_ns));
	/* Or its answer comes. */
	conduct_answered(&conduct, false, NOW, now_ns);
	check(!conduct_queue_most_ns(&conduct, now_ns + 100 * MS));
}

/* Those that still wait asked after one that was answered, and the others are too few to tell. */
Test(conduct, what_waits_a_little_while_a_few_are_served_is_not_short_of_workers)
{
	struct conduct conduct = { 0 };
	conduct_asked(&conduct, false, NOW);
	conduct_asked(&conduct, false, NOW);
	conduct_answered(&conduct, false, NOW, NOW + 30 * MS);
	for (unsigned i = 0; i < CONDUCT_WAIT_HITS; i++)
		conduct_answered(&conduct, true, NOW, NOW);
	check(!conduct_queue_most_ns(&conduct, NOW + 60 * MS));
	check(conduct_queue_most_ns(&conduct, NOW + 1000 * MS));

	conduct = (struct conduct){ 0 };
	conduct_asked(&conduct, false, NOW);
	for (unsigned i = 0; i < CONDUCT_WAIT_HITS - 1; i++)
		conduct_answered(&conduct, true, NOW, NOW);
	check(!conduct_queue_most_ns(&conduct, NOW + 1000 * MS));
	conduct_answered(&conduct, true, NOW, NOW);
	check(conduct_queue_most_ns(&conduct, NOW + 1000 * MS));
}

Test(conduct, one_that_is_slow_for_all_is_not_short_of_workers)
{
	struct conduct conduct = { 0 };
	conduct_asked(&conduct, false, NOW);
	for (unsigned i = 0; i < CONDUCT_WAIT_HITS; i++)
		conduct_answered(&conduct, true, NOW, NOW + 10 * MS);
	check(!conduct_queue_most_ns(&conduct, NOW + 110 * MS));
}

/* A new connection that is answered after so long. */
static void answers_new(struct conduct *conduct, uint64_t took_ns)
{
	conduct_asked(conduct, false, NOW);
	conduct_answered(conduct, false, NOW, NOW + took_ns);
}

static struct conduct answering_in_a_millisecond(void)
{
	struct conduct conduct = conduct_unknown;
	for (unsigned i = 0; i < 8; i++)
		conduct_answered(&conduct, true, NOW, NOW + MS);
	return conduct;
}

Test(conduct, turns_grow_while_new_connections_are_answered_at_once_and_shrink_when_they_wait)
{
	struct conduct conduct = answering_in_a_millisecond();
	for (unsigned turn = CONDUCT_TURN_FIRST; turn <= CONDUCT_TURN_USES; turn *= 2) {
		check_number(conduct.turn, turn);
		for (unsigned i = 0; i < CONDUCT_TURN_SAMPLES; i++)
			answers_new(&conduct, 2 * MS);
	}
	check_number(conduct.turn, CONDUCT_TURN_USES);
	answers_new(&conduct, 10 * MS);
	check_number(conduct.turn, CONDUCT_TURN_USES / 4);
	for (unsigned i = 0; i < 3; i++)
		answers_new(&conduct, 10 * MS);
	check_number(conduct.turn, 1);
	/* Now more of them are wanted. */
	for (unsigned i = 0; i < CONDUCT_TURN_SAMPLES; i++)
		answers_new(&conduct, 2 * MS);
	check_number(conduct.turn, 1);
	for (unsigned i = 0; i < CONDUCT_TURN_SAMPLES; i++)
		answers_new(&conduct, 2 * MS);
	check_number(conduct.turn, 2);
}

/* How soon it answers on those that are kept is not known for ever, while none is. */
Test(conduct, where_none_is_kept_one_is_tried_now_and_then)
{
	struct conduct conduct = answering_in_a_millisecond();
	unsigned tries = 0;
	for (unsigned i = 0; i < 1000; i++) {
		answers_new(&conduct, 10 * MS);
		tries += conduct.turn == 2;
	}
	check(tries > 2 && tries < 10);
}

/* Of many connections at once some wait for others of the program: they are not tried again as soon. */
Test(conduct, a_crowd_is_not_as_soon_forgiven)
{
	struct conduct conduct = answering_in_a_millisecond();
	conduct_asked(&conduct, false, NOW);
	for (unsigned i = 0; i < 10; i++)
		answers_new(&conduct, 10 * MS);
	for (unsigned i = 0; i < 50; i++)
		answers_new(&conduct, 2 * MS);
	check_number(conduct.turn, 1);
}

Test(conduct, what_is_kept_yields_to_a_new_one_that_waits_for_longer_than_answers_take)
{
	struct conduct conduct = answering_in_a_millisecond();
	check(conduct_yields_ns(&conduct, NOW) == UINT64_MAX);
	conduct_asked(&conduct, false, NOW);
	check_number(conduct_yields_ns(&conduct, NOW), NOW + 4 * MS);
	check(conduct_yields_ns(&conduct, NOW + 3 * SECOND) == UINT64_MAX);
	conduct_answered(&conduct, false, NOW, NOW + MS);
	check(conduct_yields_ns(&conduct, NOW + 5 * MS) == UINT64_MAX);

	/* What it answers on those that are kept is not known yet. */
	conduct = conduct_unknown;
	answers_new(&conduct, 10 * MS);
	conduct_asked(&conduct, false, NOW);
	check_number(conduct_yields_ns(&conduct, NOW), NOW + 23 * MS);
}

Test(conduct, what_is_forgotten_unanswered_is_not_waited_for)
{
	struct conduct conduct = { 0 };
	conduct_asked(&conduct, false, NOW);
	for (unsigned i = 0; i < CONDUCT_WAIT_HITS; i++)
		conduct_answered(&conduct, true, NOW, NOW + MS);
	check(conduct_queue_most_ns(&conduct, NOW + SECOND));
	check(!conduct_queue_most_ns(&conduct, NOW + 3 * SECOND));
	conduct_asked(&conduct, false, NOW + 3 * SECOND);
	check_number(conduct.asked_new, 1);
	conduct_gave_up(&conduct);
	check(!conduct_queue_most_ns(&conduct, NOW + 4 * SECOND));

	/* Nor does one make a crowd of what comes later. */
	conduct = conduct_unknown;
	conduct_asked(&conduct, false, NOW);
	conduct_asked(&conduct, false, NOW + 3 * SECOND);
	check_number(conduct.crowd_until_ns, 0);
	conduct_asked(&conduct, true, NOW + 3 * SECOND);
	check(conduct.crowd_until_ns);
}

/* Two destinations may be one server by two names. */
Test(conduct, what_waits_may_wait_for_one_that_is_kept_elsewhere)
{
	struct conduct conduct = conduct_unknown, elsewhere = conduct_unknown;
	check(conduct_yields_elsewhere_ns(&conduct, NOW) == UINT64_MAX);
	for (unsigned i = 0; i < 4; i++) {
		conduct_asked(&conduct, false, NOW);
		check_number(conduct_yields_elsewhere_ns(&conduct, NOW), NOW + CONDUCT_QUEUE_MS * MS);
		conduct_made_way(&conduct, NOW + 3 * MS);
		conduct_made_way(&conduct, NOW + 30 * MS);
		/* So soon after that four times in a row is not by chance. */
		check_number(conduct_helped(&conduct, NOW + 4 * MS), i == 3);
		conduct_gave_up(&conduct);
	}
	check(!conduct_helped(&conduct, NOW + 4 * MS));
	conduct_stood_in_the_way(&elsewhere, NOW);
	check_number(elsewhere.turn, CONDUCT_TURN_FIRST / 4);
	conduct_stood_in_the_way(&elsewhere, NOW);
	check_number(elsewhere.turn, 1);
	/* Not for ever. */
	for (unsigned i = 0; i < 1000 && elsewhere.turn == 1; i++)
		answers_new(&elsewhere, MS);
	check_number(elsewhere.turn, 2);
}

Test(conduct, one_that_is_slow_by_itself_is_waited_for_longer_each_time)
{
	struct conduct conduct = conduct_unknown;
	for (unsigned i = 0; i < 10; i++) {
		conduct_asked(&conduct, false, NOW);
		check_number(conduct_asks_for_ns(&conduct), (CONDUCT_QUEUE_MS * MS) << (i < 6 ? i : 6));
		conduct_made_way(&conduct, NOW);
		check(!conduct_helped(&conduct, NOW + 4 * MS));
		conduct_gave_up(&conduct);
	}
}

Test(conduct, evidence_has_words)
{
	for (unsigned i = EVIDENCE_DATA; i < EVIDENCES; i++)
		check(*evidence_text((enum evidence)i));
}

Test(conduct, one_at_a_time_until_the_server_has_answered_some)
{
	struct conduct conduct = { 0 };
	for (unsigned i = 0; i < CONDUCT_PROOFS; i++) {
		check(conduct_may_risk(&conduct, NOW));
		conduct_risks(&conduct, NOW);
		check(!conduct_may_risk(&conduct, NOW));
		conduct_risked(&conduct);
		conduct_answered(&conduct, true, NOW, NOW);
	}
	conduct_risks(&conduct, NOW);
	check(conduct_may_risk(&conduct, NOW));
	conduct_risks(&conduct, NOW);
	check(!conduct_may_risk(&conduct, NOW));
}

Test(conduct, what_speaks_against_a_server_takes_back_trust)
{
	struct conduct conduct = { .proven = 4 * CONDUCT_PROOFS };
	for (unsigned i = 0; i < 15; i++)
		conduct_risks(&conduct, NOW);
	check(conduct_may_risk(&conduct, NOW));
	conduct_risks(&conduct, NOW);
	check(!conduct_may_risk(&conduct, NOW));
	conduct_closed(&conduct, MS, NOW);
	check_number(conduct.proven, 2 * CONDUCT_PROOFS);
	conduct_lost(&conduct, true);
	check_number(conduct.proven, 0);
	conduct.proven = 4 * CONDUCT_PROOFS;
	conduct_pause(&conduct, NOW);
	check_number(conduct.proven, 0);
}

Test(conduct, a_risk_that_is_forgotten_is_none_for_long)
{
	struct conduct conduct = { 0 };
	conduct_risks(&conduct, NOW);
	check(!conduct_may_risk(&conduct, NOW + 2 * SECOND));
	check(conduct_may_risk(&conduct, NOW + 2 * SECOND + 1));
	conduct_risks(&conduct, NOW + 3 * SECOND);
	check_number(conduct.at_risk, 1);
	conduct_risked(&conduct);
	conduct_risked(&conduct);
	check_number(conduct.at_risk, 0);
}

/* A night without a connect() does not make a program seem slow for long. */
Test(conduct, a_long_gap_is_soon_made_up_for)
{
	struct conduct conduct = { 0 };
	uint64_t now_ns = NOW;
	conduct_connects(&conduct, now_ns);
	conduct_connects(&conduct, now_ns += MS);
	conduct_connects(&conduct, now_ns += 3600 * SECOND);
	check(!conduct_is_worth_it(&conduct));
	for (unsigned i = 0; i < 50; i++)
		conduct_connects(&conduct, now_ns += MS);
	check(conduct_is_worth_it(&conduct));
	check_number(conduct.connects, 53);
}

Test(conduct, a_server_that_closes_late_is_learned_anew)
{
	struct conduct conduct = { 0 };
	calm(&conduct);
	check(!conduct_is_learning(&conduct, TOLD_BY_LENGTH));
	conduct_closed(&conduct, MS, NOW);
	check(conduct_is_learning(&conduct, TOLD_BY_LENGTH));
}

/* What may not be asked again. */
Test(conduct, nothing_is_staked_while_reuse_pauses_or_too_much_is_at_risk)
{
	struct conduct conduct = { .proven = CONDUCT_ONE_LOST_IN, .depth = 5 };
	check(conduct_may_stake(&conduct, false, 5, 0, NOW));
	check(!conduct_may_stake(&conduct, false, 6, 0, NOW));
	conduct.paused_until_ns = NOW + 1;
	check(!conduct_may_stake(&conduct, false, 5, 0, NOW));
	check(conduct_may_stake(&conduct, false, 5, 0, NOW + 1));
	conduct = (struct conduct){ .depth = 5 };
	check(conduct_may_stake(&conduct, true, 5, 0, NOW));
	conduct_risks(&conduct, NOW);
	check(!conduct_may_stake(&conduct, true, 5, 0, NOW));
	conduct_risked(&conduct);
	check(conduct_may_stake(&conduct, true, 5, 0, NOW));
}

Test(conduct, of_the_depths_at_which_one_ended_the_least_counts_for_a_minute)
{
	struct conduct conduct = { .depth = 9 };
	check(conduct_goes_deep(&conduct, 9, NOW));
	conduct_ended_deep(&conduct, 5, NOW);
	conduct_ended_deep(&conduct, 4, NOW);
	check_number(conduct.depth, 3);
	conduct_ended_deep(&conduct, 7, NOW);
	check(conduct_goes_deep(&conduct, 3, NOW));
	check(!conduct_goes_deep(&conduct, 4, NOW));
	uint64_t later_ns = NOW + CONDUCT_LEARNED_LIFE_S * SECOND;
	check(conduct_goes_deep(&conduct, 9, later_ns));
	conduct_ended_deep(&conduct, 7, later_ns);
	check(conduct_goes_deep(&conduct, 6, later_ns));
	check(!conduct_goes_deep(&conduct, 7, later_ns));
}
