// SPDX-License-Identifier: Apache-2.0
/* test_ledger - what this process has open, per destination and source. */
#include "pool/ledger/ledger.h"
#include "tests/unit/check.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

static struct arena arena;
static struct ledger ledger = { .arena = &arena };
static const struct rule rule;
static const struct port_range range = { .low = 40000, .high = 40099 };
static const struct port_range unknown;

#define SECOND 1000000000ull
/* A time at which one of the ledger's ticks begins: 2^32 ns each. */
#define TICK(n) ((uint64_t)(n) << 32)
#define START   TICK(1000)

static struct destination *find(const char *to)
{
	struct endpoint endpoint = at(to);
	return ledger_find(&ledger, &endpoint, &rule, START);
}

static struct tuple_space *space(const char *source, const char *to)
{
	struct address from = ip(source);
	return ledger_space(&ledger, find(to), &from);
}

static void open_some(struct tuple_space *s, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		space_taken(s, &range, START);
		space_opened(s, 1000);
	}
}

Test(ledger, a_destination_and_a_source_have_one_entry_each)
{
	struct destination *d = find("10.0.0.9:80");
	check(d && d->rule == &rule);
	check(find("10.0.0.9:80") == d);
	check(find("[::ffff:10.0.0.9]:80") == d);
	check(find("10.0.0.9:81") != d);
	check(find("10.0.0.8:80") != d);
	check_number(ledger.count, 3);
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	check(s && s->destination == d);
	check(space("10.0.0.1", "10.0.0.9:80") == s);
	check(space("10.0.0.2", "10.0.0.9:80") != s);
	check(space("10.0.0.1", "10.0.0.9:81") != s);
}

Test(ledger, open_connections_are_in_use)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	open_some(s, 3);
	check_number(s->open, 3);
	check_number(s->use->opened, 3);
	check_number(s->use->connect_ns, 3000);
	check_number(space_in_use(s, &range, START), 3);
	space_ended(s, ENDED_BY_PEER, START);
	space_ended(s, ENDED_BY_RESET, START);
	space_ended(s, ENDED_UNSEEN, START);
	check_number(s->open, 0);
	check_number(space_in_use(s, &range, START), 0);
	check_number(s->use->closed_by_peer, 1);
	check_number(s->use->closed_by_reset, 1);
	check_number(s->use->closed_unseen, 1);
	check_number(s->use->closed_by_us, 0);
}

Test(ledger, in_use_is_never_more_than_the_capacity)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	open_some(s, 150);
	check_number(space_in_use(s, &range, START), 100);
	check_number(space_in_use(s, &unknown, START), 150);
}

Test(ledger, the_peak_stays)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	open_some(s, 5);
	space_ended(s, ENDED_BY_PEER, START);
	space_ended(s, ENDED_TIME_WAIT, START);
	open_some(s, 1);
	check_number(s->use->peak, 5);
	open_some(s, 3);
	check_number(s->use->peak, 8);
}

Test(ledger, a_destination_gets_busy_when_capacity_matters)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	open_some(s, 31);
	check(!s->destination->busy);
	open_some(s, 1);
	check(s->destination->busy);
}

struct offset {
	uint64_t ns;
};

ParameterizedTestParameters(ledger, a_connection_closed_by_us_is_in_use_for_60_s)
{
	static struct offset cases[] = { { 0 }, { 1 }, { TICK(1) / 2 }, { TICK(1) - 1 } };
	return cr_make_param_array(struct offset, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct offset *c, ledger, a_connection_closed_by_us_is_in_use_for_60_s)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	uint64_t closed = START + c->ns;
	open_some(s, 1);
	space_ended(s, ENDED_TIME_WAIT, closed);
	check_number(s->use->closed_by_us, 1);
	check_number(s->open, 0);
	for (unsigned second = 0; second <= 60; second++) {
		check_number(space_time_wait(s, closed + second * SECOND), 1);
		check_number(space_in_use(s, &range, closed + second * SECOND), 1);
	}
	/* Gone no more than a tick late. */
	check_number(space_time_wait(s, closed + 60 * SECOND + TICK(1) + SECOND), 0);
}

Test(ledger, time_waits_age_one_by_one)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	open_some(s, 30);
	for (unsigned i = 0; i < 30; i++)
		space_ended(s, ENDED_TIME_WAIT, START + i * 2 * SECOND);
	for (unsigned second = 58; second < 130; second++) {
		uint32_t left = space_time_wait(s, START + second * SECOND);
		/* i * 2 s + 60 s is the end of number i. */
		uint32_t least = second < 60 ? 30 : second > 118 ? 0 : 30 - (second - 60) / 2 - 1;
		uint32_t most = second < 66 ? 30 : second > 124 ? 0 : 30 - (second - 66) / 2;
		cr_assert(left >= least && left <= most, "after %u s: %u, not %u to %u", second, left, least,
			  most);
	}
}

