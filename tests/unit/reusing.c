// SPDX-License-Identifier: Apache-2.0
/* reusing - a program whose closed connections are parked, over the fake kernel. */
#include "tests/unit/reusing.h"

#include "pool/connect/attempt.h"
#include "preload/base/fdtable.h"
#include "preload/base/process.h"
#include "preload/fds/closing.h"
#include "preload/fds/renew.h"
#include "preload/parking/hand_out.h"
#include "preload/parking/parking.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/keeper.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/uio.h>

void reusing_start(const char *rules, unsigned files)
{
	struct rlimit limit;

	/* What a case before has left points into memory that is used again. */
	fdtable_forget_all();
	program_start(rules);
	fake_keeper = (struct fake_keeper){ 0 };
	process_start(NULL);
	cr_assert(!getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = files;
	cr_assert(!setrlimit(RLIMIT_NOFILE, &limit));
}

int reusing_socket(int family)
{
	struct tracked facts = { .family = (uint8_t)family };
	parking_tidy();
	int fd = hand_out_blank(family, SOCK_STREAM, 0);
	if (fd >= 0)
		return fd;
	fd = fake_tcp_socket(family);
	fake_fd(fd)->rtt_us = REUSING_RTT_US;
	cr_assert(shim_enter(&shim));
	struct tracked *tracked = fdtable_track(fd, &facts);
	cr_assert(tracked && reuse_of(&shim.reusing, tracked));
	shim_leave(&shim);
	return fd;
}

long reusing_connect(int fd, const char *to)
{
	struct fake_connect call = { .fd = fd, .to = at(to) };
	const struct rule *rule = settings_rule_for(&shim.settings, &call.to, shim.process);
	bool reuses = rule->reuse.guard != GUARD_OFF;
	long rc;

	if (reuses && hand_out(fd, (sa_family_t)fake_fd(fd)->family, &call.to, rule, &rc))
		return rc;
	cr_assert(shim_enter(&shim));
	struct tracked *tracked = fdtable_look(fd);
	reuse_begin(&shim.reusing, tracked, &call.to, rule);
	return attempt_run(&shim.spreading, tracked, fd, &call.to, rule, fake_program_connect, &call);
}

int reusing_opened(const char *to)
{
	int fd = reusing_socket(AF_INET);
	check_number(reusing_connect(fd, to), 0);
	return fd;
}

static void feed(int fd, const char *bytes,
		 bool (*show)(struct reusing *, const struct held *, const struct iovec *, size_t))
{
	struct iovec piece = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = strlen(bytes) };
	struct held held;

	cr_assert(fdtable_hold(fd, &held));
	show(&shim.reusing, &held, &piece, piece.iov_len);
	fdtable_release(&held);
}

void reusing_send(int fd, const char *bytes)
{
	struct iovec piece = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = strlen(bytes) };

	if (fdtable_look(fd)->watched & (FIRST_SEND | LATER_SEND))
		check_number(renew_before_send(fd, &piece, 1), 0);
	fake_fd(fd)->sent += strlen(bytes);
	feed(fd, bytes, reuse_sent);
}

void reusing_receive(int fd, const char *bytes)
{
	fake_fd(fd)->received += strlen(bytes);
	feed(fd, bytes, reuse_received);
}

void reusing_exchange(int fd)
{
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
	reusing_receive(fd, "+PONG\r\n");
}

/* What was done to the program's number of a socket shows by ours, too. */
static void show_by_all(int fd)
{
	const struct fake_fd *s = fake_fd(fd);

	for (int i = 0; i < FAKE_FDS; i++) {
		struct fake_fd *other = &fake.fds[i];
		bool cloexec = other->cloexec;
		if (other == s || !other->used || !s->cookie || other->cookie != s->cookie)
			continue;
		*other = *s;
		other->cloexec = cloexec;
	}
}

bool reusing_close(int fd)
{
	struct closing closing;

	const struct tracked *tracked = fdtable_look(fd);
	if (tracked && tracked->space && tracked->space->destination->parked) {
		struct conduct *conduct = &tracked->space->destination->parked->conduct;
		conduct->proven = REUSING_PROVEN;
		conduct->depth = CONDUCT_DEPTHS;
		conduct->wordless = CONDUCT_WORDLESS;
		if (conduct->turn == CONDUCT_TURN_FIRST)
			conduct->turn = CONDUCT_TURN_USES;
	}
	parking_tidy();
	show_by_all(fd);
	bool known = closing_begin(fd, &closing);
	bool parked =
		shim.reusing.parked_newest && shim.reusing.parked_newest->tracked == closing.held.tracked;
	kernel.close(fd);
	if (known)
		closing_end(&closing);
	return parked;
}

uint64_t reusing_parked(const char *to)
{
	int fd = reusing_opened(to);
	uint64_t cookie = fake_fd(fd)->cookie;

	reusing_exchange(fd);
	check(reusing_close(fd));
	reusing_wait(REUSING_QUIET_NS);
	return cookie;
}

unsigned reusing_open_fds(void)
{
	unsigned kept = 0;

	for (const struct reuse *reuse = shim.reusing.parked_newest; reuse; reuse = reuse->all_older)
		kept += reuse->kept;
	return fake_open_fds() - kept;
}

uint64_t reusing_serves(const char *to)
{
	return fake_fd(reusing_opened(to))->cookie;
}

int reusing_number(uint64_t cookie)
{
	for (struct reuse *reuse = shim.reusing.parked_newest; reuse; reuse = reuse->all_older)
		if (reuse->cookie == cookie)
			return reuse->fd;
	cr_assert_fail("none is parked that has this cookie");
	return -1;
}

const struct reuse_counts *reusing_counts(const char *to)
{
	static const struct reuse_counts none;
	const struct destination *destination = program_destination(to);
	return destination->parked ? &destination->parked->counts : &none;
}

struct reuse *reusing_of(int fd)
{
	return fdtable_look(fd)->reuse;
}

void check_refused(const char *to, enum reuse_refusal why)
{
	const struct reuse_counts *counts = reusing_counts(to);
	for (int i = 0; i < REUSE_REFUSALS; i++)
		cr_assert(counts->refused[i] == (i == (int)why), "%s: %d refused",
			  reuse_refusal_name((enum reuse_refusal)i), (int)counts->refused[i]);
}

void check_retired(const char *to, enum reuse_retirement why)
{
	const struct reuse_counts *counts = reusing_counts(to);
	for (int i = 0; i < REUSE_RETIREMENTS; i++)
		cr_assert(counts->retired[i] == (i == (int)why), "%s: %d retired",
			  reuse_retirement_name((enum reuse_retirement)i), (int)counts->retired[i]);
}
