// SPDX-License-Identifier: Apache-2.0
/* redis_number - the counts and sizes in Redis' framing. */
#ifndef HEADROOM_POOL_GUARD_REDIS_NUMBER_H
#define HEADROOM_POOL_GUARD_REDIS_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* The count or size that follows a type byte, up to CR LF. */
struct redis_number {
	uint64_t value;
	uint8_t digits;
	bool negative, after_cr;
};

enum redis_number_state { NUMBER_BAD, NUMBER_MORE, NUMBER_DONE };

/**
 * redis_number_follow() - the next byte of a number that CR LF ends
 * @number:	zeroed before the first byte
 *
 * As Redis writes them: no sign but the `-` of -1, no zero in front, below 2^63.
 */
enum redis_number_state redis_number_follow(struct redis_number *number, char c);

#endif
