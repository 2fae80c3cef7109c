// SPDX-License-Identifier: Apache-2.0
/* test_parked_refused - what is closed for real, and under which counter. */
#include "pool/reuse/parked.h"
#include "pool/socket/deferral.h"
#include "preload/base/fdtable.h"
#include "preload/parking/parking.h"
#include "tests/unit/check.h"
#include "tests/unit/reusing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#define TO "10.0.0.9:6379"

static void start(void)
{
	reusing_start("[headroom]\nreuse = redis\nidle_timeout = 1s\n", 2048);
}

TestSuite(parked_refused, .init = start, .fini = fake_stop);

static void flag(int fd, unsigned flags)
{
	fdtable_look(fd)->flags |= (uint32_t)flags;
}

static void open_exchange(int fd)
{
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
}

static void second_request(int fd)
{
	reusing_send(fd, "*1\r\n");
}

static void state_left(int fd)
{
	reusing_send(fd, "*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n");
	reusing_receive(fd, "+OK\r\n");
}

static void not_acknowledged(int fd)
{
	fake_fd(fd)->unacked = 1;
}

static void not_sent(int fd)
{
	fake_fd(fd)->not_sent = 1;
}

/* Or not read yet: the kernel has counted them either way. */
static void received_unseen(int fd)
{
	fake_fd(fd)->received++;
}

static void sent_unseen(int fd)
{
	fake_fd(fd)->sent++;
}

static void told_unseen(int fd)
{
	struct held held;
	check(fdtable_hold(fd, &held));
	reuse_unseen(&held);
	fdtable_release(&held);
}

static void closed_by_peer(int fd)
{
	enum { CLOSE_WAIT = 8 };
	fake_fd(fd)->tcp_state = CLOSE_WAIT;
}

static void was_shut(int fd)
{
	flag(fd, WAS_SHUT);
}

static void broken(int fd)
{
	fdtable_look(fd)->state = SOCKET_BROKEN;
}

static void shared(int fd)
{
	parking_shared(fd);
}

static void forked(int fd)
{
	(void)fd;
	(*shim.sockets.forks)++;
}

static void fed_now(int fd)
{
	atomic_store(&reusing_of(fd)->feeding, true);
}

static void in_a_call(int fd)
{
	struct held held;
	check(fdtable_hold(fd, &held));
}

static void unknown_option(int fd)
{
	reusing_of(fd)->options.others = true;
}

static void unknown_epoll_set(int fd)
{
	reusing_of(fd)->watches_unknown = true;
}

static void owned(int fd)
{
	parking_signals(fd);
}

static void asynchronous(int fd)
{
	fake_fd(fd)->status |= O_ASYNC;
}

static void bound_port(int fd)
{
	flag(fd, HAS_PORT);
}

static void own_range(int fd)
{
	flag(fd, OWN_RANGE);
}

static void own_no_port(int fd)
{
	flag(fd, OWN_NO_PORT);
}

static void pinned(int fd)
{
	flag(fd, PINNED);
}

static void reuses_port(int fd)
{
	flag(fd, REUSES_PORT);
}

static void aborts(int fd)
{
	flag(fd, ABORTS_ON_CLOSE);
}

static void another_socket(int fd)
{
	reusing_of(fd)->cookie = fake_fd(fd)->cookie + 1;
}

static void old_kernel(int fd)
{
	(void)fd;
	fake.tcp_info_size = offsetof(struct tcp_info, tcpi_bytes_received);
}

static void no_cookie(int fd)
{
	(void)fd;
	fake_fail_option(CALL_GETSOCKOPT, SO_COOKIE, ENOPROTOOPT);
}

static void no_tcp_info(int fd)
{
	(void)fd;
	fake_fail_option(CALL_GETSOCKOPT, TCP_INFO, ENOMEM);
}

static void no_status(int fd)
{
	(void)fd;
	fake_fail_option(CALL_FCNTL, F_GETFL, EPERM);
}

static void no_fd_left(int fd)
{
	(void)fd;
	fake_fail_option(CALL_FCNTL, F_DUPFD_CLOEXEC, EMFILE);
}

static void number_too_high(int fd)
{
	(void)fd;
	fake_fail_option(CALL_FCNTL, F_DUPFD_CLOEXEC, EINVAL);
}

