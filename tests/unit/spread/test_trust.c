// SPDX-License-Identifier: Apache-2.0
/* test_trust - a source that fails towards a destination draws no connections, and comes back when it works.
 */
#include "pool/spread/trust.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>

#define SECOND 1000000000ull
#define MS     1000000ull
#define TO     "10.0.0.9:80"

TestSuite(trust, .fini = fake_stop);

enum how_it_fails { GIVEN_UP, REFUSED, UNREACHABLE_LATE, REFUSED_AT_ONCE, RESET_LATER, HOWS };

/* What the network and the server do with one source, and what the program does then. */
struct world {
	const char *bad[8];
	enum how_it_fails how;
	bool nonblocking;
	unsigned tried, lost;
	unsigned keep; /* connections are closed again if 0 */
};

static bool is_bad(const struct world *w, const struct program_socket *s)
{
	char text[ADDRESS_TEXT_MAX];
	address_format(&fake_fd(s->fd)->local.ip, text);
	for (unsigned i = 0; w->bad[i]; i++)
		if (!strcmp(w->bad[i], text))
			return true;
	return false;
}

static const char *ip_text(const struct endpoint *e)
{
	static char text[ADDRESS_TEXT_MAX];
	address_format(&e->ip, text);
	return text;
}

/* The source of a connect() that is going to be made. */
static struct world *refusing;
static const struct program_socket *calling;

static void refuse_bad(void *argument)
{
	(void)argument;
	fake.connect_result = is_bad(refusing, calling) ? -ECONNREFUSED
			      : refusing->nonblocking   ? -EINPROGRESS
							: 0;
}

static void begin(struct world *w, struct program_socket *s)
{
	*s = program_socket(AF_INET);
	refusing = w;
	calling = s;
	fake.meanwhile = w->how == REFUSED_AT_ONCE ? refuse_bad : NULL;
	if (w->how != REFUSED_AT_ONCE)
		fake.connect_result = w->nonblocking ? -EINPROGRESS : 0;
	long rc = program_connect(s, TO);
	fake.meanwhile = NULL;
	w->tried++;
	fake.now_ns += MS / 20;
	if (rc == -ECONNREFUSED) {
		w->lost++;
		program_close(s);
		s->fd = -1;
		return;
	}
	check(rc == 0 || rc == -EINPROGRESS);
	if (w->how != RESET_LATER && is_bad(w, s))
		return;
	/* The answer to a SYN comes within a round trip, which is short here. */
	fake_fd(s->fd)->spreading = false;
	fake_fd(s->fd)->connected = true;
	fake_fd(s->fd)->tcp_state = TCP_ESTABLISHED;
}

static void end(struct world *w, struct program_socket *s)
{
	if (s->fd < 0)
		return;
	struct fake_fd *f = fake_fd(s->fd);
	if (!is_bad(w, s)) {
		f->received = 100;
		if (w->keep)
			return;
		f->to_recv = 0; /* the server closes */
		f->tcp_state = TCP_CLOSE_WAIT;
		program_close(s);
		return;
	}
	w->lost++;
	switch (w->how) {
	case GIVEN_UP:
		fake.now_ns += 300 * MS;
		break;
	case REFUSED:
	case UNREACHABLE_LATE:
		f->tcp_state = TCP_CLOSE;
		f->to_recv = w->how == REFUSED ? -ECONNREFUSED : -EHOSTUNREACH;
		break;
	default:
		f->tcp_state = TCP_CLOSE;
		f->to_recv = 0;
		fake.now_ns += MS;
	}
	program_close(s);
}

/* @together: so many are begun before the first ends. */
static void run(struct world *w, unsigned count, unsigned together)
{
	struct program_socket s[64];

	for (unsigned done = 0; done < count; done += together) {
		for (unsigned i = 0; i < together; i++)
			begin(w, &s[i]);
		for (unsigned i = 0; i < together; i++)
			end(w, &s[i]);
		fake.now_ns += MS;
	}
}

