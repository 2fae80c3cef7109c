// SPDX-License-Identifier: Apache-2.0
/* reuse_limits - what a rule says of reuse: the guard, how many connections may be parked, for how long. */
#ifndef HEADROOM_POOL_RULES_REUSE_LIMITS_H
#define HEADROOM_POOL_RULES_REUSE_LIMITS_H

#include "pool/guard/guard.h"

#include <stdbool.h>
#include <stdint.h>

/* The bits of `given`: what the rule itself says; the rest it inherits from [headroom]. */
enum { REUSE_GUARD = 1, REUSE_MAX_IDLE = 2, REUSE_IDLE_TIMEOUT = 4, REUSE_MAX_USES = 8, REUSE_MAX_AGE = 16 };

struct reuse_limits {
	enum guard_kind guard;    /* GUARD_OFF: no reuse */
	uint32_t max_idle;        /* parked at once, per destination */
	uint32_t max_uses;        /* connect() calls one connection may serve, the first included */
	uint64_t idle_timeout_ns; /* parked for longer: retired */
	uint64_t max_age_ns;      /* since it was opened */
	uint8_t given;
};

/**
 * reuse_limits_default() - no reuse; 64 parked, for 1 s; 1,000 uses; 10 minutes
 */
void reuse_limits_default(struct reuse_limits *limits);

/**
 * reuse_limits_known() - is this the name of one of these settings?
 * @name:	reuse, max_idle, idle_timeout, max_uses, max_age
 */
bool reuse_limits_known(const char *name);

/**
 * reuse_limits_set() - set one by its name in the rule file
 * @value:	a guard's name or `off`; a number; a time such as 500ms, 1s, 10m
 * @reason:	REASON_MAX bytes, filled on failure
 * Return: false if the value is bad; then nothing is changed
 */
bool reuse_limits_set(struct reuse_limits *limits, const char *name, const char *value, char *reason);

/**
 * reuse_limits_inherit() - take over what was not given
 */
void reuse_limits_inherit(struct reuse_limits *limits, const struct reuse_limits *from);

#endif