static void beyond_the_table(int fd)
{
	(void)fd;
	shim.reusing.parked_from = FAKE_FIRST_FD + FAKE_FDS;
}

static const struct {
	void (*spoil)(int fd);
	enum reuse_refusal why;
} reasons[] = {
	{ state_left, REFUSED_GUARD },
	{ open_exchange, REFUSED_OPEN },
	{ second_request, REFUSED_OPEN },
	{ not_acknowledged, REFUSED_UNREAD },
	{ not_sent, REFUSED_UNREAD },
	{ received_unseen, REFUSED_UNSEEN },
	{ sent_unseen, REFUSED_UNSEEN },
	{ told_unseen, REFUSED_UNSEEN },
	{ closed_by_peer, REFUSED_STATE },
	{ was_shut, REFUSED_STATE },
	{ broken, REFUSED_STATE },
	{ another_socket, REFUSED_STATE },
	{ old_kernel, REFUSED_STATE },
	{ no_cookie, REFUSED_STATE },
	{ no_tcp_info, REFUSED_STATE },
	{ shared, REFUSED_SHARED },
	{ forked, REFUSED_SHARED },
	{ fed_now, REFUSED_SHARED },
	{ in_a_call, REFUSED_SHARED },
	{ unknown_option, REFUSED_OPTION },
	{ unknown_epoll_set, REFUSED_OPTION },
	{ owned, REFUSED_OPTION },
	{ asynchronous, REFUSED_OPTION },
	{ bound_port, REFUSED_OPTION },
	{ own_range, REFUSED_OPTION },
	{ own_no_port, REFUSED_OPTION },
	{ pinned, REFUSED_OPTION },
	{ reuses_port, REFUSED_OPTION },
	{ aborts, REFUSED_OPTION },
	{ no_status, REFUSED_OPTION },
	{ no_fd_left, REFUSED_FDS },
	{ number_too_high, REFUSED_FDS },
	{ beyond_the_table, REFUSED_FDS },
};

/* By number: a pointer to a function is another in the process of the test. */
ParameterizedTestParameters(parked_refused, each_reason)
{
	static size_t numbers[sizeof(reasons) / sizeof(reasons[0])];
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		numbers[i] = i;
	return cr_make_param_array(size_t, numbers, sizeof(numbers) / sizeof(numbers[0]));
}

ParameterizedTest(size_t *number, parked_refused, each_reason)
{
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	shim.reusing.parked_most = 64; /* asked for already */
	shim.reusing.parked_from = 1024;
	reasons[*number].spoil(fd);
	check(!reusing_close(fd));
	check_refused(TO, reasons[*number].why);
	check_number(shim.reusing.parked_count, 0);
	check_number(reusing_open_fds(), 0);
	check_number(program_space("10.0.0.1", TO)->open, 0);
	check_number(fake.resets, 0);
}

Test(parked_refused, one_without_an_exchange)
{
	int fd = reusing_opened(TO);
	check(!reusing_close(fd));
	check_refused(TO, REFUSED_OPEN);
}

Test(parked_refused, a_first_byte_of_the_server)
{
	int fd = reusing_opened(TO);
	reusing_receive(fd, "+HELLO\r\n");
	check(!reusing_close(fd));
	check_refused(TO, REFUSED_GUARD);
}

Test(parked_refused, a_second_exchange_that_is_open_on_one_handed_out)
{
	reusing_parked(TO);
	int fd = reusing_opened(TO);
	reusing_send(fd, "*1\r\n$4\r\nPING\r\n");
	check(!reusing_close(fd));
	check_refused(TO, REFUSED_OPEN);
}

Test(parked_refused, one_handed_out_and_not_used_may_be_parked_again)
{
	uint64_t cookie = reusing_parked(TO);
	check(reusing_close(reusing_opened(TO)));
	reusing_wait(REUSING_QUIET_NS);
	check_number(reusing_serves(TO), cookie);
}