Test(ledger, after_a_long_pause_all_time_waits_are_gone)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	open_some(s, 2);
	space_ended(s, ENDED_TIME_WAIT, START);
	check_number(space_time_wait(s, START + 1000000 * SECOND), 0);
	space_ended(s, ENDED_TIME_WAIT, START + 1000000 * SECOND);
	check_number(space_time_wait(s, START + 1000059 * SECOND), 1);
}

/* ending.c enters ends by the coarse clock, some milliseconds behind the one of attempt.c; and two threads
 * may come out of order. */
Test(ledger, a_clock_that_is_a_little_behind_loses_no_time_wait)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	open_some(s, 3);
	space_ended(s, ENDED_TIME_WAIT, TICK(1001) - 1000);
	space_ended(s, ENDED_TIME_WAIT, TICK(1001) + 1000);
	check_number(space_time_wait(s, TICK(1001) - 2000), 2);
	space_ended(s, ENDED_TIME_WAIT, TICK(1001) - 2000);
	check_number(space_time_wait(s, TICK(1001) + 2000), 3);
}

struct reuse_case {
	uint8_t reuse;
	char to[24];
	uint32_t late; /* in use 20 s after the close */
};

ParameterizedTestParameters(ledger, a_time_wait_that_may_be_taken_over_counts_for_seconds_only)
{
	static struct reuse_case cases[] = {
		{ 0, "10.0.0.9:80", 5 },  { 0, "127.0.0.1:80", 5 }, { 1, "10.0.0.9:80", 0 },
		{ 1, "127.0.0.1:80", 0 }, { 2, "10.0.0.9:80", 5 },  { 2, "127.0.0.1:80", 0 },
		{ 2, "[::1]:80", 0 },     { 2, "[fd00::9]:80", 5 },
	};
	return cr_make_param_array(struct reuse_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct reuse_case *c, ledger, a_time_wait_that_may_be_taken_over_counts_for_seconds_only)
{
	struct port_range reusing = { .low = 40000, .high = 40099, .time_wait_reuse = c->reuse };
	struct tuple_space *s = space("10.0.0.1", c->to);
	open_some(s, 5);
	for (int i = 0; i < 5; i++)
		space_ended(s, ENDED_TIME_WAIT, START);
	check_number(space_in_use(s, &reusing, START + SECOND), 5);
	check_number(space_in_use(s, &reusing, START + 20 * SECOND), c->late);
	check_number(space_time_wait(s, START + 20 * SECOND), 5);
}

struct delay_case {
	uint32_t delay_ms, after_s, in_use;
};

ParameterizedTestParameters(ledger, a_time_wait_counts_until_it_may_be_taken_over)
{
	static struct delay_case cases[] = {
		{ 0, 3, 5 },      { 0, 5, 0 },      { 1000, 5, 0 },        { 10000, 5, 5 },  { 10000, 10, 5 },
		{ 10000, 13, 0 }, { 60000, 55, 5 }, { UINT32_MAX, 60, 5 }, { 60000, 70, 0 },
	};
	return cr_make_param_array(struct delay_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct delay_case *c, ledger, a_time_wait_counts_until_it_may_be_taken_over)
{
	struct port_range reusing = {
		.low = 40000, .high = 40099, .time_wait_reuse = 1, .reuse_delay_ms = c->delay_ms
	};
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	open_some(s, 5);
	for (int i = 0; i < 5; i++)
		space_ended(s, ENDED_TIME_WAIT, START);
	check_number(space_in_use(s, &reusing, START + c->after_s * SECOND), c->in_use);
}

/* Past tcp_max_tw_buckets the kernel closes without one, whatever the tuple space. */
Test(ledger, there_are_no_more_time_waits_than_the_kernel_makes)
{
	struct port_range bounded = { .low = 40000, .high = 40999, .waits_bound = 10 + 1 };
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80"), *other = space("10.0.0.1", "10.0.0.8:80");
	open_some(s, 20);
	open_some(other, 5);
	for (int i = 0; i < 2; i++)
		space_ended(s, ENDED_TIME_WAIT, START);
	ledger_capacity_changed(&ledger, &bounded);
	for (int i = 0; i < 18; i++)
		space_ended(s, ENDED_TIME_WAIT, START + 30 * SECOND);
	space_ended(other, ENDED_TIME_WAIT, START + 30 * SECOND);
	check_number(space_in_use(s, &bounded, START + 30 * SECOND), 10);
	check_number(s->use->closed_by_us, 20);
	check_number(space_in_use(other, &bounded, START + 30 * SECOND), 4);
	/* The first two are over. */
	for (int i = 0; i < 4; i++)
		space_ended(other, ENDED_TIME_WAIT, START + 70 * SECOND);
	check_number(space_in_use(other, &bounded, START + 70 * SECOND), 2);
	check_number(space_in_use(s, &bounded, START + 70 * SECOND), 8);
}

Test(ledger, an_end_without_a_time_wait_frees_the_port)
{
	struct port_range none = { .low = 40000, .high = 40999, .waits_bound = 1 };
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	ledger_capacity_changed(&ledger, &none);
	open_some(s, 1);
	s->full_until_ns = START + SECOND;
	space_ended(s, ENDED_TIME_WAIT, START);
	check_number(space_in_use(s, &none, START), 0);
	check_number(s->full_until_ns, 0);
}

Test(ledger, more_time_waits_than_a_bucket_counts_do_not_wrap)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	for (unsigned i = 0; i < 70000; i++) {
		s->open++;
		space_ended(s, ENDED_TIME_WAIT, START);
	}
	check_number(space_time_wait(s, START), UINT16_MAX);
	check_number(s->use->closed_by_us, 70000);
	check_number(space_time_wait(s, START + 100 * SECOND), 0);
}

Test(ledger, failures_are_counted_by_reason)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	for (unsigned i = 0; i < 3; i++) {
		space_taken(s, &range, START);
		space_failed(s, ECONNREFUSED);
	}
	space_taken(s, &range, START);
	space_failed(s, ETIMEDOUT);
	space_taken(s, &range, START);
	space_failed(s, 0);
	space_refused(s, EADDRNOTAVAIL);
	check_number(s->open, 0);
	check_number(s->use->failed, 6);
	check_number(s->use->failures[0].error, ECONNREFUSED);
	check_number(s->use->failures[0].count, 3);
	check_number(s->use->failures[1].error, ETIMEDOUT);
	check_number(s->use->failures[2].error, 0);
	check_number(s->use->failures[2].count, 1);
	check_number(s->use->failures[3].error, EADDRNOTAVAIL);
	space_failed(s, 0);
	check_number(s->use->failures[2].count, 2);
}

