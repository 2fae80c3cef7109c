// SPDX-License-Identifier: Apache-2.0
/* test_address - addresses and endpoints, IPv4 and IPv6 alike. */
#include "tests/unit/check.h"

#include <arpa/inet.h>

struct text_case {
	char text[48], formatted[48];
	bool v4, loopback, unset;
};

ParameterizedTestParameters(address, text_becomes_address_and_text_again)
{
	static struct text_case cases[] = {
		{ "10.0.0.1", "10.0.0.1", .v4 = true },
		{ "0.0.0.0", "0.0.0.0", .v4 = true, .unset = true },
		{ "0.0.0.1", "0.0.0.1", .v4 = true },
		{ "127.0.0.1", "127.0.0.1", .v4 = true, .loopback = true },
		{ "127.255.255.254", "127.255.255.254", .v4 = true, .loopback = true },
		{ "128.0.0.1", "128.0.0.1", .v4 = true },
		{ "255.255.255.255", "255.255.255.255", .v4 = true },
		{ "::ffff:10.0.0.1", "10.0.0.1", .v4 = true },
		{ "::FFFF:127.0.0.1", "127.0.0.1", .v4 = true, .loopback = true },
		{ "::ffff:0.0.0.0", "0.0.0.0", .v4 = true, .unset = true },
		{ "::", "::", .unset = true },
		{ "::1", "::1", .loopback = true },
		{ "::2", "::2", .v4 = false },
		{ "1::", "1::", .v4 = false },
		{ "0:0:1::", "0:0:1::", .v4 = false },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1", .v4 = false },
		{ "fe80::1", "fe80::1", .v4 = false },
		{ "1111:2222:3333:4444:5555:6666:7777:8888", "1111:2222:3333:4444:5555:6666:7777:8888",
		  .v4 = false },
	};
	return cr_make_param_array(struct text_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct text_case *c, address, text_becomes_address_and_text_again)
{
	struct address a = ip(c->text);
	check_address(&a, c->formatted);
	check_number(address_is_v4(&a), c->v4);
	check_number(address_is_loopback(&a), c->loopback);
	check_number(address_is_unset(&a), c->unset);
}

Test(address, an_all_zero_struct_is_unset)
{
	check(address_is_unset(&(struct address){ 0 }));
}

struct bad_text {
	char text[64];
};

ParameterizedTestParameters(address, what_is_no_address_is_refused)
{
	static struct bad_text cases[] = {
		{ "" },
		{ " " },
		{ "10.0.0" },
		{ "10.0.0.256" },
		{ "10.0.0.1 " },
		{ " 10.0.0.1" },
		{ "10.0.0.1.2" },
		{ "10.0.0.1:80" },
		{ "10.0.0.1/8" },
		{ "[::1]" },
		{ "fe80::1%eth0" },
		{ ":::" },
		{ "1::2::3" },
		{ "localhost" },
		{ "10,0,0,1" },
		{ "0x0a000001" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999" },
		{ "00000000000000000000000000000000000000000000000" },
	};
	return cr_make_param_array(struct bad_text, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct bad_text *c, address, what_is_no_address_is_refused)
{
	struct address a = ip("192.0.2.1");
	check(!address_parse(c->text, strlen(c->text), &a));
	check_address(&a, "192.0.2.1");
}

Test(address, only_the_given_bytes_are_read)
{
	struct address a;
	check(address_parse("10.0.0.12,10.0.0.3", 8, &a));
	check_address(&a, "10.0.0.1");
}

struct step {
	char from[48], to[48];
};

ParameterizedTestParameters(address, next_carries_and_stays_in_its_family)
{
	static struct step cases[] = {
		{ "10.0.0.1", "10.0.0.2" },
		{ "10.0.0.255", "10.0.1.0" },
		{ "10.255.255.255", "11.0.0.0" },
		{ "255.255.255.255", "0.0.0.0" },
		{ "fd00::ffff", "fd00::1:0" },
		{ "::", "::1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::" },
	};
	return cr_make_param_array(struct step, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct step *c, address, next_carries_and_stays_in_its_family)
{
	struct address from = ip(c->from), next = address_next(&from);
	check_address(&next, c->to);
}

struct prefix_case {
	char address[40], net[40];
	unsigned bits;
	bool match;
};

ParameterizedTestParameters(address, prefixes_match_to_the_bit)
{
	static struct prefix_case cases[] = {
		{ "10.0.0.1", "10.0.0.1", 128, true },
		{ "10.0.0.2", "10.0.0.1", 128, false },
		{ "10.255.0.1", "10.0.0.0", 96 + 8, true },
		{ "11.0.0.1", "10.0.0.0", 96 + 8, false },
		{ "11.0.0.1", "10.0.0.0", 96 + 7, true },
		{ "10.128.0.1", "10.0.0.0", 96 + 9, false },
		{ "192.0.2.1", "0.0.0.0", 96, true },
		{ "fd00::1", "0.0.0.0", 96, false },
		{ "fd00:1::1", "fd00:1::", 32, true },
		{ "fd00:2::1", "fd00:1::", 32, false },
		{ "fd00::7f", "fd00::", 121, true },
		{ "fd00::80", "fd00::", 121, false },
		{ "fd00::80", "::", 0, true },
	};
	return cr_make_param_array(struct prefix_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct prefix_case *c, address, prefixes_match_to_the_bit)
{
	struct address a = ip(c->address), net = ip(c->net);
	check_number(address_prefix_match(&a, &net, c->bits), c->match);
}

Test(address, endpoints_are_written_with_brackets_and_scope)
{
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint e = at("192.0.2.1:80");
	check_text(endpoint_format(&e, text), "192.0.2.1:80");
	e = at("[2001:db8::1]:65535");
	check_text(endpoint_format(&e, text), "[2001:db8::1]:65535");
	e = (struct endpoint){ .ip = ip("fe80::1"), .scope = 2, .port = 80 };
	check_text(endpoint_format(&e, text), "[fe80::1%2]:80");
	e = (struct endpoint){ .ip = ip("1111:2222:3333:4444:5555:6666:7777:8888"),
			       .scope = UINT32_MAX,
			       .port = 65535 };
	check_text(endpoint_format(&e, text), "[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535");
}

static struct sockaddr_in6 in6(const char *text, uint16_t port, uint32_t scope)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_scope_id = scope };
	inet_pton(AF_INET6, text, &sa.sin6_addr);
	return sa;
}

Test(address, a_mapped_destination_is_the_ipv4_destination)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons(443),
				  .sin_addr.s_addr = inet_addr("10.1.2.3") };
	struct sockaddr_in6 v6 = in6("::ffff:10.1.2.3", 443, 9);
	struct endpoint a, b;
	check(endpoint_from_sockaddr(&v4, sizeof(v4), &a));
	check(endpoint_from_sockaddr(&v6, sizeof(v6), &b));
	check(!memcmp(&a, &b, sizeof(a)));
	check_number(a.port, 443);
}

Test(address, a_socket_address_need_not_be_aligned)
{
	struct sockaddr_in6 v6 = in6("fd00::9", 80, 0);
	char bytes[sizeof(v6) + 1];
	struct endpoint e;
	memcpy(bytes + 1, &v6, sizeof(v6));
	check(endpoint_from_sockaddr(bytes + 1, sizeof(v6), &e));
	check_address(&e.ip, "fd00::9");
}

Test(address, the_scope_counts_for_link_local_addresses_only)
{
	struct sockaddr_in6 local = in6("fe80::1", 80, 3), global = in6("fd00::1", 80, 3);
	struct endpoint e;
	check(endpoint_from_sockaddr(&local, sizeof(local), &e));
	check_number(e.scope, 3);
	check(endpoint_from_sockaddr(&global, sizeof(global), &e));
	check_number(e.scope, 0);
	/* Without sin6_scope_id, as RFC 2133 has it. */
	check(endpoint_from_sockaddr(&local, 24, &e));
	check_number(e.scope, 0);
	check_number(e.port, 80);
}

Test(address, what_is_short_or_of_another_family_is_no_endpoint)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_storage other = { .ss_family = AF_UNIX };
	struct endpoint e;
	for (socklen_t length = 0; length < sizeof(v4); length++)
		check(!endpoint_from_sockaddr(&v4, length, &e));
	for (socklen_t length = 0; length < 24; length++)
		check(!endpoint_from_sockaddr(&v6, length, &e));
	check(!endpoint_from_sockaddr(&other, sizeof(other), &e));
	other.ss_family = AF_UNSPEC;
	check(!endpoint_from_sockaddr(&other, sizeof(other), &e));
}

