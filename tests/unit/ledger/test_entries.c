// SPDX-License-Identifier: Apache-2.0
/* test_entries - entries are given to the busiest, and the sum over the segment is what was counted. */
#include "pool/ledger/entries.h"
#include "pool/ledger/own_segment.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND 1000000000ull

static struct usage_segment segment;
static struct tuple_space *owners[USAGE_ENTRIES];
static const struct port_range range = { .low = 40000, .high = 49999 };

/* @entries: how many there is room for, the sum included */
static void start(unsigned entries)
{
	program_start("");
	memset(&segment, 0, sizeof(segment));
	memset(owners, 0, sizeof(owners));
	segment.header.entries_used = 1;
	segment.entries[0].first_ns = 1;
	shim.writer = (struct usage_writer){ .state = USAGE_WRITING,
					     .segment = &segment,
					     .owners = owners,
					     .frozen = true,
					     .ready = entries };
}

static struct tuple_space *space(unsigned number)
{
	struct endpoint to = { .ip = ip("10.0.0.9"), .port = (uint16_t)number };
	struct address from = ip("10.0.0.1");
	struct destination *d = ledger_find(&shim.ledger, &to, &shim.settings.otherwise, fake.now_ns);
	return ledger_space(&shim.ledger, d, &from);
}

static void open_some(struct tuple_space *s, unsigned count)
{
	while (count--) {
		space_taken(s, &range, fake.now_ns);
		space_opened(s, 1000);
		if (s->apart)
			usage_promote(&shim.writer, &shim.arena, s);
	}
}

struct sum {
	uint64_t opened, open, closed_by_us, time_wait, failed;
};

static struct sum sum(void)
{
	struct sum all = { 0 };

	for (unsigned i = 0; i < segment.header.entries_used; i++) {
		const struct usage_entry *e = &segment.entries[i];
		check_number(e->sequence & 1, 0);
		all.opened += e->opened;
		all.open += e->open;
		all.closed_by_us += e->closed_by_us;
		all.time_wait += usage_time_wait(e, fake.now_ns);
		all.failed += e->failed;
	}
	return all;
}

static void check_sum(uint64_t opened, uint64_t open, uint64_t closed)
{
	struct sum all = sum();
	check_number(all.opened, opened);
	check_number(all.open, open);
	check_number(all.closed_by_us, closed);
	check_number(all.time_wait, closed);
}

static const struct usage_entry *entry_of(unsigned number)
{
	for (unsigned i = 1; i < segment.header.entries_used; i++)
		if (segment.entries[i].first_ns && segment.entries[i].to.port == number)
			return &segment.entries[i];
	return NULL;
}

Test(usage_write, a_space_counts_in_its_entry)
{
	start(8);
	struct tuple_space *s = space(80);
	open_some(s, 3);
	space_ended(s, ENDED_TIME_WAIT, fake.now_ns);
	check(s->use == entry_of(80));
	check_number(s->use->opened, 3);
	check_number(s->use->peak, 3);
	check_address(&s->use->source, "10.0.0.1");
	check_sum(3, 2, 1);
}

Test(usage_write, what_finds_no_entry_is_added_up)
{
	start(3);
	for (unsigned i = 1; i <= 6; i++)
		open_some(space(i), 2);
	check(entry_of(1) && entry_of(2) && !entry_of(3));
	check_number(segment.entries[0].opened, 8);
	check_number(segment.entries[0].peak, 8);
	space_ended(space(5), ENDED_TIME_WAIT, fake.now_ns);
	space_refused(space(5), 111);
	check_number(segment.entries[0].failures[0].count, 1);
	check_sum(12, 11, 1);
	/* Its own numbers are kept too. */
	check_number(space(5)->use->opened, 2);
}

Test(usage_write, an_idle_one_gives_its_entry_to_a_new_one)
{
	start(3);
	open_some(space(1), 2);
	open_some(space(2), 1);
	space_ended(space(2), ENDED_BY_PEER, fake.now_ns);
	open_some(space(3), 4);
	check(entry_of(1) && !entry_of(2) && entry_of(3));
	check(space(2)->apart);
	check_number(segment.entries[0].opened, 1);
	check_sum(7, 6, 0);
}