Test(ledger, reasons_without_a_place_of_their_own_share_the_last)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	uint32_t sum = 0;
	for (int error = 1; error <= 20; error++)
		space_refused(s, error);
	for (int i = 0; i < USAGE_FAILURES; i++)
		sum += s->use->failures[i].count;
	check_number(sum, 20);
	check_number(s->use->failed, 20);
	check_number(s->use->failures[USAGE_FAILURES - 1].count, 20 - USAGE_FAILURES + 1);
}

Test(ledger, a_released_port_counts_as_nothing)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	space_taken(s, &range, START);
	space_released(s);
	check_number(s->open, 0);
	check_number(s->use->failed + s->use->opened, 0);
}

struct end_case {
	enum ending how;
	bool still_full;
};

ParameterizedTestParameters(ledger, a_full_space_is_so_no_longer_when_a_port_is_freed)
{
	static struct end_case cases[] = { { ENDED_TIME_WAIT, true },
					   { ENDED_BY_PEER, false },
					   { ENDED_BY_RESET, false },
					   { ENDED_UNSEEN, false } };
	return cr_make_param_array(struct end_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct end_case *c, ledger, a_full_space_is_so_no_longer_when_a_port_is_freed)
{
	struct tuple_space *s = space("10.0.0.1", "10.0.0.9:80");
	open_some(s, 1);
	s->full_until_ns = START + SECOND;
	space_ended(s, c->how, START);
	check_number(s->full_until_ns != 0, c->still_full);
}

static struct destination *numbered(unsigned i, uint64_t now_ns)
{
	char text[32];
	snprintf(text, sizeof(text), "10.%u.%u.%u:80", i >> 16 & 255, i >> 8 & 255, i & 255);
	struct endpoint to = at(text);
	return ledger_find(&ledger, &to, &rule, now_ns);
}

/* One of those that are not folded when they are idle. */
static struct destination *unfoldable(unsigned i, uint64_t now_ns)
{
	struct destination *d = numbered(i, now_ns);
	if (d)
		d->no_source_said = true;
	return d;
}

static void fill(void)
{
	for (unsigned i = 0; i < LEDGER_DESTINATIONS_MAX; i++)
		check(unfoldable(i, START));
	check_number(ledger.count, LEDGER_DESTINATIONS_MAX);
	check_number(ledger.forgotten, 0);
}

Test(ledger, all_destinations_are_walked_in_the_order_of_their_first_use)
{
	unsigned i = 0;
	fill();
	for (struct destination *d = ledger_next(&ledger, NULL); d; d = ledger_next(&ledger, d), i++)
		check(d == numbered(i, START));
	check_number(i, LEDGER_DESTINATIONS_MAX);
	check(!ledger_next(&(struct ledger){ 0 }, NULL));
}

Test(ledger, a_full_ledger_forgets_idle_destinations)
{
	fill();
	size_t mapped = arena.mapped;
	for (unsigned i = 0; i < 3 * LEDGER_DESTINATIONS_MAX; i++)
		check(unfoldable(LEDGER_DESTINATIONS_MAX + i, START));
	check_number(ledger.count, LEDGER_DESTINATIONS_MAX);
	check_number(ledger.forgotten, 3 * LEDGER_DESTINATIONS_MAX);
	/* What was forgotten gave its memory to what came; uthash may grow its table once more. */
	check(arena.mapped < mapped + mapped / 4);
}

Test(ledger, what_is_in_use_is_not_forgotten)
{
	struct address source = ip("10.0.0.1");
	struct tuple_space *kept[3];
	fill();
	/* Open, in TIME_WAIT, and with an attempt under way. */
	for (unsigned i = 0; i < 3; i++) {
		kept[i] = ledger_space(&ledger, numbered(i * 100, START), &source);
		open_some(kept[i], 1);
	}
	space_ended(kept[1], ENDED_TIME_WAIT, START);
	space_ended(kept[2], ENDED_BY_PEER, START);
	kept[2]->destination->users = 1;
	for (unsigned i = 0; i < 2 * LEDGER_DESTINATIONS_MAX; i++)
		check(unfoldable(LEDGER_DESTINATIONS_MAX + i, START + 30 * SECOND));
	for (unsigned i = 0; i < 3; i++) {
		check(numbered(i * 100, START + 30 * SECOND) == kept[i]->destination);
		check(kept[i]->destination->spaces == kept[i]);
	}
}

Test(ledger, when_all_are_in_use_a_new_destination_is_not_counted)
{
	struct address source = ip("10.0.0.1");
	for (unsigned i = 0; i < LEDGER_DESTINATIONS_MAX; i++)
		ledger_space(&ledger, unfoldable(i, START), &source)->open = 1;
	check(!numbered(LEDGER_DESTINATIONS_MAX, START));
	check(numbered(5, START));
	check_number(ledger.count, LEDGER_DESTINATIONS_MAX);
	/* Closed by us: there is room a minute later. */
	for (unsigned i = 0; i < LEDGER_DESTINATIONS_MAX; i++)
		space_ended(numbered(i, START)->spaces, ENDED_TIME_WAIT, START);
	check(!numbered(LEDGER_DESTINATIONS_MAX, START + 60 * SECOND));
	check(numbered(LEDGER_DESTINATIONS_MAX, START + 90 * SECOND));
	check_number(ledger.forgotten, 1);
}

Test(ledger, without_memory_nothing_is_entered_and_nothing_breaks)
{
	struct rlimit before, none;
	unsigned i = 0;
	getrlimit(RLIMIT_AS, &before);
	none = before;
	none.rlim_cur = 4096;
	for (; i < 100; i++)
		check(numbered(i, START));
	setrlimit(RLIMIT_AS, &none);
	unsigned made = 0, refused = 0;
	for (; i < 1000; i++) {
		if (numbered(i, START))
			made++;
		else
			refused++;
	}
	setrlimit(RLIMIT_AS, &before);
	check(refused > 0);
	check_number(ledger.count, 100 + made);
	for (i = 0; i < 1000; i++)
		check(numbered(i, START));
	check_number(ledger.count, 1000);
	unsigned walked = 0;
	for (struct destination *d = ledger_next(&ledger, NULL); d; d = ledger_next(&ledger, d))
		walked++;
	check_number(walked, 1000);
}

Test(ledger, without_memory_from_the_start_nothing_breaks)
{
	struct rlimit before, none;
	getrlimit(RLIMIT_AS, &before);
	none = before;
	none.rlim_cur = 4096;
	setrlimit(RLIMIT_AS, &none);
	struct destination *d = numbered(1, START);
	setrlimit(RLIMIT_AS, &before);
	check(!d);
	check(numbered(1, START));
	check_number(ledger.count, 1);
}
