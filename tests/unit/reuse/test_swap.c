// SPDX-License-Identifier: Apache-2.0
/* test_swap - what the program's fd is like with another connection under it; and when a system call fails.
 */
#include "pool/reuse/option_log.h"
#include "pool/reuse/swap.h"
#include "preload/base/fdtable.h"
#include "preload/parking/parking.h"
#include "tests/unit/check.h"
#include "tests/unit/reusing.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#define TO "10.0.0.9:6379"

static void start(void)
{
	reusing_start("[headroom]\nreuse = redis\nidle_timeout = 1s\n", 2048);
}

TestSuite(swap, .init = start, .fini = fake_stop);

static void set_option(int fd, int level, int name, int value)
{
	check_number(kernel.setsockopt(fd, level, name, &value, sizeof(value)), 0);
	option_log_note(&reusing_of(fd)->options, level, name, &value, sizeof(value));
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);
	check_number(kernel.getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static void watch(int epoll, int operation, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };
	check_number(kernel.epoll_ctl(epoll, operation, fd, &event), 0);
	reuse_note_watch(reusing_of(fd), epoll, operation, events, data);
}

Test(swap, a_blocking_connect_is_told_0)
{
	uint64_t cookie = reusing_parked(TO);
	int fd = reusing_socket(AF_INET);
	check_number(reusing_connect(fd, TO), 0);
	check_number(fake_fd(fd)->cookie, cookie);
	check_number(fake_fd(fd)->status, 0);
	check(!reusing_of(fd)->connect_to_come);
}

Test(swap, a_non_blocking_one_einprogress)
{
	uint64_t cookie = reusing_parked(TO);
	int fd = reusing_socket(AF_INET);
	fake_fd(fd)->status = O_NONBLOCK;
	check_number(reusing_connect(fd, TO), -EINPROGRESS);
	check_number(fake_fd(fd)->cookie, cookie);
	check_number(fake_fd(fd)->status, O_NONBLOCK);
	check(reusing_of(fd)->connect_to_come);
	reusing_exchange(fd);
	check(reusing_close(fd));
	reusing_wait(REUSING_QUIET_NS);
	fd = reusing_opened(TO);
	check_number(fake_fd(fd)->status, 0);
	check(!reusing_of(fd)->connect_to_come);
}

Test(swap, close_on_exec_is_the_program_s)
{
	for (int on = 0; on < 2; on++) {
		uint64_t cookie = reusing_parked(TO);
		int fd = reusing_socket(AF_INET);
		fake_fd(fd)->cloexec = on;
		check_number(reusing_connect(fd, TO), 0);
		check_number(fake_fd(fd)->cookie, cookie);
		check_number(fake_fd(fd)->cloexec, on);
		reusing_exchange(fd);
		check(reusing_close(fd));
		reusing_wait(REUSING_QUIET_NS);
	}
}