static void start(const char *sources, const char *spread)
{
	char rules[256];
	snprintf(rules, sizeof(rules), "[headroom]\nsources = %s\nspread = %s\n", sources, spread);
	program_start(rules);
	fake_range(40000, 41999, "", 0);
}

struct bar_case {
	char spread[8];
	enum how_it_fails how;
	bool nonblocking, keep;
	unsigned together;
};

ParameterizedTestParameters(trust, one_bad_source_of_four_costs_little)
{
	static struct bar_case cases[2 * HOWS * 2 * 2 * 3];
	unsigned count = 0;
	for (int even = 0; even < 2; even++)
		for (enum how_it_fails how = GIVEN_UP; how < HOWS; how++)
			for (int nonblocking = 0; nonblocking < 2; nonblocking++)
				for (int keep = 0; keep < 2; keep++)
					for (unsigned together = 1; together <= 20;
					     together += together == 1 ? 3 : 16) {
						bool outlasts = how != REFUSED_AT_ONCE && how != RESET_LATER;
						struct bar_case c = { .how = how,
								      .nonblocking = outlasts || nonblocking,
								      .keep = keep,
								      .together = together };
						strcpy(c.spread, even ? "even" : "sticky");
						/* Who blocks in each connect(), and uses none
						 * before it has all, is told too late. */
						bool too_late =
							how == RESET_LATER && !nonblocking && together > 4;
						if ((even || together == 1) && !too_late)
							cases[count++] = c;
					}
	return cr_make_param_array(struct bar_case, cases, count);
}

ParameterizedTest(struct bar_case *c, trust, one_bad_source_of_four_costs_little)
{
	struct world w = {
		.bad = { "10.0.0.3" }, .how = c->how, .nonblocking = c->nonblocking, .keep = c->keep
	};
	start("10.0.0.1-10.0.0.4", c->spread);
	run(&w, 40, c->together);
	cr_assert(w.lost <= 3, "%s how %d together %u nonblocking %d keep %d: %u of the first %u lost",
		  c->spread, c->how, c->together, c->nonblocking, c->keep, w.lost, w.tried);
	unsigned at_first = w.lost;
	run(&w, 1000, c->together);
	cr_assert(w.lost - at_first <= 10, "%s how %d together %u: %u of the rest lost", c->spread, c->how,
		  c->together, w.lost - at_first);
}

Test(trust, it_is_logged_once)
{
	struct world w = { .bad = { "10.0.0.3" }, .how = REFUSED_AT_ONCE };
	start("10.0.0.1-10.0.0.4", "even");
	for (unsigned i = 0; i < 20; i++) {
		run(&w, 100, 1);
		fake.now_ns += 100 * SECOND;
	}
	check(w.lost >= 3);
	const char *line =
		strstr(fake.output, "event=source_failing destination=10.0.0.9:80 source=10.0.0.3");
	cr_assert(line, "%s", fake.output);
	check(!strstr(line + 30, "source_failing"));
	check_contains(line, "Connection refused");
}

Test(trust, a_source_that_works_again_is_used_again)
{
	for (enum how_it_fails how = GIVEN_UP; how < HOWS; how++) {
		struct world w = { .bad = { "10.0.0.3" }, .how = how, .nonblocking = how < REFUSED_AT_ONCE };
		start("10.0.0.1-10.0.0.4", "even");
		run(&w, 1000, 1);
		w.bad[0] = NULL;
		fake.now_ns += TRUST_ASIDE_MOST_S * SECOND;
		uint64_t before = program_space("10.0.0.3", TO)->use->opened;
		run(&w, 400, 1);
		uint64_t opened = program_space("10.0.0.3", TO)->use->opened - before;
		cr_assert(opened > 20, "how %d: %u connections", how, (unsigned)opened);
		fake_stop();
	}
}