/* The program never asked what came of its connect(): the kernel is to tell it once, and tells us. */
Test(parked_refused, not_for_a_connect_whose_outcome_was_not_read)
{
	int fd = reusing_socket(AF_INET);
	fake.connect_result = -EINPROGRESS;
	check_number(reusing_connect(fd, TO), -EINPROGRESS);
	fake.connect_result = 0;
	fake_fd(fd)->spreading = false;
	fake_fd(fd)->connected = true;
	fake_fd(fd)->tcp_state = 1;
	reusing_exchange(fd);
	unsigned connects = fake.calls[CALL_CONNECT];
	check(reusing_close(fd));
	check_number(fake.calls[CALL_CONNECT], connects + 1);
}

Test(parked_refused, nothing_where_the_ledger_has_no_pool)
{
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	fdtable_look(fd)->space->destination->parked = NULL;
	check(!reusing_close(fd));
	check_number(reusing_open_fds(), 0);
}

Test(parked_refused, a_fresh_socket_that_is_unlike)
{
	static const uint32_t flags[] = { HAS_PORT,    OWN_NO_PORT,     OWN_RANGE, PINNED,
					  REUSES_PORT, ABORTS_ON_CLOSE, HAS_SOURCE };
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		uint64_t cookie = reusing_parked(TO);
		int fd = reusing_socket(AF_INET);
		fdtable_look(fd)->flags = flags[i];
		check_number(reusing_connect(fd, TO), 0);
		cr_assert(fake_fd(fd)->cookie != cookie, "with flag %x", flags[i]);
	}
	uint64_t cookie = reusing_parked(TO);
	int shared_one = reusing_socket(AF_INET), forked_one = reusing_socket(AF_INET);
	parking_shared(shared_one);
	check_number(reusing_connect(shared_one, TO), 0);
	check(fake_fd(shared_one)->cookie != cookie);
	cookie = reusing_parked(TO);
	reusing_of(forked_one)->forks--;
	check_number(reusing_connect(forked_one, TO), 0);
	check(fake_fd(forked_one)->cookie != cookie);
	cookie = reusing_parked(TO);
	int owned_one = reusing_socket(AF_INET);
	parking_signals(owned_one);
	check_number(reusing_connect(owned_one, TO), 0);
	check(fake_fd(owned_one)->cookie != cookie);
}

static int bound_to(const char *source)
{
	int fd = reusing_socket(AF_INET);
	struct tracked *tracked = fdtable_look(fd);
	struct endpoint local = { .ip = ip(source) };
	struct fake_bind call = { .fd = fd, .local = local };
	struct held held;
	check(deferral_applies(&shim.sockets, tracked, &local));
	check(fdtable_hold(fd, &held));
	check_number(deferral_bind(&shim.sockets, &held, fd, &local, fake_program_bind, &call), 0);
	fdtable_release(&held);
	check(tracked->flags & DEFERRED && tracked->flags & HAS_SOURCE);
	return fd;
}

/* bind(source, 0), and nobody asked for the port before connect(). */
static uint64_t parked_from(const char *source)
{
	int fd = bound_to(source);
	check_number(reusing_connect(fd, TO), 0);
	uint64_t cookie = fake_fd(fd)->cookie;
	reusing_exchange(fd);
	check(reusing_close(fd));
	return cookie;
}

Test(parked_refused, but_not_one_bound_to_the_same_source)
{
	check(parked_from("10.0.0.2") != reusing_serves(TO));
	uint64_t cookie = parked_from("10.0.0.2");
	int other = bound_to("10.0.0.3");
	check_number(reusing_connect(other, TO), 0);
	check(fake_fd(other)->cookie != cookie);
	cookie = parked_from("10.0.0.2");
	int fd = bound_to("10.0.0.2");
	check_number(reusing_connect(fd, TO), 0);
	check_number(fake_fd(fd)->cookie, cookie);
	check_address(&fake_fd(fd)->local.ip, "10.0.0.2");
	check_number(shim.sockets.deferred_count, 0);
}

/* By the time of the next connect() it would be gone. */
Test(parked_refused, one_that_the_program_asks_for_too_seldom)
{
	reusing_start("[headroom]\nreuse = redis\n", 2048);
	int fd = reusing_opened(TO);
	reusing_exchange(fd);
	program_destination(TO)->parked->conduct.gap_ns = CONDUCT_IDLE_MOST_MS * CONDUCT_MS_NS;
	check(!reusing_close(fd));
	check_refused(TO, REFUSED_ROOM);
}
