// SPDX-License-Identifier: Apache-2.0
/* test_interfaces - the prefixes on this machine's links, and which pairs of addresses they part. */
#include "pool/routes/interfaces.h"
#include "pool/spread/candidates.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <stdio.h>

#define SECOND 1000000000ull

static struct arena arena;
static struct links links;

TestSuite(interfaces, .init = fake_start, .fini = fake_stop);

static void has(const char *address, uint8_t bits, unsigned interface)
{
	fake.addresses[fake.address_count++] = (struct fake_interface_address){ .address = ip(address),
										.bits = bits,
										.interface = interface };
}

static bool parts(const char *to, const char *source)
{
	struct address a = ip(to), b = ip(source);
	return links_part(&links, &a, &b);
}

Test(interfaces, a_prefix_is_kept_once)
{
	has("127.0.0.1", 8, 1);
	has("10.0.0.1", 24, 2);
	has("10.0.0.2", 24, 2);
	has("10.0.0.2", 24, 3);
	has("10.0.1.2", 24, 2);
	has("10.9.9.9", 32, 1);
	has("fd00::1", 64, 2);
	has("fd00::2", 64, 2);
	check_number(links_read(&arena, &links), 0);
	check_number(links.count, 4);
	check_number(fake_open_fds(), 0);
}

Test(interfaces, there_is_room_for_some)
{
	static char text[FAKE_ADDRESSES][16];
	for (unsigned i = 0; i < FAKE_ADDRESSES / 2; i++) {
		snprintf(text[i], sizeof(text[i]), "10.0.%u.1", i);
		has(text[i], 24, 2);
	}
	check_number(links_read(&arena, &links), 0);
	check_number(links.count, FAKE_ADDRESSES / 2);
	check_address(&links.items[63].net, "10.0.63.1");
}

Test(interfaces, a_failure_is_said)
{
	has("10.0.0.1", 24, 2);
	fake_fail(CALL_SOCKET, EAFNOSUPPORT);
	check_number(links_read(&arena, &links), -EAFNOSUPPORT);
	fake_recover();
	fake_fail(CALL_RECV, ENOBUFS);
	check(links_read(&arena, &links) < 0);
	check_number(fake_open_fds(), 0);
}

Test(interfaces, a_destination_on_a_link_is_parted_from_sources_of_others)
{
	has("10.0.0.1", 24, 2);
	has("10.5.0.1", 24, 3);
	has("fd00::1", 64, 2);
	check_number(links_read(&arena, &links), 0);
	check(parts("10.5.0.9", "10.0.0.1"));
	check(parts("10.0.0.9", "10.5.0.1"));
	check(!parts("10.0.0.9", "10.0.0.77"));
	check(!parts("192.0.2.1", "10.0.0.1"));
	check(parts("fd00::9", "fd01::1"));
	check(!parts("fd00::9", "fd00::2"));
}

Test(interfaces, a_peer_of_a_point_to_point_link_is_on_it)
{
	fake.addresses[fake.address_count++] = (struct fake_interface_address){
		.address = ip("10.8.0.1"), .peer = ip("10.8.0.2"), .bits = 32, .interface = 5
	};
	check_number(links_read(&arena, &links), 0);
	check_number(links.count, 1);
	check(parts("10.8.0.2", "10.0.0.1"));
}

/* As WireGuard and PPP have it: only the routes tell what is behind. */
Test(interfaces, behind_an_interface_without_a_prefix_anything_may_be)
{
	has("10.0.0.1", 24, 2);
	has("10.9.9.9", 32, 2); /* one more address of an interface that has a prefix */
	has("10.7.7.7", 32, 1); /* the loopback */
	has("fd00::1", 64, 2);
	check_number(links_read(&arena, &links), 0);
	check(!parts("192.0.2.1", "10.0.0.1"));
	has("10.8.0.2", 32, 5);
	links = (struct links){ 0 };
	check_number(links_read(&arena, &links), 0);
	check(parts("192.0.2.1", "10.0.0.1"));
	check(!parts("10.0.0.9", "10.0.0.1"));
	check(!parts("2001:db8::1", "fd00::1"));
	has("fe80::5", 64, 5);
	has("fd08::2", 128, 5);
	links = (struct links){ 0 };
	check_number(links_read(&arena, &links), 0);
	check(parts("2001:db8::1", "fd00::1"));
}