Test(usage_write, one_that_grows_takes_the_entry_of_a_smaller_one)
{
	start(3);
	open_some(space(1), 20);
	open_some(space(2), 3);
	open_some(space(3), 10);
	space_ended(space(3), ENDED_TIME_WAIT, fake.now_ns);
	check(!entry_of(3));
	open_some(space(3), 10);
	check(entry_of(1) && !entry_of(2) && entry_of(3));
	check_number(entry_of(3)->open, 19);
	check_number(usage_time_wait(entry_of(3), fake.now_ns), 1);
	check_number(segment.entries[0].open, 3);
	check_sum(43, 42, 1);
}

Test(usage_write, the_sum_holds_whoever_has_an_entry)
{
	unsigned opened = 0, open[40] = { 0 }, total = 0, closed = 0;

	start(7);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned which = spreading_random(&shim.spreading) % 40;
		struct tuple_space *s = space(which + 1);
		if (open[which] && spreading_random(&shim.spreading) % 3 == 0) {
			space_ended(s, ENDED_TIME_WAIT, fake.now_ns);
			open[which]--;
			total--;
			closed++;
		} else {
			open_some(s, 1);
			open[which]++;
			opened++;
			total++;
		}
	}
	check_sum(opened, total, closed);
	fake.now_ns += 100 * SECOND;
	check_number(sum().time_wait, 0);
}

Test(usage_write, what_a_forgotten_destination_counted_stays_in_the_sum)
{
	enum { ALL = FOLDED_MAX + LEDGER_UNFOLDED_MAX };
	start(8);
	for (unsigned i = 1; i <= ALL + 50; i++) {
		struct tuple_space *s = space(i % 65535 + 1);
		open_some(s, 1);
		space_ended(s, ENDED_BY_PEER, fake.now_ns);
	}
	check_number(segment.header.forgotten, 50);
	check_sum(ALL + 50, 0, 0);
}

Test(usage_write, the_sum_holds_whatever_is_folded)
{
	enum { ALL = 3 * LEDGER_UNFOLDED_MAX };
	static unsigned open[ALL];
	unsigned opened = 0, total = 0, closed = 0;

	start(7);
	for (unsigned i = 0; i < 60000; i++) {
		/* One in four again and again, so that it is given an entry now and then. */
		unsigned which = spreading_random(&shim.spreading) % 4
					 ? spreading_random(&shim.spreading) % ALL
					 : i / 2000;
		struct tuple_space *s = space(which + 1);
		if (!open[which] || spreading_random(&shim.spreading) % 3 == 0) {
			open_some(s, 1);
			open[which]++;
			opened++;
			total++;
		} else {
			space_ended(s, ENDED_TIME_WAIT, fake.now_ns);
			open[which]--;
			total--;
			closed++;
		}
		if (i % 10000 == 0)
			check_sum(opened, total, closed);
	}
	check(shim.ledger.folding.count);
	check_sum(opened, total, closed);
	for (unsigned i = 0; i < ALL; i++)
		check_number(space(i + 1)->open, open[i]);
	check_sum(opened, total, closed);
	fake.now_ns += 100 * SECOND;
	check_number(sum().time_wait, 0);
}

Test(usage_write, a_folded_one_takes_its_time_waits_to_the_entry_it_gets)
{
	start(3);
	open_some(space(1), 1);
	open_some(space(2), 1);
	open_some(space(3), 1);
	space_ended(space(3), ENDED_TIME_WAIT, fake.now_ns);
	for (unsigned i = 4; i < 3 * LEDGER_UNFOLDED_MAX; i++)
		open_some(space(i), 1), space_ended(space(i), ENDED_BY_PEER, fake.now_ns);
	check_number(usage_time_wait(&segment.entries[0], fake.now_ns), 1);
	/* An entry that nobody has in use is there when it comes back. */
	space_ended(space(1), ENDED_BY_PEER, fake.now_ns);
	check(!space(3)->apart);
	check_number(usage_time_wait(&segment.entries[0], fake.now_ns), 0);
	check_number(usage_time_wait(entry_of(3), fake.now_ns), 1);
	check_sum(3 * LEDGER_UNFOLDED_MAX - 1, 1, 1);
}

