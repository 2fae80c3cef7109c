// SPDX-License-Identifier: Apache-2.0
/* test_source_list - the LIST of sources. */
#include "pool/rules/source_list.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <sys/resource.h>

static struct arena arena;
static struct source_list list;
static char reason[REASON_MAX];

struct good_list {
	char text[128];
	unsigned count;
	char first[40], last[40];
};

ParameterizedTestParameters(source_list, lists_are_read)
{
	static struct good_list cases[] = {
		{ "10.0.0.5", 1, "10.0.0.5", "10.0.0.5" },
		{ "10.0.0.5,10.0.0.7", 2, "10.0.0.5", "10.0.0.7" },
		{ "  10.0.0.5 ,\t10.0.0.7  ", 2, "10.0.0.5", "10.0.0.7" },
		{ "10.0.0.5,10.0.0.7,", 2, "10.0.0.5", "10.0.0.7" },
		{ "10.0.0.5, ", 1, "10.0.0.5", "10.0.0.5" },
		{ "10.0.0.5-10.0.0.12", 8, "10.0.0.5", "10.0.0.12" },
		{ "10.0.0.5-10.0.0.5", 1, "10.0.0.5", "10.0.0.5" },
		{ "10.0.0.250-10.0.1.5", 12, "10.0.0.250", "10.0.1.5" },
		{ "10.0.1.0/28", 16, "10.0.1.0", "10.0.1.15" },
		{ "10.0.1.7/28", 16, "10.0.1.0", "10.0.1.15" },
		{ "10.0.1.7/32", 1, "10.0.1.7", "10.0.1.7" },
		{ "10.0.0.0/20", 4096, "10.0.0.0", "10.0.15.255" },
		{ "fd00:1::/120", 256, "fd00:1::", "fd00:1::ff" },
		{ "fd00:1::/116", 4096, "fd00:1::", "fd00:1::fff" },
		{ "fd00::fffe-fd00::1:1", 4, "fd00::fffe", "fd00::1:1" },
		{ "fd00::1,10.0.0.1", 2, "fd00::1", "10.0.0.1" },
		{ "::ffff:10.0.0.1,10.0.0.1", 1, "10.0.0.1", "10.0.0.1" },
		{ "10.0.0.2,10.0.0.1,10.0.0.2,10.0.0.1-10.0.0.3", 3, "10.0.0.2", "10.0.0.3" },
		{ "127.0.0.2-127.0.0.9", 8, "127.0.0.2", "127.0.0.9" },
		{ "10.0.0.5-10.0.0.8,!10.0.0.7", 3, "10.0.0.5", "10.0.0.8" },
		{ "!10.0.0.5, 10.0.0.5-10.0.0.8", 3, "10.0.0.6", "10.0.0.8" },
		{ "10.0.0.5-10.0.0.8,! 10.0.0.7-10.0.0.9,10.0.0.9,10.0.0.1", 3, "10.0.0.5", "10.0.0.1" },
		{ "10.0.1.0/28,!10.0.1.0/29", 8, "10.0.1.8", "10.0.1.15" },
		{ "10.0.0.1,fd00::1,!10.0.0.0/8", 1, "fd00::1", "fd00::1" },
		{ "10.0.0.1,fd00::1,!::/0,10.0.0.2", 0, "", "" },
		{ "10.0.0.1,!0.0.0.0-9.255.255.255,!fd00::/8", 1, "10.0.0.1", "10.0.0.1" },
		{ "223.255.255.255", 1, "223.255.255.255", "223.255.255.255" },
	};
	return cr_make_param_array(struct good_list, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct good_list *c, source_list, lists_are_read)
{
	cr_assert(source_list_parse(&arena, &list, c->text, reason), "%s: %s", c->text, reason);
	check_number(list.count, c->count);
	if (list.count) {
		check_address(&list.items[0], c->first);
		check_address(&list.items[list.count - 1], c->last);
	}
	check(!list.automatic);
}

struct bad_list {
	char text[128], part[64], why[80];
};

ParameterizedTestParameters(source_list, a_bad_list_is_refused_with_its_bad_part_and_a_reason)
{
	static struct bad_list cases[] = {
		{ "", "", "an entry of the list is empty" },
		{ "  ", "", "an entry of the list is empty" },
		{ ",", "", "an entry of the list is empty" },
		{ ",10.0.0.1", "", "an entry of the list is empty" },
		{ "10.0.0.1,,10.0.0.2", "", "an entry of the list is empty" },
		{ "10.0.0.1,eth0", "`eth0`", "is not an IP address, range, prefix or `auto`" },
		{ "10.0.0.1 10.0.0.2", "`10.0.0.1 10.0.0.2`", "is not an IP address" },
		{ "10.0.0.300", "`10.0.0.300`", "is not an IP address" },
		{ "automatic", "`automatic`", "is not an IP address" },
		{ "10.0.0.9-10.0.0.5", "`10.0.0.9-10.0.0.5`", "end is before its start" },
		{ "10.0.0.9-", "`10.0.0.9-`", "is not a range" },
		{ "-10.0.0.9", "`-10.0.0.9`", "is not a range" },
		{ "10.0.0.1-12", "`10.0.0.1-12`", "is not a range" },
		{ "10.0.0.1-fd00::1", "`10.0.0.1-fd00::1`", "mixes IPv4 and IPv6" },
		{ "10.0.0.0/33", "`10.0.0.0/33`", "not a number of bits" },
		{ "10.0.0.0/", "`10.0.0.0/`", "not a number of bits" },
		{ "10.0.0.0/x", "`10.0.0.0/x`", "not a number of bits" },
		{ "10.0.0.0/+28", "`10.0.0.0/+28`", "not a number of bits" },
		{ "10.0.0.0/28x", "`10.0.0.0/28x`", "not a number of bits" },
		{ "10.0.0.0/00028", "`10.0.0.0/00028`", "not a number of bits" },
		{ "fd00::/129", "`fd00::/129`", "not a number of bits" },
		{ "nonsense/24", "`nonsense/24`", "is not a prefix" },
		{ "10.0.0.0/19", "`10.0.0.0/19`", "more than 4096 addresses" },
		{ "fd00::/64", "`fd00::/64`", "more than 4096 addresses" },
		{ "0.0.0.0/0", "`0.0.0.0/0`", "more than 4096 addresses" },
		{ "10.0.0.0-10.0.16.0", "`10.0.0.0-10.0.16.0`", "beyond 4096 addresses" },
		{ "10.0.0.0/20,10.1.0.1", "`10.1.0.1`", "beyond 4096 addresses" },
		{ "0.0.0.0", "`0.0.0.0`", "no connection can leave from" },
		{ "::", "`::`", "no connection can leave from" },
		{ "224.0.0.1", "`224.0.0.1`", "no connection can leave from" },
		{ "255.255.255.255", "`255.255.255.255`", "no connection can leave from" },
		{ "ff02::1", "`ff02::1`", "no connection can leave from" },
		{ "223.255.255.250-224.0.0.2", "`223.255.255.250-224.0.0.2`", "no connection can leave" },
		{ "239.0.0.0/28", "`239.0.0.0/28`", "no connection can leave from" },
		{ "10.0.0.1,!", "`!`", "takes nothing out" },
		{ "10.0.0.1,! ", "`!`", "takes nothing out" },
		{ "auto,!auto", "`!auto`", "cannot be taken out" },
		{ "10.0.0.1,!eth0", "`eth0`", "is not an IP address" },
		{ "10.0.0.1,!!10.0.0.1", "`!10.0.0.1`", "is not an IP address" },
		{ "10.0.0.1,!10.0.0.9-10.0.0.5", "`10.0.0.9-10.0.0.5`", "end is before its start" },
		{ "10.0.0.1,!10.0.0.0/33", "`10.0.0.0/33`", "not a number of bits" },
		{ "auto,10.0.0.1", "`auto`", "stands alone" },
		{ "10.0.0.1,auto", "`auto`", "stands alone" },
	};
	return cr_make_param_array(struct bad_list, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct bad_list *c, source_list, a_bad_list_is_refused_with_its_bad_part_and_a_reason)
{
	cr_assert(!source_list_parse(&arena, &list, c->text, reason), "%s", c->text);
	check_contains(reason, c->part);
	check_contains(reason, c->why);
}

Test(source_list, auto_stands_alone)
{
	check(source_list_parse(&arena, &list, " auto ", reason));
	check(list.automatic);
	check_number(list.count, 0);
}

Test(source_list, what_is_taken_out_of_auto_is_so_when_it_is_found)
{
	struct source_list found = { 0 };
	check(source_list_parse(&arena, &list, "!10.0.0.2,auto,!10.0.0.8/30", reason));
	check(list.automatic && !list.count && source_list_complete(&list, reason));
	check(source_list_parse(&arena, &found, "10.0.0.1-10.0.0.12", reason));
	source_list_exclude(&found, &list);
	check_number(found.count, 7);
	check_address(&found.items[1], "10.0.0.3");
	check_address(&found.items[6], "10.0.0.12");
}

Test(source_list, what_one_line_takes_out_the_next_does_not_bring_back)
{
	check(source_list_extend(&arena, &list, "!10.0.0.2,", reason));
	check(!source_list_complete(&list, reason));
	check_contains(reason, "there are none in it");
	check(source_list_extend(&arena, &list, "10.0.0.2", reason));
	check(!source_list_complete(&list, reason));
	check_contains(reason, "takes every address out");
	check(source_list_extend(&arena, &list, "10.0.0.1-10.0.0.3", reason));
	check(source_list_complete(&list, reason));
	check_number(list.count, 2);
	check(!source_list_extend(&arena, &list, "!10.0.0.1,nonsense", reason));
	check_number(list.count, 2);
	check(source_list_extend(&arena, &list, "10.0.0.4", reason));
	check_number(list.count, 3);
}

Test(source_list, there_is_room_for_so_many_that_take_out)
{
	char text[32];
	for (unsigned i = 0; i < SOURCE_SPANS_MAX; i++) {
		snprintf(text, sizeof(text), "!10.%u.0.0/16", i);
		check(source_list_extend(&arena, &list, text, reason));
	}
	check(!source_list_extend(&arena, &list, "!11.0.0.0/8", reason));
	check_contains(reason, "too many");
}

Test(source_list, a_second_line_adds_to_the_first)
{
	check(source_list_parse(&arena, &list, "10.0.0.1,", reason));
	check(source_list_parse(&arena, &list, "10.0.0.2", reason));
	check_number(list.count, 2);
}

Test(source_list, a_long_bad_part_is_cut_in_the_reason)
{
	char text[400];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	check(!source_list_parse(&arena, &list, text, reason));
	check_contains(reason, "is not an IP address");
	check(strlen(reason) < REASON_MAX);
}

Test(source_list, each_address_stands_once_and_in_the_order_given)
{
	char text[40], want[40];
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 300; i++) {
			snprintf(text, sizeof(text), "10.0.%u.%u", i % 3, 200 - i % 200);
			check(source_list_parse(&arena, &list, text, reason));
		}
	check_number(list.count, 300);
	for (unsigned i = 0; i < list.count; i++) {
		snprintf(want, sizeof(want), "10.0.%u.%u", i % 3, 200 - i % 200);
		check_address(&list.items[i], want);
	}
}

/* Each address is looked for among all before it: a list of repetitions would take hours. */
Test(source_list, repetitions_count_too)
{
	check(source_list_parse(&arena, &list, "10.0.0.0/21", reason));
	check(source_list_extend(&arena, &list, "10.0.0.0/21", reason));
	check_number(list.count, 2048);
	check(!source_list_extend(&arena, &list, "10.0.0.1", reason));
	check_contains(reason, "beyond 4096 addresses");
	check_number(list.count, 2048);
	check_number(list.named, 4096);
}

Test(source_list, without_memory_a_list_is_refused)
{
	struct rlimit before, none;
	getrlimit(RLIMIT_AS, &before);
	none = before;
	none.rlim_cur = 4096;
	setrlimit(RLIMIT_AS, &none);
	bool read = source_list_parse(&arena, &list, "10.0.0.1", reason);
	setrlimit(RLIMIT_AS, &before);
	check(!read);
	check_number(list.count, 0);
}
