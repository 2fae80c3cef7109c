// SPDX-License-Identifier: Apache-2.0
/* bind_parity - bind(ip, 0) takes ports of the parity that connect() takes last
 *
 * inet_csk_find_open_port() begins with the other parity than __inet_hash_connect(), "to not pollute
 * connect() users" (net/ipv4/inet_connection_sock.c, since Linux 4.2). A connect() with IP_LOCAL_PORT_RANGE
 * set keeps no parity and takes ports that bind() would have had: so headroom sets it near the knee only.
 */
#include "netns.h"
#include "probe.h"
#include <unistd.h>

/* Return: how many ports bind(127.0.0.2, 0) gives until an even one turns up; the range begins with an even
 * one */
static unsigned first_even_bound(void)
{
	int held[100];
	unsigned count = 0, first = 0;

	while (count < 100 && !first) {
		held[count] = new_socket(&(struct attempt){ .to = "127.0.0.1" });
		if (bind_to(held[count], "127.0.0.2", 0, false))
			give_up("bind");
		if (local_port(held[count++]) % 2 == 0)
			first = count;
	}
	while (count)
		close(held[--count]);
	return first;
}

/* Connections hold 50 ports. Return: how many ports that leaves to bind() */
static unsigned left_for_bind(struct attempt a)
{
	int held[100];
	unsigned count = 0;

	for (unsigned i = 0; i < 50; i++) {
		int fd = new_socket(&a);

		if (connect_to(fd, a.to, a.port))
			give_up("connect");
		held[count++] = fd;
	}
	unsigned odd = 0;
	for (unsigned i = 0; i < count; i++)
		odd += local_port(held[i]) % 2;
	while (count)
		abort_close(held[--count]);
	return 50 - odd;
}

int main(void)
{
	struct attempt plain = { .to = "127.0.0.1", .port = 5000 };
	struct attempt whole = { .to = "127.0.0.1", .port = 5000, .port_range = WHOLE_RANGE };
	unsigned left;

	need_kernel(6, 8, "trying ports in turn");
	need_port_range_option();
	netns_enter();
	listener("127.0.0.1", 5000);

	expect_count("range 40000-40099: first even port of bind(ip, 0)", first_even_bound(), 51);
	expect_count("50 connections leave of its odd ports", left_for_bind(plain), 50);
	left = left_for_bind(whole);
	note("with IP_LOCAL_PORT_RANGE %u", left);
	expect("fewer", left < 50);
	return verdict();
}
