/* SPDX-License-Identifier: Apache-2.0 */
/* ops_wait - poll, select and epoll: which events there are, and for how many. */
#include "actor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>

static void say_events(struct strand *strand, int events)
{
	static const struct {
		int bit;
		const char *name;
	} names[] = { { POLLIN, "in" },       { POLLOUT, "out" },   { POLLERR, "err" }, { POLLHUP, "hup" },
		      { POLLRDHUP, "rdhup" }, { POLLNVAL, "nval" }, { POLLPRI, "pri" } };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (events & names[i].bit) {
			say(strand, "+");
			say(strand, names[i].name);
		}
}

static int bits(const char *word)
{
	return (strchr(word, 'i') ? POLLIN : 0) | (strchr(word, 'o') ? POLLOUT : 0) |
	       (strchr(word, 'h') ? POLLRDHUP : 0);
}

/* Waits for what is expected; a connection attempt that nobody answers is given up after the time. */
static void run_await(struct strand *strand, const struct step *step)
{
	struct pollfd ready = { fd_of(step, 0), (short)bits(step->arguments[1].word), 0 };
	say_result(strand, poll(&ready, 1, (int)step->arguments[2].number));
	say(strand, " ");
	say_events(strand, ready.revents);
}

static void run_poll(struct strand *strand, const struct step *step)
{
	struct pollfd ready[2] = { { fd_of(step, 0), POLLIN | POLLOUT | POLLRDHUP, 0 },
				   { fd_of(step, 1), POLLIN | POLLOUT | POLLRDHUP, 0 } };
	say_result(strand, poll(ready, 2, 10));
	for (int i = 0; i < 2; i++) {
		say(strand, " ");
		say_events(strand, ready[i].revents);
	}
}

static void run_select(struct strand *strand, const struct step *step)
{
	int fd = fd_of(step, 0);
	if (fd < 0 || fd >= FD_SETSIZE) {
		say(strand, " skip");
		return;
	}
	fd_set in, out;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	struct timeval limit = { 0, 10000 };
	int result = select(fd + 1, &in, &out, NULL, &limit);
	say_result(strand, result);
	if (result > 0) {
		say(strand, FD_ISSET(fd, &in) ? " in" : "");
		say(strand, FD_ISSET(fd, &out) ? " out" : "");
	}
}

static void run_epoll(struct strand *strand, const struct step *step)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);
	say_result(strand, fd);
	if (fd >= 0 && step->arguments[0].number >= 0)
		slot_put(step, 0, (struct slot){ .fd = fd });
}

static void run_control(struct strand *strand, const struct step *step)
{
	const char *what = step->arguments[2].word;
	const char *kind = step->arguments[3].word;
	struct epoll_event event = { .data.u64 = (uint64_t)step->arguments[1].number };
	event.events = EPOLLIN | EPOLLRDHUP | (strchr(kind, 'o') ? EPOLLOUT : 0u) |
		       (strchr(kind, 'e') ? EPOLLET : 0u) | (strchr(kind, '1') ? EPOLLONESHOT : 0u);
	int operation = *what == 'a' ? EPOLL_CTL_ADD : *what == 'm' ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
	say_result(strand, epoll_ctl(fd_of(step, 0), operation, fd_of(step, 1), &event));
}

static void run_epoll_wait(struct strand *strand, const struct step *step)
{
	struct epoll_event events[16];
	int count = epoll_wait(fd_of(step, 0), events, 16, 20);
	say_result(strand, count);
	/* In the order of the slots: that of the kernel's list is that of the wake-ups. */
	for (uint64_t slot = 0; slot < SLOTS; slot++)
		for (int i = 0; i < count; i++)
			if (events[i].data.u64 == slot) {
				char name[3] = { ' ', (char)('a' + slot), '\0' };
				say(strand, name);
				say_events(strand, (int)events[i].events);
			}
}

const struct operation wait_operations[] = {
	{ "await", 10, "fd one:i|o|io|ih ms", run_await },
	{ "poll", 5, "fd fd", run_poll },
	{ "select", 2, "fd", run_select },
	{ "epoll", 3, "new", run_epoll },
	{ "epoll-ctl", 6, "fd fd one:add|mod|del one:-|o|e|oe|1", run_control },
	{ "epoll-wait", 6, "fd", run_epoll_wait },
	{ NULL, 0, NULL, NULL },
};