Test(trust, it_is_tried_by_one_connection_at_a_time)
{
	struct world w = { .bad = { "10.0.0.3" }, .how = GIVEN_UP, .nonblocking = true };
	start("10.0.0.1-10.0.0.4", "even");
	run(&w, 1000, 1);
	for (unsigned i = 0; i < 10; i++) {
		struct program_socket s[20];
		fake.now_ns += TRUST_ASIDE_MOST_S * SECOND;
		for (unsigned n = 0; n < 20; n++)
			begin(&w, &s[n]);
		check(program_space("10.0.0.3", TO)->open <= 1);
		for (unsigned n = 0; n < 20; n++)
			end(&w, &s[n]);
		run(&w, 128, 1);
	}
}

/* The connection that is looked at was closed by another thread, and its number is another source's. */
Test(trust, an_answer_to_another_source_under_the_number_is_none)
{
	for (int same = 0; same < 2; same++) {
		struct world w = { .how = GIVEN_UP, .nonblocking = true };
		struct program_socket s[5];
		start("10.0.0.1-10.0.0.4", "even");
		begin(&w, &s[0]);
		struct fake_fd *f = fake_fd(s[0].fd);
		struct tuple_space *space = program_space(ip_text(&f->local), TO);
		f->received = 100;
		if (!same)
			f->local = at("10.0.0.9:5000");
		fake.now_ns += MS;
		for (unsigned i = 1; i < 5; i++)
			begin(&w, &s[i]);
		check_number(!(space->doubt & TRUST_UNTESTED), same);
		fake_stop();
	}
}

Test(trust, the_time_grows_between_tries)
{
	struct world w = { .bad = { "10.0.0.3" }, .how = REFUSED_AT_ONCE };
	start("10.0.0.1-10.0.0.4", "even");
	run(&w, 40, 1);
	unsigned before = w.lost;
	/* 200 answers a second for 1,000 s. */
	for (unsigned second = 0; second < 1000; second++) {
		run(&w, 200, 1);
		fake.now_ns += SECOND - 200 * (MS + MS / 20);
	}
	check(w.lost - before >= 5);
	check(w.lost - before <= 12);
}

Test(trust, a_server_that_is_down_sets_nothing_aside)
{
	for (enum how_it_fails how = GIVEN_UP; how < HOWS; how++) {
		struct world w = { .bad = { "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4" },
				   .how = how,
				   .nonblocking = how < REFUSED_AT_ONCE };
		start("10.0.0.1-10.0.0.4", "even");
		run(&w, 200, 4);
		check_number(w.lost, 200);
		check(!strstr(fake.output, "source_failing"));
		/* All are asked alike, and all are used alike when it is there again. */
		for (unsigned i = 1; i <= 4; i++) {
			char text[16];
			snprintf(text, sizeof(text), "10.0.0.%u", i);
			struct tuple_space *space = program_space(text, TO);
			check(space->use->failed + space->use->closed_by_peer >= 20);
			check(!space->trust || !space->trust->aside);
		}
		w.bad[0] = NULL;
		w.keep = 1;
		run(&w, 400, 1);
		check_number(w.lost, 200);
		for (unsigned i = 1; i <= 4; i++) {
			char text[16];
			snprintf(text, sizeof(text), "10.0.0.%u", i);
			check(program_space(text, TO)->open > 50);
		}
		fake_stop();
	}
}

Test(trust, whichever_begins_to_be_turned_away_is_noticed)
{
	for (unsigned i = 1; i <= 4; i++) {
		struct world w = { .how = RESET_LATER };
		char text[16];
		snprintf(text, sizeof(text), "10.0.0.%u", i);
		start("10.0.0.1-10.0.0.4", "even");
		run(&w, 160, 1);
		w.bad[0] = text;
		run(&w, 400, 1);
		cr_assert(w.lost < 64, "%u lost from %s", w.lost, text);
		fake_stop();
	}
}

