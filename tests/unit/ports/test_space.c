// SPDX-License-Identifier: Apache-2.0
/* test_space - blocked, reserved, doubtful ports; the oracle; what is left of a tuple space. */
#include "pool/ports/tuple_space.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

#include <errno.h>

static struct port_space space;
static uint16_t only_port;        /* that IP_LOCAL_PORT_RANGE was set to */
static unsigned questions;        /* ports asked for */
static unsigned refusing_blocked; /* this port is blocked */

static void start(void)
{
	fake_start();
	fake_range(40000, 40009, "40003", 0);
	check(port_space_start(&space));
}

TestSuite(port_space, .init = start, .fini = fake_stop);

static void see(const char *from, const char *to, enum socket_state state, uint32_t inode)
{
	struct socket_seen one = {
		.source = at(from), .destination = at(to), .state = (uint8_t)state, .inode = inode
	};
	port_space_see(&space, &one);
}

static long oracle_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	uint32_t range;
	(void)fd, (void)level;
	check_number(name, IP_LOCAL_PORT_RANGE);
	check_number(length, sizeof(range));
	memcpy(&range, value, sizeof(range));
	check_number(range & 0xffff, range >> 16);
	only_port = (uint16_t)range;
	return 0;
}

static long oracle_connect(int fd, const void *sa, socklen_t length)
{
	struct endpoint to;
	(void)fd;
	check(endpoint_from_sockaddr(sa, length, &to));
	check(address_is_loopback(&to.ip));
	check(to.port < 1024 && to.port != 1);
	questions++;
	return only_port == refusing_blocked ? -EADDRNOTAVAIL : -ECONNREFUSED;
}

Test(port_space, listeners_and_bound_sockets_block)
{
	see("127.9.9.9:40001", "0.0.0.0:0", STATE_LISTEN, 11);
	see("127.9.9.9:40002", "0.0.0.0:0", STATE_BOUND_ONLY, 12);
	see("10.0.0.1:40004", "10.0.0.9:80", STATE_ESTABLISHED, 13);
	check(!port_space_usable(&space, 40001));
	check(!port_space_usable(&space, 40002));
	check(!port_space_usable(&space, 40003));
	check(port_space_usable(&space, 40004));
	check(port_space_doubtful(&space, 40004));
	check(!port_space_doubtful(&space, 40001));
	check(!port_space_doubtful(&space, 40005));
	check_number(space.ports[40001].inode, 11);
}

Test(port_space, a_listener_explains_what_it_accepted)
{
	see("127.0.0.1:40001", "127.0.0.1:50000", STATE_ESTABLISHED, 21);
	see("0.0.0.0:40001", "0.0.0.0:0", STATE_LISTEN, 22);
	see("127.0.0.1:40001", "0.0.0.0:0", STATE_BOUND_ONLY, 23);
	check_number(space.ports[40001].blocked, BLOCKED_LISTEN);
	check_number(space.ports[40001].inode, 22);
}

Test(port_space, only_doubtful_ports_are_asked_for_and_no_port_of_a_server)
{
	kernel.setsockopt = oracle_setsockopt;
	kernel.connect = oracle_connect;
	refusing_blocked = 40005;
	see("0.0.0.0:1", "0.0.0.0:0", STATE_LISTEN, 30);
	see("0.0.0.0:40001", "0.0.0.0:0", STATE_LISTEN, 31);
	see("10.0.0.1:40004", "10.0.0.9:80", STATE_ESTABLISHED, 32);
	see("10.0.0.1:40005", "10.0.0.9:80", STATE_TIME_WAIT, 0);
	see("10.0.0.1:50000", "10.0.0.9:80", STATE_ESTABLISHED, 33);
	check_number(port_space_ask(&space, NULL), 0);
	check_number(questions, 2);
	check(port_space_usable(&space, 40004));
	check_number(space.ports[40005].blocked, BLOCKED_ASKED);
	check(!port_space_doubtful(&space, 40004));
	check_number(fake_open_fds(), 0);
}

