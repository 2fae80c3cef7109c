// SPDX-License-Identifier: Apache-2.0
/* guard_redis - the guard of Redis connections. */
#ifndef HEADROOM_POOL_GUARD_REDIS_H
#define HEADROOM_POOL_GUARD_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard;

/* Arrays within arrays that are followed, and the longest name that is looked up. */
enum { REDIS_DEPTH_MAX = 24, REDIS_NAME_MAX = 32 };

struct guard_redis {
	uint64_t waiting; /* complete commands without a complete reply */
	/* commands */
	uint64_t arguments_left, argument_left;
	uint8_t sent_place;
	/* replies */
	uint64_t left[REDIS_DEPTH_MAX]; /* elements to come, by depth */
	uint8_t depth;
	uint8_t received_place;
	char name[REDIS_NAME_MAX], text[REDIS_NAME_MAX];
};

void guard_redis_start(struct guard *guard);
void guard_redis_sent(struct guard *guard, const char *bytes, size_t size);
void guard_redis_received(struct guard *guard, const char *bytes, size_t size);
bool guard_redis_clean(const struct guard *guard);

#endif
