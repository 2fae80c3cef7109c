// SPDX-License-Identifier: Apache-2.0
/* test_folding - destinations that are not in use take little memory, and come back as they were. */
#include "pool/reuse/pool.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ull
/* A time at which a tick begins. */
#define START (1000ull << 32)

static struct arena arena;
static struct ledger ledger = { .arena = &arena };
static const struct rule rule;
static const struct port_range range = { .low = 40000, .high = 40099 };

enum { MANY = 3 * LEDGER_UNFOLDED_MAX };

static struct endpoint numbered(unsigned i)
{
	char text[32];

	snprintf(text, sizeof(text), "10.%u.%u.%u:80", i >> 16 & 255, i >> 8 & 255, i & 255);
	return at(text);
}

static struct destination *find(unsigned i, uint64_t now_ns)
{
	struct endpoint to = numbered(i);
	struct destination *found = ledger_find(&ledger, &to, &rule, now_ns);
	check(found);
	return found;
}

static struct tuple_space *space(unsigned i, const char *source, uint64_t now_ns)
{
	struct address from = ip(source);
	return ledger_space(&ledger, find(i, now_ns), &from);
}

static void use(struct tuple_space *s, enum ending how, uint64_t now_ns)
{
	space_taken(s, &range, now_ns);
	space_opened(s, 7000);
	space_ended(s, how, now_ns);
}

static void visit_others(unsigned from, unsigned count, uint64_t now_ns)
{
	for (unsigned i = from; i < from + count; i++)
		use(space(i, "10.0.0.1", now_ns), ENDED_BY_PEER, now_ns);
}

Test(folding, past_a_number_of_destinations_those_not_in_use_are_folded)
{
	visit_others(0, MANY, START);
	check_number(ledger.count, LEDGER_UNFOLDED_MAX);
	check_number(ledger.folding.count, MANY - LEDGER_UNFOLDED_MAX);
	check_number(ledger_forgotten(&ledger), 0);
	size_t mapped = arena.mapped;
	visit_others(0, MANY, START);
	check_number(arena.mapped, mapped);
	check_number(ledger.count + ledger.folding.count, MANY);
}

Test(folding, a_destination_comes_back_as_it_was_with_all_its_sources)
{
	struct tuple_space *s = space(0, "10.0.0.1", START);
	use(s, ENDED_TIME_WAIT, START);
	use(s, ENDED_TIME_WAIT, START + 20 * SECOND);
	use(s, ENDED_BY_RESET, START + 20 * SECOND);
	space_refused(s, ECONNREFUSED);
	space_failed_over(s);
	use(space(0, "10.0.0.2", START), ENDED_TIME_WAIT, START + 20 * SECOND);
	visit_others(1, MANY, START + 20 * SECOND);
	for (const struct destination *d = ledger_next(&ledger, NULL); d; d = ledger_next(&ledger, d))
		check(d->to.ip.words_be[3] != numbered(0).ip.words_be[3]);

	const struct destination *back = find(0, START + 21 * SECOND);
	check(back->spaces && back->spaces->next && !back->spaces->next->next);
	s = space(0, "10.0.0.1", START + 21 * SECOND);
	check_number(s->use->opened, 3);
	check_number(s->use->failed, 1);
	check_number(s->use->failovers, 1);
	check_number(s->use->connect_ns, 21000);
	check_number(s->use->peak, 3);
	check_number(s->open, 0);
	check_number(s->time_wait, 2);
	check_number(space(0, "10.0.0.2", START + 21 * SECOND)->time_wait, 1);
	/* Each TIME_WAIT ends when it would have. */
	check_number(space_time_wait(s, START + 66 * SECOND), 1);
	check_number(space_time_wait(s, START + 86 * SECOND), 0);
}

Test(folding, time_waits_that_ended_meanwhile_are_over)
{
	use(space(0, "10.0.0.1", START), ENDED_TIME_WAIT, START);
	visit_others(1, MANY, START);
	struct tuple_space *s = space(0, "10.0.0.1", START + 70 * SECOND);
	check_number(s->time_wait, 0);
	check_number(s->use->opened, 1);
	use(s, ENDED_TIME_WAIT, START + 70 * SECOND);
	check_number(s->time_wait, 1);
}

static void open_one(struct tuple_space *s)
{
	space_taken(s, &range, START);
}

static void use_busily(struct tuple_space *s)
{
	for (unsigned i = 0; i < LEDGER_BUSY_FROM; i++)
		use(s, ENDED_TIME_WAIT, START);
}

static void attempt(struct tuple_space *s)
{
	s->destination->users = 1;
}

static void fill_up(struct tuple_space *s)
{
	s->full_until_ns = START + SECOND;
}

static void set_aside(struct tuple_space *s)
{
	s->aside_until_ns = START + SECOND;
}

static void warn_of(struct tuple_space *s)
{
	s->warned_steps = 1;
}

static void say_no_source(struct tuple_space *s)
{
	s->destination->no_source_said = true;
}

