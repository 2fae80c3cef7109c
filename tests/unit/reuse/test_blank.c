// SPDX-License-Identifier: Apache-2.0
/* test_blank - the socket that a hand-out leaves over, for the program's next socket(). */
#include "pool/reuse/parked.h"
#include "preload/base/fdtable.h"
#include "preload/fds/closing.h"
#include "preload/parking/hand_out.h"
#include "preload/parking/parking.h"
#include "tests/unit/check.h"
#include "tests/unit/reusing.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#define TO    "10.0.0.9:6379"
#define RULES "[headroom]\nreuse = redis\nidle_timeout = 1s\n"

enum { FILES = 2048, A_SECOND = 1000000000 };

static void start(void)
{
	reusing_start(RULES, FILES);
	reusing_parked(TO);
}

TestSuite(blank, .init = start, .fini = fake_stop);

/* A hand-out. Return: SO_COOKIE that the program's own socket had. */
static uint64_t left_over(int *fd)
{
	*fd = reusing_socket(AF_INET);
	uint64_t cookie = fake_fd(*fd)->cookie;
	check_number(reusing_connect(*fd, TO), 0);
	check(fake_fd(*fd)->cookie != cookie);
	return cookie;
}

static int number(void)
{
	cr_assert(shim.reusing.blank);
	return shim.reusing.blank->fd;
}

Test(blank, serves_the_next_socket)
{
	int fd, sockets = (int)fake.calls[CALL_SOCKET];
	uint64_t cookie = left_over(&fd);
	/* The connection had the first of our numbers. */
	check_number(number(), FILES / 2 + 1);
	check(fake_fd(number())->cloexec);
	int next = hand_out_blank(AF_INET, SOCK_STREAM, 0);
	check_number(next, fd + 1);
	check_number(fake_fd(next)->cookie, cookie);
	check(!fake_fd(next)->cloexec);
	check_number(fake_fd(next)->status, 0);
	check_number(reusing_open_fds(), 2);
	check_number((int)fake.calls[CALL_SOCKET], sockets);
	check(!shim.reusing.blank);
	check_number(fdtable_look(next)->state, SOCKET_FRESH);
	check_number(hand_out_blank(AF_INET, SOCK_STREAM, 0), -1);
}

Test(blank, goes_round)
{
	int fd;
	uint64_t cookie = left_over(&fd);
	for (unsigned i = 0; i < 50; i++) {
		reusing_exchange(fd);
		check(reusing_close(fd));
		reusing_wait(REUSING_QUIET_NS);
		check_number(left_over(&fd), cookie);
	}
	check_number(reusing_open_fds(), 1 + BLANK);
	check_number(fake.program_connects, 1);
	check_number(reusing_counts(TO)->hits, 51);
}

Test(blank, a_connection_of_its_own_is_parked_like_any)
{
	int fd, other;
	uint64_t cookie = left_over(&fd);
	check_number(reusing_serves(TO), cookie);
	other = fd + 1;
	check(fake_fd(other)->connected);
	reusing_exchange(other);
	check(reusing_close(other));
	reusing_wait(REUSING_QUIET_NS);
	check_number(reusing_serves(TO), cookie);
}

Test(blank, is_as_socket_was_asked_for)
{
	static const int types[] = { SOCK_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK | SOCK_CLOEXEC, 0 };
	for (unsigned i = 0; i < 4; i++) {
		int fd;
		left_over(&fd);
		int next = hand_out_blank(AF_INET, SOCK_STREAM | types[i], IPPROTO_TCP);
		check_number(fake_fd(next)->cloexec, types[i] & SOCK_CLOEXEC ? 1 : 0);
		check_number(fake_fd(next)->status, types[i] & SOCK_NONBLOCK ? O_NONBLOCK : 0);
		fake_fd(next)->status = 0;
		check_number(reusing_connect(next, "10.0.0.8:6379"), 0);
		reusing_exchange(fd);
		check(reusing_close(fd));
		reusing_wait(REUSING_QUIET_NS);
	}
}

Test(blank, of_a_nonblocking_socket_blocks_if_asked_to)
{
	int fd = reusing_socket(AF_INET);
	fake_fd(fd)->status = O_NONBLOCK;
	check_number(reusing_connect(fd, TO), -EINPROGRESS);
	int next = hand_out_blank(AF_INET, SOCK_STREAM, 0);
	check_number(fake_fd(next)->status, 0);
}

Test(blank, serves_no_other_kind_of_socket)
{
	int fd;
	left_over(&fd);
	check_number(hand_out_blank(AF_INET6, SOCK_STREAM, 0), -1);
	check_number(hand_out_blank(AF_INET, SOCK_DGRAM, 0), -1);
	check_number(hand_out_blank(AF_UNIX, SOCK_STREAM, 0), -1);
	check_number(hand_out_blank(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */), -1);
	check(shim.reusing.blank);
}

static void option(int fd)
{
	option_log_note(&reusing_of(fd)->options, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 }, sizeof(int));
}