Test(usage_write, what_reuse_counts_is_in_the_entry_or_the_sum)
{
	uint64_t hits = 0, refused = 0, retired = 0, parked = 0;

	start(3);
	for (unsigned i = 1; i <= 4; i++) {
		open_some(space(i), i);
		SPACE_REUSE_ADD(space(i), reuse_hits, 10 * i);
		SPACE_REUSE_ADD(space(i), reuse_refused[REFUSED_UNREAD], 100 * i);
		SPACE_REUSE_ADD(space(i), reuse_retired[RETIRED_FIN], 1000 * i);
		SPACE_REUSE_ADD(space(i), reuse_parked, 1);
	}
	check_number(entry_of(2)->reuse_hits, 20);
	check_number(entry_of(2)->reuse_refused[REFUSED_UNREAD], 200);
	check_number(entry_of(2)->reuse_retired[RETIRED_FIN], 2000);
	check_number(segment.entries[0].reuse_hits, 70);
	check_number(segment.entries[0].reuse_parked, 2);
	/* The fourth takes the first one's entry: its counts stay in the sum, and what is parked moves. */
	open_some(space(4), 12);
	check(!entry_of(1) && entry_of(4));
	check_number(entry_of(4)->reuse_parked, 1);
	for (unsigned i = 0; i < segment.header.entries_used; i++) {
		hits += segment.entries[i].reuse_hits;
		refused += segment.entries[i].reuse_refused[REFUSED_UNREAD];
		retired += segment.entries[i].reuse_retired[RETIRED_FIN];
		parked += segment.entries[i].reuse_parked;
	}
	check_number(hits, 100);
	check_number(refused, 1000);
	check_number(retired, 10000);
	check_number(parked, 4);
}

Test(usage_write, what_was_counted_before_there_was_a_segment_moves_in)
{
	start(3);
	shim.writer.segment = NULL;
	for (unsigned i = 1; i <= 4; i++)
		open_some(space(i), i);
	space_ended(space(2), ENDED_TIME_WAIT, fake.now_ns);
	check(!space(1)->apart);
	shim.writer.segment = &segment;
	for (unsigned i = 1; i <= 4; i++)
		usage_move_in(&shim.writer, &shim.arena, space(i), fake.now_ns);
	check(space(1)->use == entry_of(1) && space(4)->apart);
	check_sum(10, 9, 1);
}

Test(usage_write, events_go_round)
{
	start(3);
	for (unsigned i = 0; i < USAGE_EVENTS + 3; i++) {
		struct usage_event event = { .kind = USAGE_FAILOVER, .repeats = i };
		usage_note(&shim.writer, &event, fake.now_ns);
	}
	check_number(segment.header.events_written, USAGE_EVENTS + 3);
	check_number(segment.events[2].repeats, USAGE_EVENTS + 2);
	check_number(segment.events[2].sequence, 2 * (USAGE_EVENTS + 2) + 2);
	check_number(segment.events[3].repeats, 3);
}

Test(usage_write, a_child_writes_nothing_of_its_parents)
{
	start(3);
	shim.writer.segment =
		mmap(NULL, sizeof(segment), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(shim.writer.segment != MAP_FAILED);
	shim.writer.segment->header.entries_used = 1;
	shim.writer.frozen = false;
	open_some(space(1), 1);
	if (fork() == 0) {
		usage_restart(&shim.writer, true);
		open_some(space(1), 5); /* the hook that a signal handler interrupted goes on */
		_exit(shim.writer.segment != NULL || shim.writer.state != USAGE_WITHOUT);
	}
	int status;
	wait(&status);
	check_number(status, 0);
	check_number(shim.writer.segment->entries[1].opened, 1);
	usage_restart(&shim.writer, false);
	check_number(shim.writer.state, USAGE_NOT_TRIED);
	check(!shim.writer.segment);
	shim.writer.frozen = true;
	shim.writer.state = USAGE_WRITING;
	usage_restart(&shim.writer, false);
	check_number(shim.writer.state, USAGE_WITHOUT);
}