static void have_entry(struct tuple_space *s)
{
	s->number = 1;
}

/* Not by pointer in the parameter: another process runs the test, with the code elsewhere. */
static void (*const made[])(struct tuple_space *) = { open_one,  use_busily, attempt,       fill_up,
						      set_aside, warn_of,    say_no_source, have_entry };

struct kept {
	unsigned how;
};

ParameterizedTestParameters(folding, what_is_in_use_is_not_folded)
{
	static struct kept cases[] = { { 0 }, { 1 }, { 2 }, { 3 }, { 4 }, { 5 }, { 6 }, { 7 } };
	_Static_assert(sizeof(cases) / sizeof(cases[0]) == sizeof(made) / sizeof(made[0]), "one each");
	return cr_make_param_array(struct kept, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct kept *c, folding, what_is_in_use_is_not_folded)
{
	struct tuple_space *s = space(0, "10.0.0.1", START);
	made[c->how](s);
	visit_others(1, MANY, START);
	check(ledger_next(&ledger, NULL) == s->destination);
	check(find(0, START)->spaces == s);
	check_number(ledger.count, LEDGER_UNFOLDED_MAX);
}

Test(folding, after_many_were_open_at_once_there_are_fewer_again)
{
	for (unsigned i = 0; i < MANY; i++)
		open_one(space(i, "10.0.0.1", START));
	check_number(ledger.count, MANY);
	for (struct destination *d = ledger_next(&ledger, NULL); d; d = ledger_next(&ledger, d))
		space_ended(d->spaces, ENDED_TIME_WAIT, START);
	visit_others(MANY, MANY, START);
	check_number(ledger.count, LEDGER_UNFOLDED_MAX);
	check_number(ledger.count + ledger.folding.count, 2 * MANY);
	for (unsigned i = 0; i < MANY; i++)
		check_number(space(i, "10.0.0.1", START)->time_wait, 1);
}

static struct folded folded_of(unsigned i, uint32_t tick)
{
	return (struct folded){ .to = numbered(i), .source = ip("10.0.0.1"), .tick = tick, .opened = i };
}

Test(folding, when_there_is_no_room_one_without_a_time_wait_is_forgotten)
{
	struct folding folding = { 0 };
	struct folded one;
	unsigned walked = 0;

	for (unsigned i = 0; i < FOLDED_MAX; i++) {
		one = folded_of(i, 1000);
		one.time_wait[1000 % USAGE_TIME_WAIT_BUCKETS] = i != 20;
		check(folding_put(&folding, &arena, &one, START));
	}
	one = folded_of(FOLDED_MAX, 1000);
	one.time_wait[0] = 1;
	check(folding_put(&folding, &arena, &one, START));
	check_number(folding.forgotten, 1);
	check_number(folding.count, FOLDED_MAX);
	struct endpoint gone = numbered(20), there = numbered(21);
	check(!folding_take(&folding, &gone, &one));
	/* The rest are in TIME_WAIT. */
	one = folded_of(FOLDED_MAX + 1, 1000);
	check(!folding_put(&folding, &arena, &one, START));
	check(folding_put(&folding, &arena, &one, START + 70 * SECOND));
	check(folding_take(&folding, &there, &one));
	check_number(one.opened, 21);
	check(!folding_take(&folding, &there, &one));
	for (const struct folded *f = folding_next(&folding, NULL); f; f = folding_next(&folding, f))
		walked++;
	check_number(walked, folding.count);
	check_number(walked, FOLDED_MAX - 1);
}

Test(folding, each_is_found_among_all)
{
	struct folding folding = { 0 };
	struct folded one;

	for (unsigned i = 0; i < FOLDED_MAX; i++) {
		one = folded_of(i, 1000);
		check(folding_put(&folding, &arena, &one, START));
	}
	for (unsigned i = FOLDED_MAX; i--;) {
		struct endpoint to = numbered(i);
		check(folding_take(&folding, &to, &one));
		check_number(one.opened, i);
	}
	check_number(folding.count, 0);
	check(!folding_next(&folding, NULL));
	check(!folding_next(&(struct folding){ 0 }, NULL));
}

Test(folding, what_reuse_and_exhaustion_counted_there_is_not_lost)
{
	struct destination *d = find(0, START);
	struct reuse_counts sum = { 0 };
	struct reusing reusing = { 0 };

	d->exhausted = 5;
	d->parked = arena_alloc(&arena, sizeof(*d->parked));
	d->parked->counts.hits = 3;
	d->parked->counts.refused[REFUSED_OPEN] = 4;
	pool_add_counts(d, &sum);
	ledger.tenants[0] = pool_tenant;
	ledger.tenants[0].self = &reusing;
	visit_others(1, MANY, START);
	check_number(ledger.dropped_exhausted, 5);
	check(!memcmp(&reusing.dropped, &sum, sizeof(sum)));
	check_number(sum.refused[REFUSED_OPEN], 4);
}