Test(port_space, what_is_bound_to_an_interface_may_be_in_a_vrf)
{
	struct socket_seen listener = {
		.source = at("0.0.0.0:40005"), .state = STATE_LISTEN, .interface = 3, .inode = 5
	};
	port_space_see(&space, &listener);
	check(port_space_usable(&space, 40005));
	check(port_space_doubtful(&space, 40005));
	kernel.setsockopt = oracle_setsockopt;
	kernel.connect = oracle_connect;
	refusing_blocked = 40005;
	see("0.0.0.0:1", "0.0.0.0:0", STATE_LISTEN, 30);
	check_number(port_space_ask(&space, NULL), 0);
	check_number(space.ports[40005].blocked, BLOCKED_LISTEN);
	check_number(space.ports[40005].inode, 5);
}

Test(port_space, where_bound_only_sockets_are_hidden_every_port_is_asked_for)
{
	kernel.setsockopt = oracle_setsockopt;
	kernel.connect = oracle_connect;
	refusing_blocked = 40009;
	see("0.0.0.0:1", "0.0.0.0:0", STATE_LISTEN, 30);
	space.bound_only_hidden = true;
	check(port_space_doubtful(&space, 40000));
	check_number(port_space_ask(&space, NULL), 0);
	check_number(questions, 9);
	check(!port_space_usable(&space, 40009));
}

Test(port_space, asking_ends_at_its_limit_and_goes_on_where_it_was)
{
	struct port_asking asking = { .limit_ns = 1 };

	kernel.setsockopt = oracle_setsockopt;
	kernel.connect = oracle_connect;
	see("0.0.0.0:1", "0.0.0.0:0", STATE_LISTEN, 30);
	see("10.0.0.1:40002", "10.0.0.9:80", STATE_ESTABLISHED, 31);
	see("10.0.0.1:40006", "10.0.0.9:80", STATE_ESTABLISHED, 32);
	check_number(port_space_doubt(&space), 2);
	asking.from = 40004;
	fake.clock_stopped = false; /* reading it takes longer than that */
	check_number(port_space_ask(&space, &asking), -ETIME);
	check_number(asking.from, 40006);
	check_number(questions, 0);
	asking.limit_ns = 0;
	check_number(port_space_ask(&space, &asking), 0);
	check_number(questions, 2);
	check_number(port_space_doubt(&space), 0);
}

Test(port_space, a_kernel_that_cannot_be_asked_says_so)
{
	see("10.0.0.1:40004", "10.0.0.9:80", STATE_ESTABLISHED, 32);
	fake_fail_option(CALL_SETSOCKOPT, IP_LOCAL_PORT_RANGE, ENOPROTOOPT);
	check_number(port_space_ask(&space, NULL), -ENOPROTOOPT);
	check(port_space_doubtful(&space, 40004));
	check_number(fake_open_fds(), 0);
}

static struct tuple_count count_of(const char *source, const char *to, const char *const *ports,
				   enum socket_state state)
{
	struct tuple_key key = { .source = ip(source), .destination = at(to) };
	struct tuple_space tuples;
	struct tuple_count count;

	check(tuple_space_start(&tuples, &key, &space));
	for (; *ports; ports++) {
		struct socket_seen one = { .source = { .ip = ip(source), .port = (uint16_t)atoi(*ports) },
					   .destination = at(to),
					   .state = (uint8_t)state };
		port_space_see(&space, &one);
		tuple_space_see(&tuples, &one);
	}
	tuple_space_count(&tuples, &space, &count);
	tuple_space_end(&tuples);
	return count;
}

#define PORTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