/* From here on: what comes of it. 10.0.0.1 and 10.0.0.2 are on link 2, 10.5.0.2 is on link 3. */

static void two_links(const char *rules)
{
	program_start(rules);
	has("10.0.0.1", 24, 2);
	has("10.0.0.2", 24, 2);
	has("10.5.0.2", 24, 3);
}

static const char *source_of(const char *to)
{
	static char text[ADDRESS_TEXT_MAX];
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, to), 0);
	return address_format(&fake_fd(s.fd)->local.ip, text);
}

#define BOTH "[headroom]\nspread = even\nsources = 10.0.0.2, 10.5.0.2\n"

Test(interfaces, a_source_of_another_link_is_not_used)
{
	two_links(BOTH);
	for (unsigned i = 0; i < 6; i++)
		check_text(source_of("10.0.0.9:80"), "10.0.0.2");
	/* It is looked at again in a while. */
	fake.now_ns += 31 * SECOND;
	unsigned asked = fake.routes_asked;
	for (unsigned i = 0; i < 6; i++)
		check_text(source_of("10.0.0.9:80"), "10.0.0.2");
	check_number(fake.routes_asked, asked + 2);
	check_number(fake_open_fds(), 12);
}

Test(interfaces, one_with_an_uplink_of_its_own_is)
{
	two_links(BOTH);
	fake.routes[fake.route_count++] = (struct fake_route){ .net = ip("10.0.0.0"),
							       .bits = 104,
							       .from = ip("10.5.0.2"),
							       .gateway = ip("10.5.0.1"),
							       .interface = 3 };
	unsigned used = 0;
	for (unsigned i = 0; i < 6; i++)
		used += !strcmp(source_of("10.0.0.9:80"), "10.5.0.2");
	check_number(used, 3);
	/* That is known then. */
	unsigned asked = fake.routes_asked;
	source_of("10.0.0.9:80");
	source_of("10.0.0.9:80");
	check_number(fake.routes_asked, asked);
}

Test(interfaces, behind_a_gateway_any_named_source_is_used)
{
	two_links(BOTH);
	unsigned used = 0;
	for (unsigned i = 0; i < 6; i++)
		used += !strcmp(source_of("192.0.2.1:80"), "10.5.0.2");
	check_number(used, 3);
	/* Which interface leads there. */
	check_number(fake.routes_asked, 1);
}

Test(interfaces, where_all_are_of_other_links_the_kernel_chooses)
{
	two_links("[headroom]\nspread = even\nsources = 10.5.0.2-10.5.0.40\n");
	for (unsigned i = 3; i <= 40; i++) {
		static char text[64][16];
		snprintf(text[i], sizeof(text[i]), "10.5.0.%u", i);
		has(text[i], 24, 3);
	}
	for (unsigned i = 0; i < 8; i++)
		check_text(source_of("10.0.0.9:80"), "10.0.0.1");
	/* Two questions for each source, once; and three whether all are of another interface than a gateway.
	 */
	check_number(fake.routes_asked, 2 * 39 + 3);
}

Test(interfaces, without_netlink_a_source_in_doubt_is_not_used)
{
	two_links(BOTH);
	source_of("192.0.2.1:80");
	fake_fail(CALL_SOCKET, EAFNOSUPPORT);
	for (unsigned i = 0; i < 4; i++)
		check_text(source_of("10.0.0.9:80"), "10.0.0.2");
}

Test(interfaces, a_new_address_is_seen_in_a_while)
{
	two_links("[headroom]\nspread = even\nsources = 10.0.0.2, 10.6.0.2\n");
	unsigned used = 0;
	for (unsigned i = 0; i < 4; i++)
		used += !strcmp(source_of("10.6.0.9:80"), "10.6.0.2");
	check_number(used, 2);
	has("10.6.0.2", 24, 4);
	fake.routes[fake.route_count++] =
		(struct fake_route){ .net = ip("10.6.0.0"), .bits = 120, .interface = 4 };
	fake.now_ns += 31 * SECOND;
	for (unsigned i = 0; i < 4; i++)
		check_text(source_of("10.6.0.9:80"), "10.6.0.2");
}

/* Sockets whose route is not that of others. */

static struct program_socket socket_with(uint32_t flags, uint8_t class)
{
	struct program_socket s = program_socket(AF_INET);
	s.held.tracked->flags |= flags;
	s.held.tracked->traffic_class = class;
	return s;
}

