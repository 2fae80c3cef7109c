// SPDX-License-Identifier: Apache-2.0
/* guard_redis - the guard of Redis connections. */
#ifndef HEADROOM_POOL_GUARD_REDIS_H
#define HEADROOM_POOL_GUARD_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard;

/* Arrays within arrays that are followed; the longest name or start of an error that is looked at. */
enum { REDIS_DEPTH_MAX = 24, REDIS_TEXT_MAX = 28 };

/* The count or size that follows a type byte, up to CR LF. */
struct redis_number {
	uint64_t value;
	uint8_t digits;
	bool negative, after_cr;
};

struct redis_commands {
	struct redis_number number;
	uint64_t arguments; /* of this command still to come */
	uint64_t left;      /* bytes of this argument still to come; of an inline command: so far */
	uint8_t place;      /* enum command_place */
	uint8_t judging;    /* enum judging: what the next argument decides */
	uint8_t text_size;  /* REDIS_TEXT_MAX: too long to be of interest */
	bool understood;    /* a whole command */
	char text[REDIS_TEXT_MAX];
};

struct redis_replies {
	struct redis_number number;
	uint64_t left;                      /* bytes of this string still to come */
	uint64_t elements[REDIS_DEPTH_MAX]; /* still to come, by depth */
	uint32_t attributes;                /* a bit by depth: these elements come before a value */
	uint8_t depth;
	uint8_t place; /* enum reply_place */
	uint8_t type;  /* the type byte of the value being read */
	uint8_t text_size;
	char text[REDIS_TEXT_MAX];
};

struct guard_redis {
	uint64_t waiting; /* complete commands without a complete reply */
	struct redis_commands commands;
	struct redis_replies replies;
};

void guard_redis_start(struct guard *guard);
void guard_redis_sent(struct guard *guard, const char *bytes, size_t size);
void guard_redis_received(struct guard *guard, const char *bytes, size_t size);
bool guard_redis_clean(const struct guard *guard);

#endif
