// SPDX-License-Identifier: Apache-2.0
/* test_options - which options bear on the route, and whether they are set. */
#include "pool/routes/options.h"
#include "tests/unit/check.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct option_case {
	char name[48];
	int level, option;
	uint32_t words[5];
	unsigned length;
	bool set;
};

/* Of a value that is longer than the kernel's the rest is none of it, nor need it be memory. */
ParameterizedTestParameters(options, as_much_of_a_value_counts_as_the_kernel_reads)
{
	static struct option_case cases[] = {
		{ "a mark", SOL_SOCKET, SO_MARK, { 7 }, 4, true },
		{ "no mark", SOL_SOCKET, SO_MARK, { 0 }, 4, false },
		{ "no mark, with a length that is too long", SOL_SOCKET, SO_MARK, { 0, 7 }, 8, false },
		{ "a mark of one byte", SOL_SOCKET, SO_MARK, { 1 }, 1, true },
		{ "an address", IPPROTO_IPV6, IPV6_PKTINFO, { 0, 0, 0, 7 }, 20, true },
		{ "an interface", IPPROTO_IPV6, IPV6_PKTINFO, { 0, 0, 0, 0, 7 }, 20, true },
		{ "neither", IPPROTO_IPV6, IPV6_PKTINFO, { 0 }, 20, false },
		{ "another option", SOL_SOCKET, SO_KEEPALIVE, { 1 }, 4, false },
	};
	return cr_make_param_array(struct option_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct option_case *c, options, as_much_of_a_value_counts_as_the_kernel_reads)
{
	cr_assert(routing_option_set(c->level, c->option, c->words, c->length) == c->set, "%s", c->name);
}
