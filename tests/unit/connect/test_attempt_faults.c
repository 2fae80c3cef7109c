// SPDX-License-Identifier: Apache-2.0
/* test_attempt_faults - whatever system call of ours fails, the program gets what it would get without us. */
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#define TO "10.0.0.9:80"

TestSuite(attempt_faults, .fini = fake_stop);

static const int errors[] = { ENOPROTOOPT,   EPERM,      ENOMEM, EINVAL, EMFILE, ENOSPC,     EINTR,
			      EADDRNOTAVAIL, EADDRINUSE, EACCES, ENOSYS, EBADF,  ENETUNREACH };

enum { ERRORS = sizeof(errors) / sizeof(errors[0]) };

struct fault_case {
	char rules[96];
	long result; /* of the program's connect() without us */
};

#define OFF   ""
#define EVEN  "[headroom]\nsources = 10.0.0.2-10.0.0.4\n"
#define SPILL "[headroom]\nsources = 10.0.0.2-10.0.0.4\nspread = spill\n"
#define AUTO  "[headroom]\nsources = auto\n"
#define RULE  "[to 10.0.0.9]\nsources = 10.0.0.2\nexplicit_source = spread\n"

static struct fault_case cases[] = {
	{ OFF, 0 },
	{ OFF, -EINPROGRESS },
	{ OFF, -ECONNREFUSED },
	{ OFF, -EINTR },
	{ EVEN, 0 },
	{ EVEN, -EINPROGRESS },
	{ EVEN, -ECONNREFUSED },
	{ EVEN, -EINTR },
	{ EVEN, -EHOSTUNREACH },
	{ EVEN, -ETIMEDOUT },
	{ SPILL, 0 },
	{ SPILL, -EINPROGRESS },
	{ SPILL, -ECONNREFUSED },
	{ SPILL, -EHOSTUNREACH },
	{ AUTO, 0 },
	{ AUTO, -EINPROGRESS },
	{ AUTO, -ECONNREFUSED },
	{ AUTO, -EINVAL },
	{ RULE, 0 },
	{ RULE, -ECONNREFUSED },
};

static void start(const struct fault_case *c, enum knee_way way)
{
	program_start(c->rules);
	shim.spreading.knee.way = way;
	fake.connect_result = c->result;
	fake_range(40000, 40399, "", 2);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const texts[] = { "10.0.0.1", "10.0.0.2", "10.0.0.3" };
		fake.addresses[fake.address_count++] =
			(struct fake_interface_address){ .address = ip(texts[i]), .interface = 2 };
	}
}

static void check_ledger(const struct program_socket *s, bool open)
{
	uint32_t sum = 0;
	for (struct tuple_space *space = program_destination(TO)->spaces; space; space = space->next)
		sum += space->open;
	check_number(sum, open);
	check_number(program_destination(TO)->users, 0);
	check_number(s->held.tracked->references, open || s->held.tracked->fds ? 1 : 0);
	check(!(s->held.tracked->flags & IN_CALL));
	check(shim_enter(&shim));
	shim_leave(&shim);
}

static void connect_with_fault(const struct fault_case *c, const char *what)
{
	unsigned fds = fake_open_fds();
	struct program_socket s = program_socket(AF_INET);
	if (!strcmp(c->rules, RULE)) {
		fake_fd(s.fd)->local.ip = ip("10.0.0.7");
		fake_fd(s.fd)->no_port = 1;
		s.held.tracked->flags |= HAS_SOURCE | OWN_NO_PORT;
		s.held.tracked->bound = ip("10.0.0.7");
	}
	long rc = program_connect(&s, TO);
	cr_assert(rc == c->result, "%s: connect() gives %ld, not %ld", what, rc, c->result);
	cr_assert(fake_open_fds() == fds + 1, "%s: an fd was left open", what);
	check_ledger(&s, rc == 0 || rc == -EINPROGRESS || rc == -EINTR);
	program_close(&s);
	check_ledger(&s, false);
}

