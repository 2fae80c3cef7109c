// SPDX-License-Identifier: Apache-2.0
/* port_parity - why there is a knee, and that IP_LOCAL_PORT_RANGE takes it away
 *
 * A plain connect() tries every port of the low end's parity before the first of the other, so once half
 * of the range is in use it looks at that half in vain each time. With the option set it tries ports in
 * turn (Linux 6.8, "tcp/dccp: change source port selection at connect() time"). Shown by the ports picked,
 * not by time: facts of timing belong to tests/bench.
 */
#include "netns.h"
#include "probe.h"

/* Return: how many connections it takes until a port of the other parity than @low turns up */
static unsigned first_of_other_parity(struct attempt a, unsigned low)
{
	struct filled got = fill(a);
	unsigned i = 0;

	while (i < got.count && local_port(open_fd(i)) % 2 == low % 2)
		i++;
	release_all();
	return i + 1;
}

int main(void)
{
	struct attempt plain = { .to = "127.0.0.1", .port = 5000 };
	struct attempt whole = { .to = "127.0.0.1", .port = 5000, .port_range = WHOLE_RANGE };
	unsigned early;

	need_kernel(6, 8, "trying ports in turn");
	need_port_range_option();
	netns_enter();
	listener("127.0.0.1", 5000);

	expect_count("range 40000-40099, plain: first odd port at connection",
		     first_of_other_parity(plain, 40000), 51);
	early = first_of_other_parity(whole, 40000);
	note("with IP_LOCAL_PORT_RANGE: %u", early);
	expect("within the first half", early <= 50);

	netns_set_port_range(40001, 40100);
	expect_count("range 40001-40100, plain: first even port at connection",
		     first_of_other_parity(plain, 40001), 51);
	early = first_of_other_parity(whole, 40001);
	note("with IP_LOCAL_PORT_RANGE: %u", early);
	expect("within the first half", early <= 50);
	return verdict();
}