static void watched(int fd)
{
	int epoll = fake_epoll();
	struct epoll_event event = { .events = EPOLLIN };
	check_number(kernel.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	reuse_note_watch(reusing_of(fd), epoll, EPOLL_CTL_ADD, EPOLLIN, 0);
}

static void tried(int fd)
{
	reusing_of(fd)->tried = true;
}

static void deferred(int fd)
{
	fdtable_look(fd)->flags |= DEFERRED;
}

static void range(int fd)
{
	fdtable_look(fd)->flags |= RANGE_BY_US;
}

static void status(int fd)
{
	fake_fd(fd)->status = O_DIRECT;
}

static void room(int fd)
{
	(void)fd;
	shim.reusing.parked_most = 0;
}

static void no_number(int fd)
{
	(void)fd;
	fake_fail_option(CALL_FCNTL, F_DUPFD_CLOEXEC, EMFILE);
}

static void no_cookie(int fd)
{
	(void)fd;
	fake_fail_some(CALL_GETSOCKOPT, ENOPROTOOPT, 1, 2); /* twice, after that of the connection */
}

Test(blank, what_is_not_as_it_was_made_is_not_kept)
{
	void (*cases[])(
		int) = { option, watched, tried, deferred, range, status, room, no_number, no_cookie };
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start();
		int fd = reusing_socket(AF_INET);
		cases[i](fd);
		check_number(reusing_connect(fd, TO), 0);
		check_number(reusing_counts(TO)->hits, 1);
		check(!shim.reusing.blank);
		fake_recover();
	}
}

Test(blank, there_is_one)
{
	int a = reusing_opened(TO), b = reusing_opened("10.0.0.8:6379");
	reusing_exchange(a);
	reusing_exchange(b);
	check(reusing_close(a));
	check(reusing_close(b));
	reusing_wait(REUSING_QUIET_NS);
	a = reusing_socket(AF_INET);
	b = reusing_socket(AF_INET);
	uint64_t first = fake_fd(a)->cookie;
	check_number(reusing_connect(a, TO), 0);
	check_number(reusing_connect(b, "10.0.0.8:6379"), 0);
	check_number(fake_fd(number())->cookie, first);
	check_number(reusing_open_fds(), 2 + BLANK);
}

Test(blank, goes_after_a_second)
{
	int fd;
	left_over(&fd);
	reusing_wait(A_SECOND - 1000000);
	parking_tidy();
	check(shim.reusing.blank);
	reusing_wait(1000000);
	parking_tidy();
	check(!shim.reusing.blank);
	check_number(reusing_open_fds(), 1);
	check_number(fake.resets, 0);
}

Test(blank, goes_for_want_of_fds)
{
	int fd;
	left_over(&fd);
	errno = EMFILE;
	check(parking_made_room(-1));
	check(!shim.reusing.blank);
	check_number(reusing_open_fds(), 1);
}

Test(blank, gives_way)
{
	int fd;
	left_over(&fd);
	parking_give_way(number());
	check(!shim.reusing.blank);
	check_number(reusing_open_fds(), 1);
}

Test(blank, is_closed_in_a_forked_child)
{
	int fd;
	left_over(&fd);
	parking_in_child();
	check_number(fake_open_fds(), 1);
}

Test(blank, that_a_child_may_hold_is_not_lent)
{
	int fd;
	left_over(&fd);
	(*shim.sockets.forks)++;
	check_number(hand_out_blank(AF_INET, SOCK_STREAM, 0), -1);
	check(!shim.reusing.blank);
	check_number(reusing_open_fds(), 1);
}

Test(blank, cannot_be_closed_by_the_program)
{
	int fd;
	struct closing closing;
	left_over(&fd);
	check(closing_begin(number(), &closing));
	check(closing.ours);
	check(shim.reusing.blank);
}

Test(blank, that_was_closed_unseen_is_lost)
{
	int fd;
	left_over(&fd);
	kernel.close(number());
	check_number(hand_out_blank(AF_INET, SOCK_STREAM, 0), -1);
	check(!shim.reusing.blank);
	check_number(shim.reusing.parked_count, KEPT);
}

Test(blank, a_stranger_under_its_number_is_left_alone)
{
	int fd;
	left_over(&fd);
	int own = number();
	check_number(kernel.dup3(fake_tcp_socket(AF_INET), own, 0), own);
	uint64_t strange = fake_fd(own)->cookie;
	check_number(hand_out_blank(AF_INET, SOCK_STREAM, 0), -1);
	check_number(fake_fd(own)->cookie, strange);
	check(!shim.reusing.blank);
	check(!fdtable_look(own));
}

Test(blank, that_cannot_be_lent_is_closed)
{
	int commands[] = { F_DUPFD, F_SETFL };
	for (unsigned i = 0; i < 2; i++) {
		int fd;
		start();
		left_over(&fd);
		fake_fail_option(CALL_FCNTL, commands[i], EMFILE);
		check_number(hand_out_blank(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), -1);
		check(!shim.reusing.blank);
		check_number(reusing_open_fds(), 1);
	}
}

Test(blank, none_is_left_when_the_connection_could_not_be_placed)
{
	int fd = reusing_socket(AF_INET);
	fake_fail(CALL_DUP3, EBUSY);
	check_number(reusing_connect(fd, TO), 0);
	check_number(reusing_counts(TO)->hits, 0);
	check(!shim.reusing.blank);
	check_number(reusing_open_fds(), 1);
}
