// SPDX-License-Identifier: Apache-2.0
/* keeper - the thread that keeps time, for tests. */
#ifndef HEADROOM_TESTS_UNIT_FAKE_KEEPER_H
#define HEADROOM_TESTS_UNIT_FAKE_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

extern struct fake_keeper {
	uint64_t until_ns;
	bool (*tend)(uint64_t now_ns); /* what it was to see to last */
	unsigned asked, stopped;
	bool refuses; /* no thread can be had */
} fake_keeper;

#endif