Test(swap, options_of_the_new_socket_are_set_and_those_of_the_old_put_back)
{
	int fd = reusing_opened(TO);
	uint64_t cookie = fake_fd(fd)->cookie;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	reusing_exchange(fd);
	check(reusing_close(fd));
	reusing_wait(REUSING_QUIET_NS);
	fd = reusing_socket(AF_INET);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	unsigned set = fake.calls[CALL_SETSOCKOPT];
	check_number(reusing_connect(fd, TO), 0);
	check_number(fake_fd(fd)->cookie, cookie);
	/* What is equal is not set again. */
	check_number(fake.calls[CALL_SETSOCKOPT], set + 2);
	check_number(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	check_number(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	check_number(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
	reusing_exchange(fd);
	check(reusing_close(fd));
	reusing_wait(REUSING_QUIET_NS);
	fd = reusing_opened(TO);
	check_number(fake_fd(fd)->cookie, cookie);
	check_number(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	check_number(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 0);
}

Test(swap, what_cannot_be_put_back_is_for_its_like)
{
	int fd = reusing_opened(TO);
	uint64_t cookie = fake_fd(fd)->cookie;
	set_option(fd, SOL_SOCKET, SO_RCVBUF, 9000);
	reusing_exchange(fd);
	check(reusing_close(fd));
	reusing_wait(REUSING_QUIET_NS);
	fd = reusing_socket(AF_INET);
	set_option(fd, SOL_SOCKET, SO_RCVBUF, 9000);
	check_number(reusing_connect(fd, TO), 0);
	check_number(fake_fd(fd)->cookie, cookie);
	reusing_exchange(fd);
	check(reusing_close(fd));
	check(reusing_serves(TO) != cookie);
}

Test(swap, it_leaves_its_epoll_sets_when_it_is_parked)
{
	int fd = reusing_opened(TO), set = fake_epoll(), other = fake_epoll();
	watch(set, EPOLL_CTL_ADD, fd, EPOLLIN, 1);
	watch(other, EPOLL_CTL_ADD, fd, EPOLLIN, 2);
	reusing_exchange(fd);
	check(reusing_close(fd));
	check_number(fake.watch_count, 0);
}

Test(swap, epoll_sets_of_the_new_socket_have_it_as_before_connect)
{
	uint64_t cookie = reusing_parked(TO);
	int fd = reusing_socket(AF_INET), set = fake_epoll(), other = fake_epoll(), left = fake_epoll();
	watch(set, EPOLL_CTL_ADD, fd, EPOLLIN, 1);
	watch(other, EPOLL_CTL_ADD, fd, EPOLLIN, 2);
	watch(left, EPOLL_CTL_ADD, fd, EPOLLIN, 3);
	watch(other, EPOLL_CTL_MOD, fd, EPOLLOUT | EPOLLET, 4);
	watch(left, EPOLL_CTL_DEL, fd, 0, 0);
	check_number(reusing_connect(fd, TO), 0);
	check_number(fake_fd(fd)->cookie, cookie);
	check_number(fake.watch_count, 2);
	check_number(fake_watch(set, fd)->events, EPOLLIN);
	check_number(fake_watch(set, fd)->data, 1);
	check_number(fake_watch(other, fd)->events, EPOLLOUT | EPOLLET);
	check_number(fake_watch(other, fd)->data, 4);
	/* And it leaves these too. */
	reusing_exchange(fd);
	check(reusing_close(fd));
	check_number(fake.watch_count, 0);
}

Test(swap, none_of_more_epoll_sets_than_are_kept)
{
	uint64_t cookie = reusing_parked(TO);
	int fd = reusing_socket(AF_INET);
	for (unsigned i = 0; i <= REUSE_EPOLLS_MAX; i++)
		watch(fake_epoll(), EPOLL_CTL_ADD, fd, EPOLLIN, i);
	check_number(reusing_connect(fd, TO), 0);
	check(fake_fd(fd)->cookie != cookie);
	check_number(fake.watch_count, REUSE_EPOLLS_MAX + 1);
}

#define FDINFO          "/proc/thread-self/fdinfo/8"
#define LINE_OF(events) "tfd:       12 events: " events " data:                c  pos:0 ino:2d9 sdev:8\n"

/* Whether one that reports once has only the kernel knows. */
Test(swap, what_reports_once_is_as_the_kernel_has_it)
{
	struct fresh fresh = { .fd = 12,
			       .watches = 2,
			       .watch = { { .epoll = 7, .events = EPOLLIN },
					  { .epoll = 8, .events = EPOLLIN | EPOLLONESHOT, .data = 3 } } };
	char text[128];

	check(swap_reports_once(&fresh));
	check(!swap_see(&fresh, text, sizeof(text)));
	fake_file(
		FDINFO,
		"pos:\t0\nflags:\t02\ntfd:      112 events:       19 data: 70  pos:0 ino:2e sdev:8\n" LINE_OF(
			"40000000") "tfd:        5 events:        1 data: 5  pos:0 ino:2e sdev:8\n");
	check(swap_see(&fresh, text, sizeof(text)));
	check_number(fresh.watch[0].events, EPOLLIN);
	check_number(fresh.watch[1].events, EPOLLONESHOT);
	check_number(fresh.watch[1].data, 3);
	check(swap_reports_once(&fresh));
	fake_file(FDINFO, LINE_OF("40000001"));
	check(swap_see(&fresh, text, sizeof(text)));
	check_number(fresh.watch[1].events, EPOLLIN | EPOLLONESHOT);
	/* The number was closed, and is another's: nobody can tell which is which. */
	fake_file(FDINFO, LINE_OF("40000001") LINE_OF("40000000"));
	check(!swap_see(&fresh, text, sizeof(text)));
	fresh.watches = 1;
	check(!swap_reports_once(&fresh));
	check(swap_see(&fresh, text, sizeof(text)));
}

/* The set lives on under a number nobody told us of. */
Test(swap, one_that_cannot_leave_an_epoll_set_is_not_parked)
{
	int fd = reusing_opened(TO), set = fake_epoll();
	watch(set, EPOLL_CTL_ADD, fd, EPOLLIN, 1);
	reusing_exchange(fd);
	fake_fail_option(CALL_EPOLL_CTL, EPOLL_CTL_DEL, EINVAL);
	check(!reusing_close(fd));
	check_number(fake.watch_count, 0);
	check_refused(TO, REFUSED_OPTION);
	check_number(reusing_open_fds(), 1);
}

Test(swap, nor_is_one_that_left_an_epoll_set_unseen)
{
	int fd = reusing_opened(TO), set = fake_epoll();
	watch(set, EPOLL_CTL_ADD, fd, EPOLLIN, 1);
	check_number(kernel.epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), 0);
	reusing_exchange(fd);
	check(!reusing_close(fd));
	check_refused(TO, REFUSED_OPTION);
}

struct fault_case {
	enum fake_call call;
	int option, error;
};

ParameterizedTestParameters(swap, a_call_that_fails_at_connect_makes_it_a_real_one)
{
	static struct fault_case cases[] = {
		{ CALL_GETSOCKOPT, SO_COOKIE, ENOPROTOOPT },
		{ CALL_GETSOCKOPT, SO_COOKIE, EBADF },
		{ CALL_GETSOCKOPT, TCP_KEEPIDLE, ENOMEM },
		{ CALL_GETSOCKOPT, TCP_NODELAY, EINVAL },
		{ CALL_SETSOCKOPT, TCP_KEEPIDLE, ENOMEM },
		{ CALL_SETSOCKOPT, TCP_KEEPIDLE, EINVAL },
		{ CALL_SETSOCKOPT, TCP_NODELAY, EPERM },
		{ CALL_RECV, 0, EPERM },
		{ CALL_RECV, 0, EBADF },
		{ CALL_RECV, 0, ENOMEM },
		{ CALL_FCNTL, F_GETFL, EBADF },
		{ CALL_FCNTL, F_GETFD, EPERM },
		{ CALL_FCNTL, F_SETFL, EPERM },
		{ CALL_DUP3, 0, EMFILE },
		{ CALL_DUP3, 0, EBADF },
		{ CALL_DUP3, 0, EBUSY },
		{ CALL_DUP3, 0, EINVAL },
		{ CALL_DUP3, 0, ENOMEM },
	};
	return cr_make_param_array(struct fault_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct fault_case *c, swap, a_call_that_fails_at_connect_makes_it_a_real_one)
{
	int fd = reusing_opened(TO), set = fake_epoll();
	uint64_t parked = fake_fd(fd)->cookie;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	reusing_exchange(fd);
	check(reusing_close(fd));
	reusing_wait(REUSING_QUIET_NS);
	fd = reusing_socket(AF_INET);
	uint64_t fresh = fake_fd(fd)->cookie;
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	watch(set, EPOLL_CTL_ADD, fd, EPOLLIN, 1);
	fake_fd(fd)->status = O_NONBLOCK;
	fake_fd(fd)->cloexec = true;
	fake.connect_result = -EINPROGRESS;
	fake_fail_option(c->call, c->option, c->error);
	check_number(reusing_connect(fd, TO), -EINPROGRESS);
	fake_recover();
	check_number(fake_fd(fd)->cookie, fresh);
	check(fake_fd(fd)->cookie != parked);
	check_number(fake_fd(fd)->status, O_NONBLOCK);
	check(fake_fd(fd)->cloexec);
	check_number(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
	check_number(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	check_number(fake_watch(set, fd)->data, 1);
	check(!reusing_of(fd)->connect_to_come);
	check_number(reusing_of(fd)->uses, 1);
	check_number(reusing_counts(TO)->hits, 0);
	check_number(reusing_counts(TO)->misses, 2);
	/* What is left is the set, the socket, and the parked one if it was not touched. */
	check_number(shim.reusing.parked_count, program_destination(TO)->parked->count);
}

Test(swap, what_was_half_changed_is_not_kept)
{
	uint64_t parked = reusing_parked(TO);
	int fd = reusing_socket(AF_INET);
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	fake_fail(CALL_DUP3, EMFILE);
	check_number(reusing_connect(fd, TO), 0);
	check(fake_fd(fd)->cookie != parked);
	check_retired(TO, RETIRED_ROOM);
	check_number(fake.resets, 0);
	check_number(reusing_open_fds(), 1);
}

Test(swap, look_says_no_where_another_socket_cannot_be_made_like_it)
{
	struct fresh fresh;
	int fd = reusing_socket(AF_INET);
	check(swap_look(fd, reusing_of(fd), &fresh));
	check(swap_look(fd, NULL, &fresh));
	check_number(fresh.watches, 0);
	check_number(fresh.options.set, 0);
	reusing_of(fd)->watches_unknown = true;
	check(!swap_look(fd, reusing_of(fd), &fresh));
	check(!swap_look(4000, NULL, &fresh));
}
