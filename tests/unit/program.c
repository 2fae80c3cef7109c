// SPDX-License-Identifier: Apache-2.0
/* program - a program under the shim, over the fake kernel: what the hooks of preload/ do, in few lines. */
#include "tests/unit/program.h"

#include "pool/connect/attempt.h"
#include "pool/connect/ending.h"
#include "pool/rules/file.h"
#include "pool/socket/deferral.h"
#include "pool/spread/trust.h"
#include "tests/unit/check.h"

#include <errno.h>
#include <sys/single_threaded.h>

/* The program's own, which libc does not read for itself: set while Criterion's threads run it is a lie, and libc would
 * leave its locks out. On x86-64 a copy relocation does the same, on aarch64 nothing does. */
char __libc_single_threaded;

void program_start(const char *rules)
{
	struct complaint complaint = { 0 };
	char text[4096];

	fake_start();
	memset(&shim, 0, sizeof(shim));
	shim_start(&shim, "unit");
	log_start(&shim.log, &shim.settings, shim.process);
	cr_assert(strlen(rules) < sizeof(text));
	strcpy(text, rules);
	cr_assert(rule_file_parse(&shim.settings_arena, &shim.settings, text, strlen(text), "rules",
				  &complaint),
		  "%s: %s", complaint.place, complaint.reason);
	settings_finish(&shim.settings);
	shim.settings.no_state = true; /* test_usage_*.c have it */
	shim.writer.state = USAGE_WITHOUT;
	/* Not the way of the machine that runs the test. */
	shim.spreading.knee.way = KNEE_WHOLE_RANGE;
	/* Criterion has had threads; the program has one, until it makes another. */
	__libc_single_threaded = 1;
	shim.spreading.random = 4711; /* the order among equal sources is the same in each run */
}

struct program_socket program_socket(int family)
{
	struct program_socket s = { .fd = fake_tcp_socket(family) };

	cr_assert(shim_enter(&shim));
	s.held = (struct held){ .tracked = tracked_new(&shim.sockets, family),
				.generation = shim.lock.generation };
	shim_leave(&shim);
	cr_assert(s.held.tracked);
	s.held.tracked->fds = 1;
	return s;
}

long program_connect(const struct program_socket *s, const char *to)
{
	struct fake_connect call = { .fd = s->fd, .to = at(to) };
	struct tracked *tracked = s->held.tracked;

	if (!shim_enter(&shim))
		return fake_program_connect(&call);
	return attempt_run(&shim.spreading, tracked, s->fd, &call.to,
			   settings_rule_for(&shim.settings, &call.to, shim.process), fake_program_connect,
			   &call);
}

long program_connects(int family, const char *to)
{
	struct program_socket s = program_socket(family);
	return program_connect(&s, to);
}

unsigned program_fills(int family, const char *to)
{
	unsigned count = 0;
	long rc;

	while ((rc = program_connects(family, to)) == 0)
		count++;
	check_number(rc, -EADDRNOTAVAIL);
	return count;
}

long program_bind(const struct program_socket *s, const char *local)
{
	struct fake_bind call = { .fd = s->fd, .local = at(local) };

	if (deferral_applies(&shim.sockets, s->held.tracked, &call.local))
		return deferral_bind(&shim.sockets, &s->held, s->fd, &call.local, fake_program_bind, &call);
	long rc = fake_program_bind(&call);
	if (!rc)
		s->held.tracked->flags |= HAS_PORT;
	return rc;
}

void program_close(const struct program_socket *s)
{
	struct tracked *tracked = s->held.tracked;
	struct ending_facts facts = { 0 };
	bool in_call = tracked->flags & IN_CALL, ends = tracked->space && !in_call;

	tracked->fds = 0;
	if (ends)
		facts = socket_ending(
			s->fd, tracked->state,
			tracked->flags |
				(trust_wants_to_know(&shim.ledger, tracked->space) ? TELL_TURNED_AWAY : 0),
			true);
	fake_close_socket(s->fd, ends && facts.how == ENDED_TIME_WAIT && !facts.gave_up);
	if (ends) {
		ending_enter(&shim.spreading, &s->held, &facts, true);
		return;
	}
	if (in_call)
		tracked->flags |= CLOSED_IN_CALL;
	check(shim_enter(&shim));
	tracked_put(&shim.sockets, tracked);
	shim_leave(&shim);
}

struct destination *program_destination(const char *to)
{
	struct endpoint endpoint = at(to);
	return ledger_find(&shim.ledger, &endpoint, &shim.settings.otherwise, 1);
}

struct tuple_space *program_space(const char *source, const char *to)
{
	struct address from = source ? ip(source) : (struct address){ 0 };

	for (struct tuple_space *s = program_destination(to)->spaces; s; s = s->next)
		if (address_equal(&s->source, &from))
			return s;
	return NULL;
}
