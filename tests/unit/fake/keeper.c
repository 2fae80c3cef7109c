// SPDX-License-Identifier: Apache-2.0
/* keeper - the thread that keeps time, for tests: time passes only when a test says so. */
#include "tests/unit/fake/keeper.h"

#include "preload/parking/keeper.h"

struct fake_keeper fake_keeper;

/* So it is asked each time. */
bool keeper_looks_by(uint64_t until_ns)
{
	(void)until_ns;
	return false;
}

bool keeper_see_to(uint64_t until_ns, bool (*tend)(uint64_t now_ns))
{
	fake_keeper.tend = tend;
	fake_keeper.until_ns = until_ns;
	fake_keeper.asked++;
	return !fake_keeper.refuses;
}

void keeper_stop(void)
{
	fake_keeper.stopped++;
}

void keeper_in_child(void)
{
}
