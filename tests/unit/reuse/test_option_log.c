// SPDX-License-Identifier: Apache-2.0
/* test_option_log - which sockets can be made alike; and which epoll sets a socket is in. */
#include "pool/reuse/option_log.h"
#include "pool/reuse/reuse.h"
#include "tests/unit/check.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

TestSuite(option_log, .init = limit_time);

static void note(struct option_log *log, int level, int name, int value)
{
	option_log_note(log, level, name, &value, sizeof(value));
}

Test(option_log, what_can_be_set_back_makes_no_difference)
{
	struct option_log a = { 0 }, b = { 0 };
	note(&a, IPPROTO_TCP, TCP_NODELAY, 1);
	note(&a, SOL_SOCKET, SO_KEEPALIVE, 1);
	note(&b, IPPROTO_TCP, TCP_KEEPIDLE, 16);
	check(option_log_can_become(&a, &b));
	check(option_log_can_become(&b, &a));
}

Test(option_log, what_cannot_be_set_back_must_be_the_same)
{
	struct option_log a = { 0 }, b = { 0 };
	note(&a, SOL_SOCKET, SO_RCVBUF, 9000);
	check(!option_log_can_become(&a, &b));
	check(!option_log_can_become(&b, &a));
	note(&b, SOL_SOCKET, SO_RCVBUF, 9001);
	check(!option_log_can_become(&a, &b));
	note(&b, SOL_SOCKET, SO_RCVBUF, 9000);
	check(option_log_can_become(&a, &b));
}

Test(option_log, an_unknown_option_is_like_no_other)
{
	struct option_log a = { 0 }, none = { 0 };
	note(&a, SOL_SOCKET, SO_TIMESTAMP, 1);
	check(a.others && !option_log_can_become(&a, &none) && !option_log_can_become(&none, &a));
	check(!option_log_can_become(&a, &a));
}

Test(option_log, a_value_too_long_to_keep_is_unknown)
{
	struct option_log a = { 0 };
	char value[OPTION_VALUE_MAX + 1] = "";
	option_log_note(&a, IPPROTO_TCP, TCP_CONGESTION, value, OPTION_VALUE_MAX);
	check(!a.others);
	option_log_note(&a, IPPROTO_TCP, TCP_CONGESTION, value, OPTION_VALUE_MAX + 1);
	check(a.others);
}

Test(option_log, a_hint_is_no_option)
{
	struct option_log a = { 0 };
	note(&a, IPPROTO_TCP, TCP_QUICKACK, 1);
	check(!a.others && !a.set);
}

Test(option_log, epoll_sets)
{
	struct reuse reuse = { 0 };
	reuse_note_watch(&reuse, 7, EPOLL_CTL_ADD, EPOLLIN, 1);
	reuse_note_watch(&reuse, 8, EPOLL_CTL_ADD, EPOLLIN, 2);
	reuse_note_watch(&reuse, 7, EPOLL_CTL_MOD, EPOLLOUT, 3);
	check_number(reuse.watches, 2);
	check_number(reuse.watch[0].events, EPOLLOUT);
	check_number(reuse.watch[0].data, 3);
	reuse_note_watch(&reuse, 7, EPOLL_CTL_DEL, 0, 0);
	reuse_note_watch(&reuse, 7, EPOLL_CTL_DEL, 0, 0);
	check_number(reuse.watches, 1);
	check_number(reuse.watch[0].epoll, 8);
	for (int i = 0; i < REUSE_EPOLLS_MAX - 1; i++)
		reuse_note_watch(&reuse, 20 + i, EPOLL_CTL_ADD, EPOLLIN, 0);
	check(!reuse.watches_unknown);
	reuse_note_watch(&reuse, 30, EPOLL_CTL_ADD, EPOLLIN, 0);
	check(reuse.watches_unknown);
	check_number(reuse.watches, REUSE_EPOLLS_MAX);
}