Test(address, endpoints_become_socket_addresses_and_endpoints_again)
{
	static const struct {
		const char *text;
		int family;
		socklen_t length;
	} cases[] = {
		{ "10.0.0.9:80", AF_INET, sizeof(struct sockaddr_in) },
		{ "10.0.0.9:80", AF_INET6, sizeof(struct sockaddr_in6) },
		{ "[fd00::9]:80", AF_INET6, sizeof(struct sockaddr_in6) },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint from = at(cases[i].text), back;
		struct sockaddr_storage sa;
		socklen_t length = endpoint_to_sockaddr(&from, cases[i].family, &sa);
		check_number(length, cases[i].length);
		check_number(sa.ss_family, cases[i].family);
		check(endpoint_from_sockaddr(&sa, length, &back));
		check(!memcmp(&from, &back, sizeof(from)));
	}
}

Test(address, unset_is_the_wildcard_of_each_family)
{
	struct endpoint unset = { 0 };
	struct sockaddr_storage sa;
	check_number(endpoint_to_sockaddr(&unset, AF_INET, &sa), sizeof(struct sockaddr_in));
	check_number(((struct sockaddr_in *)&sa)->sin_addr.s_addr, INADDR_ANY);
	endpoint_to_sockaddr(&unset, AF_INET6, &sa);
	check(IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)&sa)->sin6_addr));
}