Test(trust, one_good_source_among_many_bad_ones_is_found)
{
	struct world w = { .bad = { "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.6", "10.0.0.7",
				    "10.0.0.8" },
			   .how = REFUSED_AT_ONCE };
	start("10.0.0.1-10.0.0.8", "even");
	run(&w, 400, 1);
	unsigned at_first = w.lost;
	run(&w, 1000, 1);
	cr_assert(w.lost - at_first <= 60, "%u of the last 1000 lost", w.lost - at_first);
}

/* Spill: the natural source is below its knee, then past it. */
Test(trust, spill_passes_over_a_bad_source_past_the_knee)
{
	struct world w = { .bad = { "10.0.0.2" }, .how = GIVEN_UP, .nonblocking = true, .keep = 1 };
	start("10.0.0.2-10.0.0.4", "spill");
	fake_range(40000, 40099, "", 0);
	run(&w, 50, 1);
	check_number(w.lost, 0);
	run(&w, 40, 1);
	check(w.lost <= 3);
	run(&w, 60, 1);
	check(w.lost <= 3);
}

Test(trust, spill_leaves_to_the_kernel_what_none_of_the_list_reaches)
{
	struct world w = {
		.bad = { "10.0.0.2", "10.0.0.3", "10.0.0.4" }, .how = GIVEN_UP, .nonblocking = true, .keep = 1
	};
	start("10.0.0.2-10.0.0.4", "spill");
	fake_range(40000, 40049, "", 0);
	run(&w, 50, 1);
	cr_assert(w.lost <= 3, "%u", w.lost);
}

Test(trust, spill_leaves_a_natural_source_that_fails_for_one_that_does_not)
{
	struct world w = { .bad = { "10.0.0.1" }, .how = REFUSED_AT_ONCE };
	start("10.0.0.2-10.0.0.4", "spill");
	run(&w, 3, 1);
	check_number(w.lost, 3);
	run(&w, 197, 1);
	cr_assert(w.lost <= 7, "%u", w.lost);
}

Test(trust, one_failure_does_not_move_spill_or_sticky)
{
	static const char *const spreads[] = { "spill", "sticky" };
	for (unsigned i = 0; i < 2; i++) {
		start("10.0.0.2-10.0.0.4", spreads[i]);
		struct program_socket s = program_socket(AF_INET), t = program_socket(AF_INET);
		check_number(program_connect(&s, TO), 0);
		struct address first = fake_fd(s.fd)->local.ip;
		fake.connect_result = -ECONNREFUSED;
		check_number(program_connects(AF_INET, TO), -ECONNREFUSED);
		fake.connect_result = 0;
		check_number(program_connect(&t, TO), 0);
		check(address_equal(&first, &fake_fd(t.fd)->local.ip));
		fake_stop();
	}
}

Test(trust, errors_of_this_host_are_no_failures)
{
	static const int errors[] = { ENOMEM, ENOBUFS, EBADF, EINTR + 1000, EAFNOSUPPORT };
	start("10.0.0.1,10.0.0.2", "even");
	check_number(program_connects(AF_INET, TO), 0);
	for (unsigned i = 0; i < 5; i++) {
		fake.connect_result = -errors[i];
		check_number(program_connects(AF_INET, TO), -errors[i]);
	}
	check(!shim.ledger.doubted);
}

Test(trust, a_connection_that_lived_for_long_was_not_turned_away)
{
	struct world w = { 0 };
	start("10.0.0.1,10.0.0.2", "even");
	for (unsigned i = 0; i < 20; i++) {
		struct program_socket s;
		begin(&w, &s);
		fake_fd(s.fd)->to_recv = 0;
		fake_fd(s.fd)->tcp_state = TCP_CLOSE_WAIT;
		fake_fd(s.fd)->silent_ms = 60000;
		program_close(&s);
	}
	check(!shim.ledger.doubted);
}