Test(interfaces, a_pinned_socket_has_the_kernel_s_source_and_says_nothing_of_others)
{
	program_start("[headroom]\nspread = even\nsources = 10.0.0.2\n");
	fake_limit("10.0.0.1", "10.0.0.9:80", 1);
	struct program_socket s = socket_with(PINNED, 0), t = socket_with(PINNED, 0);
	check_number(program_connect(&s, "10.0.0.9:80"), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.1");
	check_number(program_space("10.0.0.1", "10.0.0.9:80")->open, 1);
	check(!program_destination("10.0.0.9:80")->natural);
	check_number(program_connect(&t, "10.0.0.9:80"), -EADDRNOTAVAIL);
	check_number(program_destination("10.0.0.9:80")->exhausted, 0);
	unsigned connects = fake.program_connects;
	check_number(program_connect(&t, "10.0.0.9:80"), -EADDRNOTAVAIL);
	check_number(fake.program_connects, connects + 1);
	check_number(fake.routes_asked, 0);
}

Test(interfaces, a_traffic_class_that_no_rule_looks_at_changes_nothing)
{
	program_start("[headroom]\nspread = even\nsources = 10.0.0.2\n");
	for (unsigned i = 0; i < 4; i++) {
		struct program_socket s = socket_with(HAS_CLASS, 0x10);
		check_number(program_connect(&s, "10.0.0.9:80"), 0);
		check_address(&fake_fd(s.fd)->local.ip, "10.0.0.2");
	}
	check_number(fake.routes_asked, 2);
	struct program_socket s = socket_with(HAS_CLASS, 0x20);
	check_number(program_connect(&s, "10.0.0.9:80"), 0);
	check_number(fake.routes_asked, 4);
	fake.now_ns += 31 * SECOND;
	s = socket_with(HAS_CLASS, 0x20);
	check_number(program_connect(&s, "10.0.0.9:80"), 0);
	check_number(fake.routes_asked, 6);
}

Test(interfaces, a_traffic_class_with_a_way_of_its_own_pins)
{
	program_start("[headroom]\nspread = even\nsources = 10.0.0.2\n");
	fake.routes[fake.route_count++] = (struct fake_route){ .net = ip("10.0.0.0"),
							       .bits = 104,
							       .traffic_class = 0x10,
							       .source = ip("10.0.0.1"),
							       .interface = 9 };
	for (unsigned i = 0; i < 4; i++) {
		struct program_socket s = socket_with(HAS_CLASS, 0x10), t = program_socket(AF_INET);
		check_number(program_connect(&s, "10.0.0.9:80"), 0);
		check_address(&fake_fd(s.fd)->local.ip, "10.0.0.1");
		check(!(s.held.tracked->flags & PINNED));
		check_number(program_connect(&t, "10.0.0.9:80"), 0);
		check_address(&fake_fd(t.fd)->local.ip, "10.0.0.2");
	}
}

Test(interfaces, a_traffic_class_of_which_nothing_can_be_known_pins)
{
	program_start("[headroom]\nspread = even\nsources = 10.0.0.2,127.0.0.2\n");
	fake_fail(CALL_SENDTO, EPERM);
	struct program_socket s = socket_with(HAS_CLASS, 0x10), t = socket_with(HAS_CLASS, 0x10);
	check_number(program_connect(&s, "10.0.0.9:80"), 0);
	check_address(&fake_fd(s.fd)->local.ip, "10.0.0.1");
	check_number(program_connect(&t, "127.0.0.1:80"), 0);
	check_address(&fake_fd(t.fd)->local.ip, "127.0.0.2");
}

Test(interfaces, the_unset_and_link_local_destinations_are_the_kernel_s)
{
	static const char *const places[] = { "0.0.0.0:80", "169.254.1.1:80", "224.0.0.1:80" };
	program_start("[headroom]\nspread = even\nsources = 10.0.0.2, 169.254.0.7\n");
	for (unsigned i = 0; i < 3; i++)
		check_text(source_of(places[i]), "10.0.0.1");
	check_text(source_of("10.0.0.9:80"), "10.0.0.2");
	check_text(source_of("10.0.0.9:80"), "10.0.0.2");
	check_text(fake.output, "");
}
