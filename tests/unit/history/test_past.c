// SPDX-License-Identifier: Apache-2.0
/* test_past - when it began, how bad it became and who grew, from looks that are made here. */
#include "cli/history/past.h"
#include "cli/history/ring.h"
#include "tests/unit/check.h"

#include <stdio.h>

enum { WHOLE = 1000 };

static char path[64];
static struct ring ring;
static struct look look;
static uint64_t now_ns;

static void set_up(void)
{
	snprintf(path, sizeof(path), "/tmp/headroom-past-%d", getpid());
	unlink(path);
	check(!ring_open(&ring, path, 1 << 20));
	now_ns = UINT64_C(1000000000000);
	look = (struct look){ .host = { .version = LOOK_VERSION,
					.network = 4,
					.low = 30000,
					.high = 30000 + WHOLE - 1,
					.capacity = WHOLE } };
}

static void tear_down(void)
{
	ring_close(&ring);
	unlink(path);
}

static void keep(void)
{
	static char bytes[LOOK_BYTES_MAX];

	now_ns += UINT64_C(10000000000);
	look.host.realtime_ns = now_ns;
	check(!ring_append(&ring, bytes, look_write(&look, bytes)));
}

/* One tuple space with two owners, and TIME_WAITs. */
static void keep_space(uint32_t nginx, uint32_t php, uint32_t time_wait)
{
	uint32_t in_use = nginx + php + time_wait;

	look.host.space_count = 1;
	look.host.owner_count = 2;
	look.spaces[0] = (struct look_space){ .to = at("10.0.0.1:80"),
					      .source = ip("10.0.0.2"),
					      .in_use = in_use,
					      .time_wait = time_wait,
					      .at_least = WHOLE - in_use,
					      .at_most = WHOLE - in_use,
					      .verdict = in_use == WHOLE ? VERDICT_EXHAUSTED
							 : in_use >= 800 ? VERDICT_TIGHT
									 : VERDICT_FINE };
	look.owners[0] = (struct look_owner){ .processes = 1, .ports = nginx, .group = "nginx.service" };
	look.owners[1] = (struct look_owner){ .processes = 60, .ports = php, .group = "php-fpm" };
	keep();
}

static struct past *read_past(uint64_t since_ns, uint64_t until_ns)
{
	static struct past past;
	struct past_asked asked = { .path = path, .since_ns = since_ns, .until_ns = until_ns };

	past_end(&past);
	check_number(past_read(&past, &asked), 0);
	return &past;
}

TestSuite(past, .init = set_up, .fini = tear_down);

Test(past, when_it_began_and_who_grew)
{
	const struct past_owner *who[4];

	keep_space(100, 10, 0);
	keep_space(90, 12, 0);
	keep_space(95, 11, 0); /* from here on */
	keep_space(95, 300, 20);
	keep_space(96, 700, 50);
	keep_space(96, 800, 104);
	keep_space(90, 500, 200);
	const struct past *past = read_past(0, now_ns);
	const struct past_series *s = past->series;
	check_number(past->count, 7);
	check_number(s->whole, WHOLE);
	check_number(s->grew_from, 2);
	check_number(s->grew_to, 5);
	check_number(s->least_at, 5);
	check_number(s->points[5].at_least, 0);
	check_number(s->full_from, 5);
	check_number(s->full_to, 5);
	check_number(s->bad_from, 4);
	check_number(s->bad_to, 5);
	check_number(s->bad_looks, 2);
	check_number(past_growers(s, who, 4), 2);
	check_text(who[0]->group, "php-fpm");
	check_number(who[0]->processes, 60);
	check_text(who[1]->group, "nginx.service");
	check_number(past_growers(s, who, 1), 1);
	check_text(who[0]->group, "php-fpm");
	check_number(past->gaps, 0);
	check_number(past->typical_gap_ns, UINT64_C(10000000000));
}