ParameterizedTestParameters(attempt_faults, any_call_of_ours_may_fail)
{
	return cr_make_param_array(struct fault_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct fault_case *c, attempt_faults, any_call_of_ours_may_fail)
{
	static const enum knee_way ways[] = { KNEE_WHOLE_RANGE, KNEE_WINDOW };
	char what[80];

	for (int call = 0; call < FAKE_CALLS; call++)
		for (unsigned i = 0; i < ERRORS; i++)
			for (unsigned w = 0; w < 2; w++) {
				snprintf(what, sizeof(what), "call %d always fails with errno %d", call,
					 errors[i]);
				/* Whoever makes a call again after EINTR does so for ever then. */
				if (errors[i] == EINTR)
					continue;
				start(c, ways[w]);
				fake_fail((enum fake_call)call, errors[i]);
				connect_with_fault(c, what);
				/* A second socket, and a third after the fault is gone. */
				connect_with_fault(c, what);
				fake_recover();
				connect_with_fault(c, what);
			}
}

ParameterizedTestParameters(attempt_faults, any_single_call_of_ours_may_fail)
{
	return cr_make_param_array(struct fault_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct fault_case *c, attempt_faults, any_single_call_of_ours_may_fail)
{
	enum { CALLS_LOOKED_AT = 6 };
	char what[80];

	for (int call = 0; call < FAKE_CALLS; call++)
		for (unsigned i = 0; i < ERRORS; i++)
			for (unsigned nth = 0; nth < CALLS_LOOKED_AT; nth++) {
				snprintf(what, sizeof(what), "call %d fails once, at %u, with errno %d", call,
					 nth, errors[i]);
				start(c, KNEE_WHOLE_RANGE);
				fake_fail_some((enum fake_call)call, errors[i], nth, 1);
				connect_with_fault(c, what);
				connect_with_fault(c, what);
			}
}

ParameterizedTestParameters(attempt_faults, every_call_of_ours_may_fail)
{
	return cr_make_param_array(struct fault_case, cases, sizeof(cases) / sizeof(cases[0]));
}

/* As under a seccomp filter that refuses them all. */
ParameterizedTest(struct fault_case *c, attempt_faults, every_call_of_ours_may_fail)
{
	struct kernel_calls whole;
	start(c, KNEE_WHOLE_RANGE);
	fake_fail(CALL_SOCKET, EPERM);
	fake_fail(CALL_BIND, EPERM);
	fake_fail(CALL_SETSOCKOPT, EPERM);
	fake_fail(CALL_GETSOCKOPT, EPERM);
	fake_fail(CALL_GETSOCKNAME, EPERM);
	fake_fail(CALL_OPENAT, EPERM);
	fake_fail(CALL_RECV, EPERM);
	fake_fail(CALL_WRITE, EPERM);
	whole = kernel;
	for (unsigned i = 0; i < 5; i++)
		connect_with_fault(c, "all calls fail");
	check(!memcmp(&whole, &kernel, sizeof(whole)));
}

ParameterizedTestParameters(attempt_faults, without_memory_the_program_connects_all_the_same)
{
	return cr_make_param_array(struct fault_case, cases, sizeof(cases) / sizeof(cases[0]));
}

/* One socket to many destinations, made fresh again each time. */
static void connect_many(const struct fault_case *c, struct program_socket *s)
{
	enum { COUNT = 40 };
	static long results[COUNT];
	struct rlimit before, none;
	char to[24];

	getrlimit(RLIMIT_AS, &before);
	none = before;
	none.rlim_cur = 4096;
	setrlimit(RLIMIT_AS, &none);
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(to, sizeof(to), "10.0.0.9:%u", i + 1);
		results[i] = program_connect(s, to);
		fake_fd(s->fd)->connected = fake_fd(s->fd)->spreading = false;
		fake_fd(s->fd)->local = (struct endpoint){ 0 };
		s->held.tracked->state = SOCKET_FRESH;
		s->held.tracked->space = NULL;
	}
	setrlimit(RLIMIT_AS, &before);
	for (unsigned i = 0; i < COUNT; i++)
		check_number(results[i], c->result);
}

ParameterizedTest(struct fault_case *c, attempt_faults, without_memory_the_program_connects_all_the_same)
{
	start(c, KNEE_WHOLE_RANGE);
	struct program_socket s = program_socket(AF_INET);
	struct arena kept = shim.arena;
	shim.arena = (struct arena){ 0 };
	connect_many(c, &s);
	check_number(shim.ledger.untracked, 40);
	/* And with what is left of a chunk. */
	shim.arena = kept;
	connect_many(c, &s);
	check(shim.ledger.count > 0);
}

/* No fd is left for the question which source the kernel would have taken. */
Test(attempt_faults, where_all_is_full_nothing_of_ours_stays_though_no_route_can_be_asked_for)
{
	program_start(EVEN);
	fake_limit("10.0.0.1", TO, 0);
	for (unsigned i = 2; i <= 4; i++) {
		char source[16];
		snprintf(source, sizeof(source), "10.0.0.%u", i);
		fake_limit(source, TO, 0);
	}
	struct program_socket s = program_socket(AF_INET);
	fake_fail(CALL_SOCKET, EMFILE);
	check_number(program_connect(&s, TO), -EADDRNOTAVAIL);
	check(address_is_unset(&fake_fd(s.fd)->local.ip));
	check_number(fake_fd(s.fd)->no_port, 0);
}