Test(trust, a_connection_that_waits_while_others_are_answered_draws_no_more)
{
	struct world w = { .how = GIVEN_UP, .nonblocking = true, .keep = 1 };
	start("10.0.0.1-10.0.0.4", "even");
	run(&w, 100, 1);
	/* The way back of one is lost; nobody gives up. */
	w.bad[0] = "10.0.0.3";
	uint32_t before = program_space("10.0.0.3", TO)->open;
	for (unsigned i = 0; i < 200; i++) {
		struct program_socket s;
		begin(&w, &s);
		fake.now_ns += 20 * MS;
	}
	uint32_t more = program_space("10.0.0.3", TO)->open - before;
	cr_assert(more <= TRUST_LOOK_AFTER + 4, "%u more", more);
}

static void begin_answered(struct world *w, unsigned count)
{
	struct program_socket s;

	for (unsigned i = 0; i < count; i++) {
		begin(w, &s);
		fake_fd(s.fd)->received = is_bad(w, &s) ? 0 : 100;
	}
}

/* It may be in the queue of a server that waits for a processor. Return: connections of the silent source */
static uint32_t used_beside_answered(uint64_t after_ms)
{
	struct world w = { .bad = { "10.0.0.3" }, .how = RESET_LATER, .nonblocking = true };

	start("10.0.0.1-10.0.0.4", "even");
	begin_answered(&w, 4);
	fake.now_ns += MS;
	begin_answered(&w, 1);
	fake.now_ns += after_ms * MS;
	begin_answered(&w, 20);
	return program_space("10.0.0.3", TO)->open;
}

Test(trust, a_silent_connection_beside_answered_ones_stays_in_test_for_a_second)
{
	check(used_beside_answered(900) == 1);
	fake_stop();
	check(used_beside_answered(1100) > 1);
}

static void others_begin(void *argument)
{
	struct program_socket s;

	for (unsigned i = 0; i < 5; i++)
		begin(argument, &s);
}

/* Five others began while the sixth looked something up: its source in test is not asked for more. */
Test(trust, who_looked_something_up_meanwhile_heeds_what_others_began)
{
	struct world w = { .bad = { "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4" }, .nonblocking = true };
	struct program_socket s;

	for (unsigned i = 0; i < 4; i++) {
		start("10.0.0.1-10.0.0.4", "even");
		fake.natural_v4 = ip(w.bad[i]);
		fake.while_asking = others_begin;
		fake.while_asking_argument = &w;
		begin(&w, &s);
		check(!fake.while_asking && address_equal(&fake_fd(s.fd)->local.ip, &fake.natural_v4));
		fake_stop();
	}
}

Test(trust, where_nobody_fails_nothing_is_kept_and_nothing_asked)
{
	struct world w = { 0 };
	start("10.0.0.1-10.0.0.4", "even");
	run(&w, 40, 1);
	for (struct tuple_space *s = program_destination(TO)->spaces; s; s = s->next)
		check(!s->trust && !s->doubt);
	unsigned before = fake.calls[CALL_GETSOCKOPT];
	run(&w, 160, 1);
	check(fake.calls[CALL_GETSOCKOPT] - before <= 10);
}

Test(trust, a_forgotten_destination_takes_its_doubts_along)
{
	struct world w = { .bad = { "10.0.0.3" }, .how = REFUSED_AT_ONCE };
	start("10.0.0.1-10.0.0.4", "even");
	run(&w, 40, 1);
	check_number(shim.ledger.doubted, 1);
	fake.now_ns += 100 * SECOND;
	for (unsigned i = 0; i < LEDGER_DESTINATIONS_MAX; i++) {
		struct endpoint to = at("10.9.0.1:1");
		to.port = (uint16_t)(i + 1);
		ledger_find(&shim.ledger, &to, &shim.settings.otherwise, fake.now_ns);
	}
	check_number(shim.ledger.doubted, 0);
}