Test(past, a_tuple_space_that_was_not_kept_had_nothing_in_use)
{
	look.host.space_count = look.host.owner_count = 0;
	keep();
	keep();
	keep_space(0, 500, 0);
	const struct past *past = read_past(0, now_ns);
	check_number(past->series->points[0].at_least, WHOLE);
	check_number(past->series->grew_from, 1);
	check_number(past->series->full_from, PAST_NEVER);
}

Test(past, only_what_was_asked_for)
{
	uint64_t begin_ns = now_ns;

	for (unsigned i = 0; i < 10; i++)
		keep_space(i, i, 0);
	check_number(read_past(begin_ns + UINT64_C(30000000000), begin_ns + UINT64_C(50000000000))->count, 3);
	check_number(read_past(now_ns + 1, now_ns + 2)->count, 0);
	/* Of the network namespace of the last one. */
	look.host.network = 5;
	keep_space(1, 1, 0);
	check_number(read_past(0, now_ns)->count, 1);
}

Test(past, blocked_ports_have_a_row)
{
	look.host.space_count = 0;
	look.host.owner_count = 1;
	look.owners[0] =
		(struct look_owner){ .space = LOOK_BLOCKERS, .processes = 1, .group = "old.service" };
	keep();
	look.host.blocked = 800;
	look.host.doubtful = 200;
	look.owners[0].ports = 800;
	keep();
	const struct past *past = read_past(0, now_ns);
	check_number(past->blocked.points[1].at_least, 0);
	check_number(past->blocked.full_from, 1);
	const struct past_owner *who[1];
	check_number(past_growers(&past->blocked, who, 1), 1);
	check_text(who[0]->group, "old.service");
}

Test(past, a_gap_is_seen)
{
	for (unsigned i = 0; i < 5; i++)
		keep_space(1, 1, 0);
	now_ns += UINT64_C(100000000000);
	keep_space(1, 1, 0);
	const struct past *past = read_past(0, now_ns);
	check_number(past->gaps, 1);
	check_number(past->longest_gap_ns, UINT64_C(110000000000));
}

Test(past, a_gap_is_seen_among_three_looks)
{
	keep_space(1, 1, 0);
	keep_space(1, 1, 0);
	now_ns += UINT64_C(100000000000);
	keep_space(1, 1, 0);
	const struct past *past = read_past(0, now_ns);
	check_number(past->gaps, 1);
	check_number(past->typical_gap_ns, UINT64_C(10000000000));
}

Test(past, the_last_look_until_a_moment)
{
	static struct look found;
	uint64_t begin_ns = now_ns;

	for (unsigned i = 0; i < 5; i++)
		keep_space(10 * i, 0, 0);
	check_number(past_at(path, begin_ns + UINT64_C(35000000000), &found), 0);
	check_number(found.spaces[0].in_use, 20);
	check_number(past_at(path, now_ns + 1, &found), 0);
	check_number(found.spaces[0].in_use, 40);
	check_number(past_at(path, begin_ns, &found), 2);
}

Test(past, a_look_is_not_trusted)
{
	static char bytes[LOOK_BYTES_MAX];
	static struct look out;

	keep_space(1, 2, 3);
	size_t size = look_write(&look, bytes);
	check(look_read(bytes, size, &out));
	check(!look_read(bytes, size - 1, &out));
	check(!look_read(bytes, 10, &out));
	look.owners[1].space = 1; /* of one */
	check(!look_read(bytes, look_write(&look, bytes), &out));
	look.owners[1].space = 0;
	look.spaces[0].verdict = 99;
	check(!look_read(bytes, look_write(&look, bytes), &out));
	look.spaces[0].verdict = 0;
	memset(look.owners[1].group, '\033', LOOK_GROUP_MAX);
	check(look_read(bytes, look_write(&look, bytes), &out));
	check_number(strspn(out.owners[1].group, "?"), LOOK_GROUP_MAX - 1);
	look.host.space_count = 0xffff;
	memcpy(bytes, &look.host, sizeof(look.host));
	check(!look_read(bytes, size, &out));
}
