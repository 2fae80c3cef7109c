// SPDX-License-Identifier: Apache-2.0
/* reuse_limits - what a rule says of reuse: the guard, how many connections may be parked, for how long. */
#include "pool/rules/reuse_limits.h"

#include "pool/rules/source_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_NS 1000000ull

enum { IDLE_MOST = 4096, USES_MOST = 1000000000 };

void reuse_limits_default(struct reuse_limits *limits)
{
	*limits = (struct reuse_limits){ .guard = GUARD_OFF,
					 .max_idle = 64,
					 .max_uses = 1000,
					 .idle_timeout_ns = 1000 * MS_NS,
					 .max_age_ns = 600000 * MS_NS };
}

static uint8_t bit_of(const char *name)
{
	static const char *const names[] = { "reuse", "max_idle", "idle_timeout", "max_uses", "max_age" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], name))
			return (uint8_t)(1u << i);
	return 0;
}

bool reuse_limits_known(const char *name)
{
	return bit_of(name);
}

static bool set_number(uint32_t *out, const char *value, unsigned long most, char *reason)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || !number || number > most) {
		snprintf(reason, REASON_MAX, "`%.40s` is not a number from 1 to %lu", value, most);
		return false;
	}
	*out = (uint32_t)number;
	return true;
}

static bool set_time(uint64_t *out_ns, const char *value, char *reason)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	enum { DAY_MS = 86400000 };
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && *value >= '0' && *value <= '9'; i++)
		if (!strcmp(end, units[i].name) && number && number <= DAY_MS / units[i].ms) {
			*out_ns = number * units[i].ms * MS_NS;
			return true;
		}
	snprintf(reason, REASON_MAX, "`%.40s` is not a time of at most a day, such as 500ms, 1s, 10m", value);
	return false;
}

static bool set_guard(enum guard_kind *out, const char *value, char *reason)
{
	if (guard_from_name(value, out))
		return true;
	snprintf(reason, REASON_MAX, "`%.40s` is none of off http http+bodies redis memcached raw", value);
	return false;
}

bool reuse_limits_set(struct reuse_limits *limits, const char *name, const char *value, char *reason)
{
	uint8_t bit = bit_of(name);
	bool good = false;

	switch (bit) {
	case REUSE_GUARD:
		good = set_guard(&limits->guard, value, reason);
		break;
	case REUSE_MAX_IDLE:
		good = set_number(&limits->max_idle, value, IDLE_MOST, reason);
		break;
	case REUSE_IDLE_TIMEOUT:
		good = set_time(&limits->idle_timeout_ns, value, reason);
		break;
	case REUSE_MAX_USES:
		good = set_number(&limits->max_uses, value, USES_MOST, reason);
		break;
	case REUSE_MAX_AGE:
		good = set_time(&limits->max_age_ns, value, reason);
		break;
	}
	if (good)
		limits->given |= bit;
	return good;
}

void reuse_limits_inherit(struct reuse_limits *limits, const struct reuse_limits *from)
{
	struct reuse_limits own = *limits;

	*limits = *from;
	limits->given = own.given | from->given;
	if (own.given & REUSE_GUARD)
		limits->guard = own.guard;
	if (own.given & REUSE_MAX_IDLE)
		limits->max_idle = own.max_idle;
	if (own.given & REUSE_IDLE_TIMEOUT)
		limits->idle_timeout_ns = own.idle_timeout_ns;
	if (own.given & REUSE_MAX_USES)
		limits->max_uses = own.max_uses;
	if (own.given & REUSE_MAX_AGE)
		limits->max_age_ns = own.max_age_ns;
}