Test(port_space, each_port_counts_once)
{
	see("127.9.9.9:40001", "0.0.0.0:0", STATE_LISTEN, 11);
	see("127.9.9.9:40003", "0.0.0.0:0", STATE_LISTEN, 11);
	see("10.0.0.2:40006", "10.0.0.9:80", STATE_ESTABLISHED, 12);
	struct tuple_count c =
		count_of("10.0.0.1", "10.0.0.9:80", PORTS("40001", "40003", "40004", "40005", "50000"),
			 STATE_ESTABLISHED);
	check_number(c.range, 10);
	check_number(c.reserved, 1);
	check_number(c.blocked_all, 1);
	check_number(c.capacity, 8);
	check_number(c.in_use, 2);
	check_number(c.headroom, 6);
	check_number(c.doubtful, 1);
	check_number(c.by_state[STATE_ESTABLISHED], 2);
	check_number(c.knee, 5);
	check(!c.past_knee);
}

Test(port_space, the_knee_is_the_end_of_the_first_parity)
{
	check(!count_of("10.0.0.1", "10.0.0.9:80", PORTS("40001", "40005", "40007", "40009", "40002"),
			STATE_ESTABLISHED)
		       .past_knee);
	check(count_of("10.0.0.1", "10.0.0.9:80", PORTS("40000", "40002", "40004", "40006", "40008"),
		       STATE_ESTABLISHED)
		      .past_knee);
}

Test(port_space, time_waits_that_connect_may_take_over)
{
	const char *const ports[] = { "40000", "40002", "40004", "40006", "40008", NULL };
	check_number(count_of("127.0.0.1", "127.0.0.1:80", ports, STATE_TIME_WAIT).reusable, 0);
	space.range.time_wait_reuse = 2;
	check_number(count_of("127.0.0.1", "127.0.0.1:80", ports, STATE_TIME_WAIT).reusable, 5);
	check(!count_of("127.0.0.1", "127.0.0.1:80", ports, STATE_TIME_WAIT).past_knee);
	check_number(count_of("10.0.0.1", "10.0.0.9:80", ports, STATE_TIME_WAIT).reusable, 0);
	space.range.time_wait_reuse = 1;
	check_number(count_of("10.0.0.1", "10.0.0.9:80", ports, STATE_TIME_WAIT).reusable, 5);
	check_number(count_of("10.0.0.1", "10.0.0.9:80", ports, STATE_FIN_WAIT2).reusable, 0);
	space.timestamps = false;
	check_number(count_of("10.0.0.1", "10.0.0.9:80", ports, STATE_TIME_WAIT).reusable, 0);
}

Test(port_space, an_odd_range_is_one_port_less_for_a_plain_connect)
{
	fake_range(40000, 40004, "", 0);
	check(port_space_start(&space));
	check_number(count_of("10.0.0.1", "10.0.0.9:80", PORTS("50000"), STATE_ESTABLISHED).plain, 4);
	check_number(count_of("10.0.0.1", "10.0.0.9:80", PORTS("40000", "40004"), STATE_ESTABLISHED).plain,
		     3);
	check_number(count_of("10.0.0.1", "10.0.0.9:80", PORTS("40000"), STATE_ESTABLISHED).plain, 3);
	fake_range(40000, 40002, "", 0);
	check(port_space_start(&space));
	check_number(count_of("10.0.0.1", "10.0.0.9:80", PORTS("50000"), STATE_ESTABLISHED).plain, 2);
	check_number(count_of("10.0.0.1", "10.0.0.9:80", PORTS("40000"), STATE_ESTABLISHED).plain, 1);
	check_number(count_of("10.0.0.1", "10.0.0.9:80", PORTS("40002"), STATE_ESTABLISHED).plain, 2);
}

Test(port_space, what_listens_or_has_no_peer_is_in_no_tuple_space)
{
	struct tuple_key key;
	struct socket_seen listener = { .source = at("0.0.0.0:80"), .state = STATE_LISTEN };
	struct socket_seen open = { .source = at("10.0.0.1:40000"),
				    .destination = at("10.0.0.9:80"),
				    .interface = 4 };
	check(!tuple_key_of(&listener, &key));
	check(tuple_key_of(&open, &key));
	check_number(key.interface, 4);
}

Test(port_space, without_proc_there_is_none)
{
	fake_fail(CALL_OPENAT, EACCES);
	check(!port_space_start(&space));
}
